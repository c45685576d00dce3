"""The CPU engine as `Engine` describes one: what it can serve. Its code and llvmlite are imported when it serves."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache

import torch
from torch.autograd import forward_ad

from ricorda.engines import LastingObstacle, PlainStepper, Request, Run, StackRun, TurnStepper
from ricorda.engines.obstacles import DTYPES, PLAIN, level_of_torch_func, of_tensor, tracing_state, transform
from ricorda.program.ir import NAMED, Program
from ricorda.program.operations import EXPAND, REDUCTIONS
from ricorda.program.stack import Stack

name = "cpu"
title = "the CPU engine"

_CPU = torch.device("cpu")


def obstacle(request: Request) -> str | None:
    """Why it cannot serve a request; None if it can."""
    dtype, strided = request.x.dtype, torch.strided
    for tensor in (request.x, *request.states, *request.parameters.values(), *request.inputs.values()):
        if (
            type(tensor) in PLAIN
            and tensor.dtype is dtype
            and tensor.is_cpu
            and tensor.layout is strided
            and not tensor.is_neg()
        ):
            continue  # This is the usual case, so it must be fast.
        return of_tensor(tensor, dtype, _CPU, "the processor")
    if dtype not in DTYPES:
        return f"it computes in float32 and float64, not in {dtype}"
    if torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") is not torch.bfloat16:
        return f"it rounds to bfloat16 under autocast, not to {torch.get_autocast_dtype('cpu')}"
    if level_of_torch_func() is not None or forward_ad._current_level >= 0 or tracing_state() is not None:
        return transform()
    return without_machine() or _without_code(request.program)


def run(request: Request) -> Run:
    """Serve a request for one layer in one direction."""
    from ricorda.engines.cpu.run.layer import run_layer

    if torch.is_autocast_enabled("cpu"):
        with torch.autocast("cpu", enabled=False):
            return run_layer(request)
    return run_layer(request)


def run_stack(stack: Stack, request: Request) -> StackRun | None:
    """Serve a request for a whole stack with what is kept for its shape; None if nothing can be kept."""
    return _run_stack()(stack, request)


def stepper(stack: Stack, request: Request, batch: tuple[int, ...]) -> TurnStepper | PlainStepper | None:
    """A stepper for a stack, whose weights are packed now; None with masks, or states of several sizes."""
    from ricorda.engines.cpu.run.stepper import stepper

    return stepper(stack, request, batch)


@cache
def _run_stack() -> Callable[[Stack, Request], StackRun | None]:
    """The function, imported once: an import statement takes a microsecond, which counts in short calls."""
    from ricorda.engines.cpu.run.stack import run_stack

    return run_stack


@cache
def without_machine() -> str | None:
    """Why this machine cannot compile code, found out by a trial; None if it can."""
    try:
        from ricorda.engines.cpu.kernels.compile import without_code
        from ricorda.engines.cpu.words.target import host

        error = without_code(host())
    except Exception as import_error:  # llvmlite may be of another processor. A layer must still run, on the reference.
        error = f"{type(import_error).__name__}: {import_error}"
    return None if error is None else LastingObstacle(f"no machine code can be had here ({error})")


@lru_cache(maxsize=256)
def _without_code(program: Program) -> str | None:
    """The operations of a program's steps that have no vector code, as text; None if all have."""
    from ricorda.engines.cpu.words.mathematics import EMITTERS

    used = {value.op for index, value in enumerate(program.values) if index not in program.of_input}
    missing = sorted(used - EMITTERS.keys() - {*REDUCTIONS, EXPAND, "constant", *NAMED})
    return f"it has no vector code for {', '.join(missing)}" if missing else None
