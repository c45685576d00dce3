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
        Of the means as they are.
    low, high : float
        The 95 % interval: the 2.5th and 97.5th percentiles of the difference over the draws.
    p : float
        Two-sided: twice the share of draws on the rarer side of no difference, those that show none counted on both.
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

    A draw takes as many examples as there are, with replacement, and the same for both: what is hard for one is mostly
    hard for the other. It takes seeds with replacement too, for each of the two by itself, as networks of the same
    seed have nothing in common but the order of their batches. With one seed, nothing is known of how seeds differ.

    Parameters
    ----------
    first, second : array [seeds, N]
        What each example came to, under each seed; both of the same examples, the seeds may be more or fewer.
    weights : array [N], optional
        How much an example counts in the mean, such as its number of words; all alike by default.
    draws, seed : int
        How many draws, and of which random numbers.
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
