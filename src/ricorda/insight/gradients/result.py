"""`GradientFlow`, what `gradient_flow` returns: norms by distance from the end, half-life, memory length, verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ricorda.shown import Shown

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

REMAINS = 0.01
"""The share of its largest norm below which a gradient counts as gone."""
EXPLODES = 100.0
"""A gradient explodes if its norm grows to more than this many times the norm at the end."""
FLAT = 0.01
"""Relative change over all steps below which the fitted line counts as flat, without a half-life."""
VANISHING, EXPLODING, SOUND = "vanishes", "explodes", "sound"


@dataclass(frozen=True, repr=False)
class StateFlow(Shown):
    """The gradient of one state by distance from the end.

    Attributes
    ----------
    name : str
        The state.
    norms : array [D, B]
        ||dL_T/ds_{T-d}|| by distance d, from 0, and row; nan where a row has no such step. Norms below 1e-150, whose
        squares double precision cannot hold, read 0, those above 1e154 inf.
    mean_log : array [D]
        The mean over the rows of the natural logarithm of the norm.
    half_life : float or None
        Steps in which the norm halves: ln(1/2) over the slope of the least-squares line through `mean_log` against
        distance; 0 if the norm is zero after one step, None if it grows or is flat.
    doubling_time : float or None
        Steps in which the norm doubles; None if it does not grow.
    memory_length : int or None
        The effective memory length: the smallest distance from which on the norm (its geometric mean over the rows)
        stays below 1 % of its largest; None if it does not within the D steps. In the spirit of the effective
        context size of Khandelwal et al. 2018 ("Sharp nearby, fuzzy far away"), the length from which on more context
        changes the perplexity by less than 1 %; here it is the gradient that is measured.
    verdict : {"vanishes", "explodes", "sound"}
        "explodes" if the geometric mean rises above 100 times its value at the end, else "vanishes" if there is a
        memory length, else "sound".
    """

    name: str
    norms: Array
    mean_log: Array
    half_life: float | None
    doubling_time: float | None
    memory_length: int | None
    verdict: str

    @classmethod
    def of(cls, name: str, norms: Array) -> StateFlow:
        """The flow of a state, from the norms [D, B] of its gradient."""
        with np.errstate(divide="ignore", invalid="ignore"):
            logs: Array = np.nanmean(np.log(norms), axis=1)
        half_life, doubling_time = _times(logs)
        memory_length = _memory_length(logs)
        begin = logs[logs > -np.inf][:1]
        explodes = bool(begin.size) and logs.max() > begin[0] + math.log(EXPLODES)
        verdict = EXPLODING if explodes else SOUND if memory_length is None else VANISHING
        return cls(name, norms, logs, half_life, doubling_time, memory_length, verdict)

    @property
    def far_end(self) -> float:
        """log10 of the norm, its geometric mean over the rows, at the largest distance."""
        return float(self.mean_log[-1]) / math.log(10)

    @property
    def sentence(self) -> str:
        """The verdict for people."""
        steps = len(self.mean_log)
        if self.verdict == EXPLODING:
            rise = f": it doubles every {self.doubling_time:.3g} steps" if self.doubling_time else ""
            return f"the gradient of {self.name} explodes{rise}, so training needs clipping, smaller weights or gates"
        if self.verdict == VANISHING:
            pace = "" if self.half_life is None else f": it halves every {self.half_life:.3g} steps"
            return (
                f"the gradient of {self.name} vanishes{pace}, and from {self.memory_length} steps back on it is below "
                f"{REMAINS:.0%} of its largest, so what lies further back is hardly learned"
            )
        return (
            f"the gradient of {self.name} is sound over {steps} steps: something to learn from arrives at each of them"
        )


@dataclass(frozen=True, repr=False)
class GradientFlow(Shown):
    """Where the gradient of L_T = v . h_T goes, v a random direction of length 1 for each row, h the output state.

    Distances d count back from each row's last step T; the second direction's last step is the first of the input.

    Attributes
    ----------
    cell : str
        The cell's name, with layer and direction if it has several.
    states : dict of str to StateFlow
        The flow of each state, the output first. The gradient of an LSTM's c_t includes what flows through h_t of the
        same step.
    shares : array [D] or None
        The share of each step in the gradient of the recurrent weights, dL/dW_hh, which is a sum over steps; by
        Frobenius norm.
    log10_products : array [D, R] or None
        log10 of the largest singular value of ds_T/ds_{T-d}, s all states side by side: an upper bound of the gradient.
    spectra : array [D, R, S] or None
        The singular values of the Jacobian of the step d before the last, the largest first.
    exponents : array [R, K] or None
        The largest finite-time Lyapunov exponents, nats a step (see `jacobians.lyapunov_exponents`).
    """

    cell: str
    states: dict[str, StateFlow]
    shares: Array | None
    log10_products: Array | None
    spectra: Array | None
    exponents: Array | None

    @property
    def output(self) -> StateFlow:
        """The flow of the output state."""
        return next(iter(self.states.values()))

    @property
    def carrier(self) -> StateFlow:
        """The flow of the state whose gradient reaches farthest back; an exploding one comes first.

        An earlier step learns from what arrives through any of its states: in an LSTM through c more than through h.
        """

        def lasting(flow: StateFlow) -> tuple[bool, float, float]:
            length, half_life = flow.memory_length, flow.half_life
            return (
                flow.verdict == EXPLODING,
                math.inf if length is None else length,
                math.inf if half_life is None else half_life,
            )

        return max(self.states.values(), key=lasting)

    @property
    def half_life(self) -> float | None:
        """The half-life of the carrier; see `StateFlow`."""
        return self.carrier.half_life

    @property
    def memory_length(self) -> int | None:
        """The memory length of the carrier; see `StateFlow`."""
        return self.carrier.memory_length

    @property
    def verdict(self) -> str:
        """The verdict of the carrier; see `StateFlow`."""
        return self.carrier.verdict

    @property
    def steps(self) -> int:
        """The number of distances, D."""
        return len(self.output.norms)

    @property
    def largest_exponent(self) -> float | None:
        """The mean over the rows of the largest Lyapunov exponent, nats a step."""
        return None if self.exponents is None else float(self.exponents[:, 0].mean())

    def to_frame(self) -> pl.DataFrame:
        """A row for each state, distance and row of the batch: `cell, state, distance, row, norm`."""
        import polars as pl

        parts = []
        for name, flow in self.states.items():
            distance, row = np.nonzero(~np.isnan(flow.norms))
            columns = {"distance": distance, "row": row, "norm": flow.norms[distance, row]}
            parts.append(
                pl.DataFrame(columns).select(pl.lit(self.cell).alias("cell"), pl.lit(name).alias("state"), pl.all())
            )
        return pl.concat(parts)

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON; norms are log10 of the geometric mean by distance, null for 0."""
        return {
            "cell": self.cell,
            "steps": self.steps,
            "rows": self.output.norms.shape[1],
            "carrier": self.carrier.name,
            "verdict": self.verdict,
            "states": {
                name: {
                    "half_life": flow.half_life,
                    "doubling_time": flow.doubling_time,
                    "memory_length": flow.memory_length,
                    "verdict": flow.verdict,
                    "log10_norm": _finite(flow.mean_log / math.log(10)),
                }
                for name, flow in self.states.items()
            },
            "shares": None if self.shares is None else self.shares.tolist(),
            "log10_product": None if self.log10_products is None else _finite(self.log10_products.mean(axis=1)),
            "exponents": None if self.exponents is None else _finite(self.exponents.mean(axis=0)),
        }

    def plot(self) -> Figure:
        """The norms by distance, on a logarithmic scale; `draw_flows` draws several side by side."""
        from ricorda.insight.gradients.picture import draw_flows

        return draw_flows([self])


def _times(logs: Array) -> tuple[float | None, float | None]:
    """Half-life and doubling time of a norm, from its logarithms by distance."""
    distances = np.flatnonzero(np.isfinite(logs))
    if len(distances) < 2:  # The norm is zero or infinite after one step.
        return (None, 0.0) if (logs == np.inf).any() else (0.0, None)
    centred = distances - distances.mean()
    slope = float(centred @ logs[distances] / (centred @ centred))
    if abs(slope) * len(logs) < math.log1p(FLAT):
        return None, None
    return (math.log(0.5) / slope, None) if slope < 0 else (None, math.log(2) / slope)


def _memory_length(logs: Array) -> int | None:
    if logs.max() == -np.inf:
        return 0
    last = int(np.flatnonzero(logs >= logs.max() + math.log(REMAINS))[-1])
    return None if last == len(logs) - 1 else last + 1


def _finite(values: Array) -> list[float | None]:
    return [float(value) if math.isfinite(value) else None for value in values]
