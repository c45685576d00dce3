"""Section "own cells": a user's equations beside torchrecurrent, torch.compile, and the built-in LSTM."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import own_cells
import torch
from cases import Case
from measure import interleave
from problem import OURS, Problem, Runs, module_runs, our_layer
from rows import Row, Settings
from torch import Tensor, nn

import ricorda

SECTION = "own cells"
TORCHRECURRENT = "torchrecurrent"
COMPILED = "torch.compile"
BUILT_IN = "built-in"
COMPILE_LIMIT = 300.0
"""Seconds for torch.compile to compile and run one cell."""

CELLS = {"MGU": own_cells.minimal_gated_unit, "JANET": own_cells.janet, "LEM": own_cells.lem}


def size(quick: bool) -> dict[str, int]:
    return {"T": 5, "B": 4, "H": 16} if quick else {"T": 100, "B": 32, "H": 128}


def run(settings: Settings) -> Iterator[Row]:
    sizes = size(settings.quick)
    for name in CELLS:
        if not settings.wants(SECTION, name):
            continue
        try:
            layer, peer = with_equal_weights(name, sizes["H"])
        except ImportError as error:
            settings.skip(SECTION, name, str(error))
            continue
        problem = Problem(Case("RNN", **sizes))
        runs = {OURS: module_runs(layer, problem), TORCHRECURRENT: module_runs(peer, problem)}
        check_outputs(name, runs)
        yield settings.report(Row.of(SECTION, name, _train(runs, settings), **sizes))
        yield from _against_compiled(settings, name)
    if settings.wants(SECTION, "LSTM rewritten"):
        problem = Problem(Case("LSTM", **sizes))
        layer = ricorda.Recurrent(own_cells.rewritten_lstm, sizes["H"], sizes["H"])
        layer.load_state_dict(problem.weights)
        built_in = our_layer(problem.case)
        built_in.load_state_dict(problem.weights)
        runs = {OURS: module_runs(layer, problem), BUILT_IN: module_runs(built_in, problem)}
        check_outputs("LSTM rewritten", runs)
        yield settings.report(Row.of(SECTION, "LSTM rewritten", _train(runs, settings), **sizes))


def _train(runs: dict[str, Runs], settings: Settings) -> dict[str, list[float]]:
    return interleave({name: run.train for name, run in runs.items() if run.train is not None}, settings.plan)


def check_outputs(name: str, runs: dict[str, Runs]) -> None:
    first, second = (run.infer() for run in runs.values())
    torch.testing.assert_close(first, second, rtol=1e-3, atol=1e-4, msg=lambda text: f"{name}: {text}")


def with_equal_weights(name: str, H: int) -> tuple[ricorda.Recurrent, nn.Module]:
    """Ours and torchrecurrent's layer of a cell."""
    import torchrecurrent

    peer: nn.Module = getattr(torchrecurrent, name)(H, H)
    layer = ricorda.Recurrent(CELLS[name], H, H)
    copy_weights(peer, layer)
    return layer, peer


def copy_weights(peer: nn.Module, layer: ricorda.Recurrent) -> None:
    """Copy the weights of torchrecurrent's layer to ours; the order of the affines is the same."""
    weights = {key.removeprefix("cells.0."): weight for key, weight in peer.named_parameters()}
    with torch.no_grad():
        for key in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(layer, key + "_l0").copy_(_rows(weights, key))


def _rows(weights: dict[str, Tensor], key: str) -> Tensor:
    """LEM keeps the weights of its second recurrent operand apart."""
    other = weights.get(key.replace("hh", "ch")) if "hh" in key else None
    return weights[key] if other is None else torch.cat([weights[key], other])


def _against_compiled(settings: Settings, name: str) -> Iterator[Row]:
    """Time torch.compile and ours in a process of its own, which is ended if compiling takes too long."""
    label = f"{name} beside {COMPILED}"
    if not settings.wants(SECTION, label):
        return
    if settings.quick:
        return settings.skip(SECTION, label, "it compiles too long for a quick run")
    if not any(map(shutil.which, [os.environ.get("CXX", "c++"), "g++", "clang++"])):
        return settings.skip(SECTION, label, "there is no C++ compiler")
    try:
        result = _in_a_process("compiled.py", name, str(settings.threads))
    except subprocess.TimeoutExpired:
        return settings.skip(SECTION, label, f"not compiled within {COMPILE_LIMIT:.0f} s")
    except subprocess.CalledProcessError as error:
        return settings.skip(SECTION, label, f"it failed: {(error.stderr.strip() or 'silently').splitlines()[-1]}")
    facts = {**size(settings.quick), "compile_seconds": result["compile_seconds"]}
    yield settings.report(Row.of(SECTION, label, result["times"], **facts))


def _in_a_process(script: str, *arguments: str) -> dict[str, Any]:
    """What a script of this folder prints last, as JSON; when its time is up, its compilers end with it."""
    command = [sys.executable, str(Path(__file__).with_name(script)), *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            out, err = process.communicate(timeout=COMPILE_LIMIT)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, out, err)
    result: dict[str, Any] = json.loads(out.splitlines()[-1])
    return result
