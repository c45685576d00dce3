"""Adding: two of the numbers of a long sequence are marked, and their sum is asked for at its end."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ricorda.data.synthetic.task import Drawn, Generated, Model, Option, SyntheticTask, same_lengths

VARIANCE = 1 / 6
"""Variance of the sum of two uniform numbers: the mean squared error of always saying 1."""
LEARNED = 0.01
"""The mean squared error on new sequences below which the task counts as learned."""


def _generate(random: np.random.Generator, number: int, T: int) -> Generated:
    rows = np.arange(number)
    numbers = random.random((number, T), dtype=np.float32)
    marks = np.zeros((number, T), dtype=np.float32)
    first, second = random.integers(0, T // 2, number), random.integers(T // 2, T, number)
    marks[rows, first] = marks[rows, second] = 1
    sums = numbers[rows, first] + numbers[rows, second]
    return Generated(np.stack([numbers, marks], axis=2), sums, same_lengths(number, T))


def wrong(predicted: NDArray[np.floating], sums: NDArray[np.floating]) -> float:
    """Share of sequences that count as wrong in Hochreiter & Schmidhuber 1997: an absolute error of 0.04 or more.

    Their target, 0.5 + (a + b) / 4 with a and b from [-1, 1], is half the sum of two numbers from [0, 1].

    Parameters
    ----------
    predicted, sums : array [N]
        The model's sums, and the true ones.
    """
    return float((np.abs(predicted - sums) / 2 >= 0.04).mean())


def stage(mean_squared_error: float) -> Literal["guesses", "learns", "learned"]:
    """How far a model is: no better than always saying 1 (by less than a tenth), better than that, or done."""
    if mean_squared_error < LEARNED:
        return "learned"
    return "learns" if mean_squared_error < 0.9 * VARIANCE else "guesses"


def _measure(model: Model, drawn: Drawn) -> dict[str, float]:
    predicted, sums = np.ravel(model.predict(drawn.inputs)), np.array(drawn.targets)
    return {"share_wrong": wrong(predicted, sums), "mean_squared_error": float(np.square(predicted - sums).mean())}


ADDING = SyntheticTask(
    name="adding",
    relation="regress",
    paper="Hochreiter, Schmidhuber, 'Long short-term memory', Neural Computation 9, 1997, experiment 4; in the form of "
    "Le, Jaitly, Hinton 2015 (arXiv 1504.00941) and Arjovsky, Shah, Bengio 2016 (arXiv 1511.06464)",
    definition="T steps of two numbers: a uniform one from [0, 1], and a mark that is 1 at one step of each half and "
    "else 0. Asked for: the sum of the two marked numbers.",
    success=f"mean squared error below {LEARNED} on new sequences (who always says 1 has 1/6), and nearly no "
    "sequence with an error of 0.04 or more on the paper's scale, where the target is half the sum",
    options={"T": Option(400, 2, "a number of steps")},
    generator=_generate,
    measure=_measure,
)
