"""What each step gives to a score, for any network: integrated gradients, erasure; and how far two of them agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from captum.attr import IntegratedGradients  # type: ignore[import-untyped]
from numpy.typing import NDArray
from scipy.stats import rankdata  # type: ignore[import-untyped]
from torch import Tensor

Score = Callable[[Tensor], Tensor]
"""From a batch of sequences [B, T, I] to a number for each, [B]."""

STEPS_PER_BATCH = 16_384
"""Steps of all rows together that are read at once: it bounds the memory."""

COMPLETE = 0.005
"""The completeness error of integrated gradients, at most, until which more points are taken."""

PIECES, POINTS = 4, 8
"""Pieces of the path at first, and points of each."""

STEP_LIMITS = {torch.float32: 30_000, torch.float64: 300_000}
"""Steps of all points together after which no more are taken; in float32 points soon cease to differ."""


@dataclass(frozen=True)
class Integrated:
    """Integrated gradients of a sequence.

    Parameters
    ----------
    values : array [T]
        What each step gives, summed over its features.
    error : float
        Of completeness: how far their sum is from the score's difference to the baseline, relative to that.
    points : int
        Of the path at which the gradient was taken.
    """

    values: NDArray[np.float64]
    error: float
    points: int


def integrated_gradients(score: Score, x: Tensor) -> Integrated:
    """Integrated gradients from zeros (Sundararajan, Taly, Yan 2017, 'Axiomatic attribution for deep networks').

    Zeros are what padding is embedded as, and the mean of numbers that are standardised. Along the path a recurrent
    network may change its mind at once, where evenly spaced points would miss it, so each piece of the path that is
    not complete is halved, until the completeness error of the whole is under 1 %. Over hundreds of steps the change
    may be narrower than float32 can tell, and the error larger: then take float64.

    Parameters
    ----------
    score : callable
        What is explained.
    x : Tensor [T, I]
        As it enters the recurrent layers.
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
        if sum(error for _, error in pieces.values()) <= limit or points * len(x) >= STEP_LIMITS[x.dtype]:
            values = np.sum([values for values, _ in pieces.values()], axis=0)
            return Integrated(values, float(abs(values.sum() - difference) / max(abs(difference), tiny)), points)
        incomplete = [piece for piece, (_, error) in pieces.items() if error > limit / len(pieces)]
        for piece in incomplete:
            del pieces[piece]
        fresh = [half for a, b in incomplete for half in ((a, (a + b) / 2), ((a + b) / 2, b))]


def _pieces(
    explainer: IntegratedGradients, x: Tensor, pieces: Sequence[tuple[float, float]]
) -> dict[tuple[float, float], tuple[NDArray[np.float64], float]]:
    """What some pieces of the path give, [T] each, and how far each is from being complete."""
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
    """How much lower the score is without each of some steps, [stop - start] (Li, Monroe, Jurafsky 2016).

    Parameters
    ----------
    score : callable
        What is explained.
    x : Tensor [T, I]
        As it enters the recurrent layers.
    start, stop : int
        The steps that are left out, one at a time. Of a single step, which cannot be left out, zeros are read.
    """
    T = len(x)
    everything, differences = torch.arange(T, device=x.device), list[Tensor]()
    with torch.no_grad():
        whole = score(x[None]).double()
        if T == 1:
            return (whole - score(torch.zeros_like(x)[None]).double()).cpu().numpy()
        for steps in torch.split(torch.arange(start, stop, device=x.device), max(STEPS_PER_BATCH // T, 1)):
            others = everything[:-1] + (everything[:-1] >= steps[:, None])  # [rows, T - 1]: all steps but one
            differences.append(whole - score(x[others]).double())
    result: NDArray[np.float64] = torch.cat(differences).cpu().numpy()
    return result


def rank_agreement(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Spearman's rank correlation; nan where there are fewer than three numbers, or all are the same."""
    ranks = [rankdata(values) for values in (first, second)]
    if len(first) < 3 or min(rank.std() for rank in ranks) == 0:
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])
