"""Temporal order: two or three symbols among many others, and the order in which they came."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from ricorda.data.synthetic.task import Drawn, Generated, Model, Option, SyntheticTask

_SYMBOLS = ("E", "B", "a", "b", "c", "d", "X", "Y")
_START, _END, _NOISE, _MARKED = 0, 1, 2, 6
_WHERE = {2: ((10, 20), (50, 60)), 3: ((10, 20), (33, 43), (66, 76))}
"""For two and three symbols, the steps between which each of them stands, in hundredths of T."""


def _generate(random: np.random.Generator, number: int, T: int, symbols: int) -> Generated:
    lengths = random.integers(T, T + T // 10 + 1, number)
    steps = np.arange(T + T // 10)
    inputs = random.integers(_NOISE, _MARKED, (number, len(steps)))
    marks = random.integers(0, 2, (number, symbols))
    rows = np.arange(number)
    for place, (low, high) in enumerate(_WHERE[symbols]):
        inputs[rows, random.integers(T * low // 100, T * high // 100 + 1, number)] = _MARKED + marks[:, place]
    inputs[:, 0] = _START
    inputs[rows, lengths - 1] = _END
    inputs[steps >= lengths[:, None]] = -1
    return Generated(inputs, marks @ (2 ** np.arange(symbols)[::-1]), lengths)


def right(probabilities: NDArray[np.floating], targets: NDArray[np.integer]) -> float:
    """Share of sequences that count as right: each class's output is off by less than 0.3.

    Parameters
    ----------
    probabilities : array [N, classes]
        The probability of each class.
    targets : array [N]
        The index of each sequence's class.
    """
    truth = np.eye(probabilities.shape[1])[targets]
    return float((np.abs(probabilities - truth) < 0.3).all(1).mean())


def _measure(model: Model, drawn: Drawn) -> dict[str, float]:
    index_of = {label: index for index, label in enumerate(model.classes_.tolist())}
    targets = np.array([index_of[label] for label in drawn.targets])
    return {"share_right": right(model.predict_proba(drawn.inputs), targets)}


def _labels(symbols: int, **_: int) -> tuple[str, ...]:
    return tuple("".join(letters) for letters in product("XY", repeat=symbols))


ORDER = SyntheticTask(
    name="order",
    relation="classify",
    paper="Hochreiter, Schmidhuber, 'Long short-term memory', Neural Computation 9, 1997, experiments 6a and 6b",
    definition="From T to 1.1 T symbols: E, then a, b, c or d at random, B at the end; but at two places (6a: from 10 "
    "to 20 and from 50 to 60 hundredths of T) or three (6b: from 10 to 20, 33 to 43 and 66 to 76) stands X or Y. "
    "Asked for: which of the 4, or 8, orders it was.",
    success="nearly all of 2,560 new sequences right; there right means that each output is off by less than 0.3",
    options={
        "T": Option(100, 10, "a number of steps"),
        "symbols": Option(2, 2, "a number of symbols to tell apart", most=3),
    },
    generator=_generate,
    measure=_measure,
    symbols=_SYMBOLS,
    labels=_labels,
)
