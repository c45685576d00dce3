"""Section "streaming": one step of one stream from Python, NumPy in and out where the library takes it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from functools import partial

import torch
from cases import Case
from measure import interleave_steps, percentile
from problem import ONNX, OURS, TORCH, Problem, our_layer, torch_layer
from rows import Row, Settings

SECTION = "streaming"
ROUNDED = ("bf16", "int8")
"""Our further precisions of products."""


def run(settings: Settings) -> Iterator[Row]:
    rounds, steps = (2, 50) if settings.quick else (20, 250)
    for cell in ("LSTM", "GRU", "RNN"):
        for H in (64, 256):
            case = Case(cell, B=1, H=H, T=1)
            if not settings.wants(SECTION, case.label):
                continue
            calls, absent = _steps(Problem(case), settings.threads)
            times = interleave_steps(calls, rounds=rounds, steps=steps)
            row = Row(SECTION, case.label, {name: statistics.median(seconds) for name, seconds in times.items()})
            row.facts["p99"] = {name: percentile(seconds, 0.99) for name, seconds in times.items()}
            row.facts |= {"steps": rounds * steps, "case": {"cell": cell, "H": H}, "absent": absent}
            yield settings.report(row)


def _steps(problem: Problem, threads: int) -> tuple[dict[str, Callable[[], object]], dict[str, str]]:
    calls: dict[str, Callable[[], object]] = {}
    absent: dict[str, str] = {}
    layer, x = our_layer(problem.case), problem.x[0, 0].numpy()
    for name, precision in ((OURS, "float32"), *((precision, precision) for precision in ROUNDED)):
        try:
            calls[name] = partial(layer.stream(precision=precision), x)
        except ValueError as error:
            absent[name] = str(error)
    calls[TORCH] = _torch_step(problem)
    try:
        import onnx_peer

        calls[ONNX] = onnx_peer.step(problem, threads)
    except ImportError as error:
        absent[ONNX] = str(error)
    return calls, absent


def _torch_step(problem: Problem) -> Callable[[], object]:
    layer, state = torch_layer(problem.case).eval(), None

    def step() -> object:
        nonlocal state
        with torch.inference_mode():
            y, state = layer(problem.x, state)
        return y

    return step
