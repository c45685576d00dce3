"""Which engine serves a request: the first in order of preference that has no obstacle."""

from __future__ import annotations

import os
import warnings

import torch

from ricorda.engines import Engine, LastingObstacle, PlainStepper, Request, Run, StackRun, TurnStepper, reference
from ricorda.engines import torch_kernels as torch_engine
from ricorda.engines.cpu import engine as cpu
from ricorda.errors import ArgumentError
from ricorda.program.stack import Stack

ENGINES: list[Engine] = [cpu, torch_engine, reference]
"""In order of preference; the last can serve every request."""

VARIABLE = "RICORDA_ENGINE"

_said: set[str] = set()


def register(engine: Engine, before: str = "cpu") -> None:
    """Add an engine to the list, before the one named `before`."""
    ENGINES.insert([other.name for other in ENGINES].index(before), engine)


def choices() -> str:
    """The names that `engine=` accepts, as text."""
    *names, last = ["auto", *(engine.name for engine in ENGINES)]
    return f"{', '.join(map(repr, names))} or {last!r}"


def check_engine(engine: object) -> None:
    """Raise ArgumentError for an unknown engine."""
    if engine != "auto" and not any(engine == other.name for other in ENGINES):
        raise ArgumentError(f"engine is {engine!r}: give {choices()}")


def wanted(engine: str) -> str:
    """The engine that a layer requests; for "auto" the one that the environment variable names.

    Raises
    ------
    ArgumentError
        If the variable names no engine.
    """
    if engine != "auto" or VARIABLE not in os.environ:
        return engine
    engine = os.environ[VARIABLE] or engine
    if engine != "auto" and not any(engine == other.name for other in ENGINES):
        raise ArgumentError(f"the environment variable {VARIABLE} is {engine!r}: set it to {choices()}, or to nothing")
    return engine


def recorded() -> bool:
    """Whether operations are recorded instead of run, so that nothing may depend on the numbers in a tensor."""
    return torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack() > 0


def run(request: Request) -> Run:
    """Serve a request for one layer in one direction.

    If the requested engine cannot serve, the next one that can does, and a UserWarning says why, once for each reason.
    With engine="auto" there is no warning, unless an engine cannot serve any request on this machine.
    """
    engine, obstacles = first(request)
    if obstacles:
        _tell(obstacles, engine)
    if request.manner.checkpoint is not None and engine is reference:
        _say(cpu, engine, "it alone runs segments again: all values are kept, and checkpoint= saves nothing")
    return engine.run(request)


def run_stack(stack: Stack, request: Request) -> StackRun | None:
    """Serve a request for a whole stack, with the same warnings; None if it must be run layer by layer."""
    engine, obstacles = first(request)
    ran = engine.run_stack(stack, request)
    if obstacles and ran is not None:
        _tell(obstacles, engine)
    return ran


def stepper(stack: Stack, request: Request, batch: tuple[int, ...]) -> PlainStepper | TurnStepper | None:
    """A stepper for a stack; None if each step must be a call of the layer."""
    return first(request)[0].stepper(stack, request, batch)


def first(request: Request) -> tuple[Engine, list[tuple[Engine, str]]]:
    """The first engine, from the requested one on, that can serve; and the obstacles that users are warned of."""
    asked = request.engine
    reached = asked == "auto"
    obstacles: list[tuple[Engine, str]] = []
    for engine in ENGINES:
        reached = reached or engine.name == asked
        if not reached:
            continue
        obstacle = engine.obstacle(request)
        if obstacle is None:
            return engine, obstacles
        if engine.name == asked or isinstance(obstacle, LastingObstacle):
            obstacles.append((engine, obstacle))
    return reference, obstacles


def _tell(obstacles: list[tuple[Engine, str]], instead: Engine) -> None:
    for engine, obstacle in obstacles:
        _say(engine, instead, obstacle)


def _say(engine: Engine, instead: Engine, obstacle: str) -> None:
    """Warn once why an engine cannot serve."""
    sentence = f"{engine.title} cannot serve here, and {instead.title} does: {obstacle}"
    if sentence not in _said:
        _said.add(sentence)
        warnings.warn(sentence, UserWarning, stacklevel=2)
