"""Which engine runs a layer: the CPU engine where it can serve, else the reference."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import cache, lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from ricorda.engines import USUAL, Manner, Run, reference
from ricorda.errors import ArgumentError
from ricorda.program.ir import NAMED, Program

ENGINES = ("auto", "cpu", "reference")
VARIABLE = "RICORDA_ENGINE"

PLAIN = {Tensor, nn.Parameter, nn.Buffer}
"""Types of tensors whose operations mean what they say."""

_level_of_torch_func = torch._C._functorch.maybe_current_level
_tracing_state = torch._C._get_tracing_state
_said: set[str] = set()


def check_engine(engine: object) -> None:
    """Refuse what is no engine."""
    if not isinstance(engine, str) or engine not in ENGINES:
        raise ArgumentError(f"engine is {engine!r}: give 'auto', 'cpu' or 'reference'")


def text_of(program: Program) -> str:
    """A program as text, which is what can be looked up at once, and handed to an operation of torch's."""
    for cached in ("states", "masks"):
        getattr(program, cached)  # torch.compile can read these, and cannot compute them
    return json.dumps(program.to_json())


def wanted(engine: str) -> str:
    """A layer's own choice of an engine, or the one that the environment variable makes for all that leave it open.

    Raises
    ------
    ArgumentError
        If the variable names no engine.
    """
    if engine != "auto":
        return engine
    engine = os.environ.get(VARIABLE) or engine
    if engine not in ENGINES:
        raise ArgumentError(
            f"the environment variable {VARIABLE} is {engine!r}: set it to 'auto', 'cpu' or 'reference', or to nothing"
        )
    return engine


def run(
    engine: str,
    program: Program,
    text: str,
    parameters: Mapping[str, Tensor],
    x: Tensor,
    states: Sequence[Tensor],
    *,
    lengths: Tensor | None,
    reverse: bool,
    record: Sequence[str],
    seed: int,
    manner: Manner = USUAL,
) -> Run:
    """Run a program on an engine; for shapes see `ricorda.engines`.

    Where the CPU engine was asked for and cannot serve, a UserWarning says why, once for each reason, and the reference
    serves. Where the choice is ours, the reference serves in silence, unless no machine code can be had at all.

    Parameters
    ----------
    engine : {"auto", "cpu", "reference"}
    text : the program's, of `text_of`
    """
    chosen = reference.run
    if engine != "reference":
        obstacle = _obstacle(x, states, parameters)
        if obstacle is None:
            chosen, missing = _cpu_engine()
            if missing is not None:
                _say(missing)
            else:
                obstacle = _without_code(text)
        if obstacle is not None:
            chosen = reference.run
            if engine == "cpu":
                _say(obstacle)
    if chosen is reference.run:
        if manner.checkpoint is not None:
            _say("it alone runs segments again: all values are kept, and checkpoint= saves nothing")
        return chosen(
            program, parameters, x, states,
            lengths=lengths, reverse=reverse, record=record, seed=seed, watch=manner.watch,
        )  # fmt: skip
    with torch.autocast("cpu", enabled=False) if torch.is_autocast_enabled("cpu") else nullcontext():
        result: Run = chosen(
            program, parameters, x, states,
            lengths=lengths, reverse=reverse, record=record, seed=seed, **manner._asdict(),
        )  # fmt: skip
        return result


def serves(engine: str, text: str) -> bool:
    """Whether a layer's calls run on the CPU engine, if all that they are given is plain, in float32 or float64.

    Parameters
    ----------
    engine : the layer's own choice
    text : of the program, of `text_of`
    """
    return (
        _transform() is None
        and not torch.is_autocast_enabled("cpu")
        and wanted(engine) != "reference"
        and compiles()
        and _without_code(text) is None
    )


def compiles() -> bool:
    """Whether machine code can be had on this machine, and so the CPU engine."""
    return _cpu_engine()[1] is None


def has_dtype(x: Tensor) -> bool:
    """Whether the CPU engine computes in a tensor's dtype."""
    return x.dtype == torch.float32 or x.dtype == torch.float64


def _obstacle(x: Tensor, states: Sequence[Tensor], parameters: Mapping[str, Tensor]) -> str | None:
    """Why the CPU engine cannot serve; None if it can."""
    dtype = x.dtype
    for tensor in (x, *states, *parameters.values()):
        if tensor.dtype is dtype and tensor.is_cpu and type(tensor) in PLAIN:
            continue  # as always: this is looked at in each call
        if type(tensor) not in PLAIN:
            return f"it takes plain tensors, not {type(tensor).__name__}"
        if tensor.dtype is not dtype:
            return f"it computes in one dtype, not in {dtype} and {tensor.dtype}"
        return f"it computes on the processor, not on {tensor.device}"
    for tensor in (x, *states):
        if tensor.layout is not torch.strided:
            return f"it takes dense tensors, not {tensor.layout}"
        if tensor.is_neg():
            return "it takes tensors as they lie in memory, not with a sign that is still to be changed"
    if not has_dtype(x):
        return f"it computes in float32 and float64, not in {dtype}"
    if torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") is not torch.bfloat16:
        return f"it rounds to bfloat16 under autocast, not to {torch.get_autocast_dtype('cpu')}"
    return _transform()


def _transform() -> str | None:
    """What of torch's that changes the meaning of a call is at work, and the CPU engine does not know."""
    if _level_of_torch_func() is not None:
        return "it has no rules for torch.func's transforms"
    if forward_ad._current_level >= 0:
        return "it has no forward-mode derivatives"
    if _tracing_state() is not None:
        return "torch.jit.trace cannot see into it"
    return None


@cache
def _cpu_engine() -> tuple[Any, str | None]:
    """The CPU engine, or the reference and why it is in its place: compiled once to see whether this machine can."""
    try:
        from ricorda.engines.cpu.kernels.compile import check
        from ricorda.engines.cpu.run.run import run as run_on_cpu

        check()
    except Exception as error:  # whatever it is: a layer has to run, and the reference runs everywhere
        return reference.run, f"no machine code can be had here ({type(error).__name__}: {error})"
    return run_on_cpu, None


@lru_cache(maxsize=256)
def _without_code(text: str) -> str | None:
    """Which operations of a program the CPU engine does not know; None if it knows all."""
    from ricorda.engines.cpu.words.mathematics import EMITTERS
    from ricorda.program.operations import REDUCTIONS

    used = {line["op"] for line in json.loads(text)["values"]}
    missing = sorted(used - EMITTERS.keys() - {*REDUCTIONS, "constant", *NAMED})
    return f"it has no vector code for {', '.join(missing)}" if missing else None


def _say(obstacle: str) -> None:
    if obstacle in _said:
        return
    _said.add(obstacle)
    warnings.warn(
        f"the CPU engine cannot serve here, and the slower reference engine does: {obstacle}", UserWarning, stacklevel=2
    )
