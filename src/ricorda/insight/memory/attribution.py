"""What each step contributes to a score, for any network: integrated gradients and erasure, and how far they agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from captum.attr import IntegratedGradients  # type: ignore[import-untyped]
from numpy.typing import NDArray
from scipy.stats import rankdata  # type: ignore[import-untyped]
from torch import Tensor

from ricorda.shown import Shown

Score = Callable[[Tensor], Tensor]
"""Maps a batch of sequences [B, T, I] to one number for each, [B]."""

STEPS_PER_BATCH = 16_384
"""The most steps of all rows together that are read at once: this bounds the memory."""

COMPLETE = 0.005
"""Integrated gradients take more points until their completeness error is at most this."""

PIECES, POINTS = 4, 8
"""The number of pieces of the path at first, and of points in each piece."""

STEP_LIMITS = {torch.float32: 30_000, torch.float64: 300_000}
"""The most steps of all points together, by precision; in float32 close points soon coincide."""


@dataclass(frozen=True, repr=False)
class Integrated(Shown):
    """Integrated gradients of a sequence.

    Parameters
    ----------
    values : array [T]
        The contribution of each step, summed over its features.
    error : float
        Completeness error: how far the sum of the values is from the score's difference to the baseline, relative to
        that.
    points : int
        The number of points of the path at which the gradient was taken.
    """

    values: NDArray[np.float64]
    error: float
    points: int


def integrated_gradients(score: Score, x: Tensor) -> Integrated:
    """Integrated gradients from zeros (Sundararajan, Taly, Yan 2017, 'Axiomatic attribution for deep networks').

    The baseline of zeros is what padding is embedded as, and the mean of standardised numbers. Along the path the score
    of a recurrent network may jump, and evenly spaced points would miss the jump. So each piece of the path whose error
    is too large is halved, until the completeness error of the whole is at most `COMPLETE`. Over hundreds of steps a
    jump may be narrower than float32 can resolve, and the error stays larger: then use float64.

    Parameters
    ----------
    score : callable
        The function that is explained.
    x : Tensor [T, I]
        The sequence, as it enters the recurrent layers.
    """
    with torch.no_grad():
        ends = score(torch.stack([torch.zeros_like(x), x])).double()
    difference = float(ends[1] - ends[0])
    explainer, tiny = IntegratedGradients(score), float(np.finfo(np.float32).tiny)
    fresh = [(place / PIECES, (place + 1) / PIECES) for place in range(PIECES)]
    pieces: dict[tuple[float, float], tuple[NDArray[np.float64], float]] = {}
    points = 0
    while True:
        pieces |= _pieces(explainer, x, fresh)
        points += POINTS * len(fresh)
        limit = COMPLETE * abs(difference)
        narrowest = torch.finfo(x.dtype).eps  # A jump within less than that stays one.
        incomplete = [
            (a, b) for (a, b), (_, error) in pieces.items() if error > limit / len(pieces) and b - a > narrowest
        ]
        complete = sum(error for _, error in pieces.values()) <= limit
        if complete or not incomplete or points * len(x) >= STEP_LIMITS[x.dtype]:
            values = np.sum([values for values, _ in pieces.values()], axis=0)
            return Integrated(values, float(abs(values.sum() - difference) / max(abs(difference), tiny)), points)
        for piece in incomplete:
            del pieces[piece]
        fresh = [half for a, b in incomplete for half in ((a, (a + b) / 2), ((a + b) / 2, b))]


def _pieces(
    explainer: IntegratedGradients, x: Tensor, pieces: Sequence[tuple[float, float]]
) -> dict[tuple[float, float], tuple[NDArray[np.float64], float]]:
    """The contributions [T] of pieces of the path, and the completeness error of each piece."""
    attributions: dict[tuple[float, float], tuple[NDArray[np.float64], float]] = {}
    at_once = max(STEPS_PER_BATCH // (POINTS * len(x)), 1)
    for first in range(0, len(pieces), at_once):
        some = pieces[first : first + at_once]
        begin, end = (x.new_tensor(share)[:, None, None] * x for share in zip(*some, strict=True))
        attributed, errors = explainer.attribute(end, begin, n_steps=POINTS, return_convergence_delta=True)
        values = attributed.detach().double().sum(2).cpu().numpy()
        attributions |= dict(zip(some, zip(values, errors.detach().double().abs().tolist(), strict=True), strict=True))
    return attributions


def erasure(score: Score, x: Tensor, start: int, stop: int) -> NDArray[np.float64]:
    """How much lower the score is without each step from `start` to `stop`, [stop - start] (Li, Monroe, Jurafsky 2016).

    Parameters
    ----------
    score : callable
        The function that is explained.
    x : Tensor [T, I]
        The sequence, as it enters the recurrent layers.
    start, stop : int
        The steps that are left out, one at a time. If the sequence has a single step, it is replaced by zeros.
    """
    T = len(x)
    everything, differences = torch.arange(T, device=x.device), list[Tensor]()
    with torch.no_grad():
        whole = score(x[None]).double()
        if T == 1:
            return (whole - score(torch.zeros_like(x)[None]).double()).cpu().numpy()
        for steps in torch.split(torch.arange(start, stop, device=x.device), max(STEPS_PER_BATCH // T, 1)):
            others = everything[:-1] + (everything[:-1] >= steps[:, None])  # [rows, T - 1]: all but one
            differences.append(whole - score(x[others]).double())
    result: NDArray[np.float64] = torch.cat(differences).cpu().numpy()
    return result


def rank_agreement(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Spearman's rank correlation; nan if there are fewer than three numbers or all are the same."""
    ranks = [rankdata(values) for values in (first, second)]
    if len(first) < 3 or min(rank.std() for rank in ranks) == 0:
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])
