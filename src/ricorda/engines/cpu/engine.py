"""The CPU engine as one among others: what it can serve. Its own code, and llvmlite, are imported when it serves."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache

import torch
from torch.autograd import forward_ad

from ricorda.engines import LastingObstacle, Request, Run, StackRun, TurnStepper
from ricorda.engines.obstacles import DTYPES, PLAIN, level_of_torch_func, of_tensor, tracing_state, transform
from ricorda.program.ir import NAMED, Program
from ricorda.program.operations import REDUCTIONS
from ricorda.program.stack import Stack

name = "cpu"
title = "the CPU engine"

_CPU = torch.device("cpu")


def obstacle(request: Request) -> str | None:
    """Why it cannot serve a request; None if it can."""
    dtype, strided = request.x.dtype, torch.strided
    for tensor in (request.x, *request.states, *request.parameters.values()):
        if (
            type(tensor) in PLAIN
            and tensor.dtype is dtype
            and tensor.is_cpu
            and tensor.layout is strided
            and not tensor.is_neg()
        ):
            continue  # as always: every call comes this way
        return of_tensor(tensor, dtype, _CPU, "the processor")
    if dtype not in DTYPES:
        return f"it computes in float32 and float64, not in {dtype}"
    if torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") is not torch.bfloat16:
        return f"it rounds to bfloat16 under autocast, not to {torch.get_autocast_dtype('cpu')}"
    if level_of_torch_func() is not None or forward_ad._current_level >= 0 or tracing_state() is not None:
        return transform()
    return _without_machine() or _without_code(request.program)


def run(request: Request) -> Run:
    """Serve a request for one layer in one direction."""
    from ricorda.engines.cpu.run.run import run

    if torch.is_autocast_enabled("cpu"):
        with torch.autocast("cpu", enabled=False):
            return run(request)
    return run(request)


def run_stack(stack: Stack, request: Request) -> StackRun | None:
    """Serve a request for a whole stack with what is kept for its shape; None where there is nothing to keep."""
    return _run_stack()(stack, request)


def stepper(stack: Stack, request: Request, batch: tuple[int, ...]) -> TurnStepper | None:
    """A stack to be stepped, over weights that are packed now; None for cells whose input torch has to multiply."""
    from ricorda.engines.cpu.run.stepper import stepper

    return stepper(stack, request, batch)


@cache
def _run_stack() -> Callable[[Stack, Request], StackRun | None]:
    """The function itself: an import statement, in each of many short calls, would take a microsecond."""
    from ricorda.engines.cpu.run.stack import run_stack

    return run_stack


@cache
def _without_machine() -> str | None:
    """Why no machine code can be had here: some is compiled, once, to see."""
    try:
        from ricorda.engines.cpu.kernels.compile import check

        check()
    except Exception as error:  # whatever it is: a layer has to run, and the reference runs everywhere
        return LastingObstacle(f"no machine code can be had here ({type(error).__name__}: {error})")
    return None


@lru_cache(maxsize=256)
def _without_code(program: Program) -> str | None:
    """The operations of a program for which there is no vector code; None if there is code for all."""
    from ricorda.engines.cpu.words.mathematics import EMITTERS

    used = {value.op for value in program.values}
    missing = sorted(used - EMITTERS.keys() - {*REDUCTIONS, "constant", *NAMED})
    return f"it has no vector code for {', '.join(missing)}" if missing else None
