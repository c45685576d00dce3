"""The memory of a text: what each token wrote, what is left of it, and what it gave to the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ricorda.errors import ArgumentError, DataError
from ricorda.insight.memory.decomposition import not_additive, shown_lines
from ricorda.insight.memory.remains import Remains, Weighing, follow
from ricorda.insight.memory.result import Memory
from ricorda.insight.memory.verdict import Explained, at_rest
from ricorda.insight.passage import Passage, passage, spaced
from ricorda.tasks.estimator import SequenceEstimator
from ricorda.tasks.many_to_one.network import ManyToOne

DEFAULT_WINDOW = 200
"""Steps that are shown of a longer sequence by default."""

WIDEST_WINDOW = 1_000
"""The most steps of a window, for which W x W numbers are kept."""


def memory_of(
    model: SequenceEstimator,
    example: Any = None,
    *,
    target: Any = None,
    layer: int | None = None,
    window: tuple[int, int] | None = None,
) -> Memory:
    """What a trained model kept of one example, and what each step gave to its verdict.

    Parameters
    ----------
    model : SequenceEstimator
        A trained model of any task; only classifiers and regressors have a verdict.
    example : text, token list, or array [T, I]
        As the model's own `predict` takes one, of any length.
    target : class or name of a number, optional
        The class or number whose score is explained; by default the class that the model chose, or the first number.
    layer : int, optional
        The layer to look at, from 1; by default the last.
    window : (int, int), optional
        The first step to show, from 0, and the step after the last; by default the last 200 steps.

    Raises
    ------
    DataError
        If there is nothing to see: the example is empty, or the cell has no additive state and the model no verdict.
    ArgumentError
        If the model has no such class, layer or window.
    """
    with at_rest(model.network_):
        read = passage(model, example)
        level = _level(read, layer)
        start, stop = _window(len(read), window)
        explained = Explained(model, read, target) if isinstance(model.network_, ManyToOne) else None
        notes = [] if explained is None else _why_no_shares(read)
        weighings = None if explained is None or notes else explained.weighings()
        try:
            remains = _followed(read, (start, stop), level, weighings)
        except DataError as reason:
            if explained is None:
                raise
            remains, notes = (), [str(reason)]
        verdict = None if explained is None else explained.verdict(remains, start, stop)
    tokens = read.tokens[start:stop]
    return Memory(tokens, spaced(tokens), start, len(read), level + 1, remains, verdict, tuple(notes))


def _level(read: Passage, layer: int | None) -> int:
    layers = read.layer.num_layers
    if layer is None:
        return layers - 1
    if not 1 <= layer <= layers:
        raise ArgumentError(f"layer is {layer}, and the model has {layers}: give one from 1 to {layers}")
    return layer - 1


def _window(T: int, window: tuple[int, int] | None) -> tuple[int, int]:
    if window is None:
        return max(T - DEFAULT_WINDOW, 0), T
    start, stop = window
    if not 0 <= start < min(stop, T):
        raise ArgumentError(f"window is steps {start + 1} to {stop}, and there are {T:,}: give some of those")
    if min(stop, T) - start > WIDEST_WINDOW:
        raise ArgumentError(f"window is steps {start + 1} to {stop}: give at most {WIDEST_WINDOW:,} steps")
    return start, min(stop, T)


def _why_no_shares(read: Passage) -> list[str]:
    """Why the decomposition does not reach the verdict, or an empty list if it does."""
    program, layers = read.layer.programs[False], read.layer.num_layers
    if layers > 1:
        return [
            f"the model has {layers} layers, and what enters the last was mixed by those below: its decomposition says "
            "what each step wrote there, but not what each word gave to the verdict"
        ]
    return [] if program.result in shown_lines(program) else [not_additive(program, program.output_name)]


def _followed(
    read: Passage, window: tuple[int, int], level: int, weighings: Sequence[Weighing] | None
) -> tuple[Remains, ...]:
    return tuple(
        follow(
            read.layer,
            read.inputs,
            read.initial,
            window,
            level=level,
            direction=direction,
            weighing=None if weighings is None else weighings[direction],
            beside=read.beside,
        )
        for direction in range(2 if read.layer.bidirectional else 1)
    )
