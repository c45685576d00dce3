"""Medians of interleaved runs: whatever slows the machine for a while slows every contender."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

Call = Callable[[], object]


@dataclass(frozen=True)
class Plan:
    """How long to measure; times in seconds."""

    min_rounds: int = 7
    max_rounds: int = 100
    budget: float = 3.0
    """Rounds go on while less than this has passed."""
    rest: float = 0.2
    """Seconds in which nothing runs before a contender's turn. The threads of the one before it (ONNX Runtime's for 30
    to 200 ms) spin on while they wait for work, and would take a core away from it."""
    settle: float = 0.03
    """Untimed calls before the timed ones, at least one: its own threads are awake then."""
    block: float = 0.005
    """Timed calls of a contender in one round, so that short ones are not at the mercy of a single interrupt."""
    max_calls: int = 20


QUICK = Plan(min_rounds=3, max_rounds=10, budget=0.2, rest=0.0, settle=0.002, block=0.001, max_calls=5)


def quartiles(seconds: list[float]) -> tuple[float, float]:
    """The times that a quarter and three quarters of the rounds stay below."""
    first, _, third = statistics.quantiles(seconds, n=4, method="inclusive")
    return first, third


def percentile(seconds: list[float], share: float) -> float:
    """The smallest time that at least this share of all times does not exceed."""
    return sorted(seconds)[max(math.ceil(share * len(seconds)) - 1, 0)]


def interleave(
    contenders: Mapping[str, Call], plan: Plan, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Time every contender once in each round, the first one changing from round to round.

    Returns the seconds of one call of each contender in each round.
    """
    names = list(contenders)
    usual = {name: _warm(contenders[name], clock) for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    with _no_garbage_collection():
        start = clock()
        rounds = 0
        while rounds < plan.min_rounds or (clock() - start < plan.budget and rounds < plan.max_rounds):
            first = rounds % len(names)
            for name in names[first:] + names[:first]:
                seconds[name].append(_block(contenders[name], usual[name], plan, clock))
            rounds += 1
    return seconds


def _warm(call: Call, clock: Callable[[], float]) -> float:
    """Compile and fill caches; return what a call takes after that."""
    call()
    call()
    start = clock()
    call()
    return clock() - start


def _block(call: Call, usual: float, plan: Plan, clock: Callable[[], float]) -> float:
    """The median of a few calls in a row."""
    time.sleep(plan.rest)
    start = clock()
    if plan.settle:
        call()
    while clock() - start < plan.settle:
        call()
    calls = min(max(math.ceil(plan.block / max(usual, 1e-9)), 1), plan.max_calls)
    seconds = []
    for _ in range(calls):
        start = clock()
        call()
        seconds.append(clock() - start)
    return statistics.median(seconds)


def interleave_steps(
    contenders: Mapping[str, Call],
    *,
    rounds: int,
    steps: int,
    settle: int = 50,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """The seconds of every single step: `rounds` times `steps` in a row, after `settle` untimed ones."""
    for call in contenders.values():
        _warm(call, clock)
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    with _no_garbage_collection():
        for _ in range(rounds):
            for name, call in contenders.items():
                for _ in range(settle):
                    call()
                for _ in range(steps):
                    start = clock()
                    call()
                    seconds[name].append(clock() - start)
    return seconds


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    gc.collect()
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()
