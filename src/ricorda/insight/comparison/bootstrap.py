"""The paired bootstrap: whether two cells differ by more than the draw of examples and of first weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 2_000
LEVEL = 0.95


@dataclass(frozen=True)
class Difference:
    """How far one mean lies above another.

    Attributes
    ----------
    difference : float
        The difference of the two means.
    low, high : float
        The 95 % interval: the 2.5th and 97.5th percentiles of the difference over the draws.
    p : float
        Two-sided p-value: twice the share of the draws at or below zero or at or above it, whichever is smaller.
    """

    difference: float
    low: float
    high: float
    p: float


def paired_bootstrap(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    weights: NDArray[np.floating] | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Difference:
    """How far the mean of `first` lies above that of `second` (Efron, Tibshirani 1993, chapter 16; Koehn 2004).

    Each draw takes N examples with replacement, the same for both, since what is hard for one is mostly hard for the
    other. It also takes seeds with replacement, separately for each of the two: networks of the same seed share nothing
    but the order of their batches. With one seed, the interval does not cover how much seeds differ.

    Parameters
    ----------
    first, second : array [seeds, N]
        The measure of each example under each seed. Both have the same examples; the numbers of seeds may differ.
    weights : array [N], optional
        Weight of each example in the mean, such as its number of words; equal by default.
    draws, seed : int
        Number of draws, and the seed of their random numbers.
    """
    examples = first.shape[1]
    counts = np.ones(examples) if weights is None else np.asarray(weights, dtype=np.float64)
    random = np.random.default_rng(seed)
    differences = np.empty(draws)
    for draw in range(draws):
        rows = random.integers(examples, size=examples)
        total = counts[rows].sum()
        means = [
            float(values[random.integers(len(values), size=len(values))].mean(0)[rows] @ counts[rows]) / total
            if total
            else 0.0
            for values in (first, second)
        ]
        differences[draw] = means[0] - means[1]
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(differences, [tail, 100 - tail])
    rarer = min((differences <= 0).mean(), (differences >= 0).mean())
    return Difference(
        difference=float((first.mean(0) @ counts - second.mean(0) @ counts) / counts.sum()),
        low=float(low),
        high=float(high),
        p=min(1.0, 2 * max(float(rarer), 1 / draws)),
    )
