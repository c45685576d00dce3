"""The temperature of a classifier: what its scores are divided by, so that its probabilities mean what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq  # type: ignore[import-untyped]
from scipy.special import softmax  # type: ignore[import-untyped]

LEAST_TO_CALIBRATE = 100
"""Examples that a temperature is fitted to at least: fewer would calibrate no better than none."""

MOST = 10.0
"""The highest temperature, and the inverse of the lowest."""


def temperature(scores: NDArray[np.floating], truth: NDArray[np.intp]) -> float:
    """The temperature with the least log loss (Guo et al. 2017, section 4.2).

    Each target leaves a share of 1 / (N + 2) to the other classes (Platt 1999, section 2.2), so that scores that are
    always right do not become certain.

    Parameters
    ----------
    scores : array [N, classes]
        Before the softmax, of examples that were not trained on.
    truth : int array [N]
        The index of each example's class.
    """
    count, classes = scores.shape
    targets = np.full(scores.shape, 1 / (count + 2) / (classes - 1))
    targets[np.arange(count), truth] = 1 - 1 / (count + 2)
    wanted = (targets * scores).sum()

    def slope(factor: float) -> Any:
        """The derivative of the log loss by the factor 1 / temperature; it never falls, as the loss is convex."""
        return (softmax(factor * scores, axis=1) * scores).sum() - wanted

    if slope(1 / MOST) >= 0:
        return MOST
    if slope(MOST) <= 0:
        return 1 / MOST
    return 1 / float(brentq(slope, 1 / MOST, MOST))
