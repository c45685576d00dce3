"""`Gates`: what `gates_of` returns."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ricorda.errors import ArgumentError
from ricorda.shown import Shown

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

Array = NDArray[Any]

LEFT, RIGHT = 0.1, 0.9
"""A gate below LEFT is left-saturated, one above RIGHT right-saturated (Karpathy, Johnson, Fei-Fei 2015)."""

RANGES = (1, 2, 5, 10, 20, 50, 100)
"""Steps, the bounds of the ranges in which time constants are counted."""

ORDERS = ("time", "cluster")

HEATMAP_STEPS = 60
"""Steps of a text that heat maps show by default."""


@dataclass(frozen=True, repr=False)
class Gates(Shown):
    """The gates of one layer and direction on one text, or on several texts one after the other.

    Parameters
    ----------
    cell : str
        The cell's name.
    tokens : tuple of str [T]
        The name of each step.
    starts : tuple of int
        The step, from 0, at which each text begins.
    values : dict of array [T, H]
        The values of each gate, by its name: 0 is closed, 1 is open.
    preactivations : dict of array [T, H]
        The argument of each gate's sigmoid.
    kept : dict of array [T, H]
        For each state whose new value is `share * old + something`, that share: f in `f * c + i * g`, and 1 - u in
        `(1 - u) * a + u * n`.
    """

    cell: str
    tokens: tuple[str, ...]
    starts: tuple[int, ...]
    values: dict[str, Array]
    preactivations: dict[str, Array]
    kept: dict[str, Array]

    @property
    def saturated(self) -> dict[str, tuple[Array, Array]]:
        """For each gate, the share of steps in which each unit is below LEFT, and that above RIGHT; [H] each."""
        return {name: ((gate < LEFT).mean(0), (gate > RIGHT).mean(0)) for name, gate in self.values.items()}

    @property
    def time_constants(self) -> dict[str, Array]:
        """For each state that is kept, the steps after which 1/e of it is left in each unit, [H].

        They are -1 / ln(k), where k is the mean share of the state that a step keeps. For a large k this is about
        1 / (1 - k), the forgetting time of Tallec, Ollivier 2018 ('Can recurrent neural networks warp time?').
        """
        shares = {name: np.clip(kept.mean(0, dtype=np.float64), 0, 1) for name, kept in self.kept.items()}
        with np.errstate(divide="ignore"):  # A unit that keeps everything lasts for ever, -1 / ln(1).
            return {name: 1 / np.abs(np.log(share)) for name, share in shares.items()}

    def counts(self) -> dict[str, list[int]]:
        """For each state that is kept, the number of units with a time constant in each range of `RANGES`."""
        ranges = {name: np.digitize(times, RANGES) for name, times in self.time_constants.items()}
        return {name: np.bincount(numbers, minlength=len(RANGES) + 1).tolist() for name, numbers in ranges.items()}

    def order(self, by: str = "time", gate: str | None = None) -> Array:
        """The order of the units of gates in a picture.

        Parameters
        ----------
        by : {"time", "cluster"}
            By time constant, the longest first; or by similarity: average linkage of the gates' values.
        gate : str, optional
            The gate, and with it those that have as many units; by default the first.

        Raises
        ------
        ArgumentError
            If `by` is neither.
        """
        if by not in ORDERS:
            raise ArgumentError(f"order is {by!r}: give {' or '.join(map(repr, ORDERS))}")
        first = self.values[gate] if gate is not None else next(iter(self.values.values()))
        if by == "time":
            lasting = (times for times in self.time_constants.values() if len(times) == first.shape[1])
            return np.argsort(-next(lasting, first.mean(0)), kind="stable")
        if first.shape[1] < 2:
            return np.arange(first.shape[1])
        from scipy.cluster.hierarchy import leaves_list, linkage  # type: ignore[import-untyped]

        steps = slice(None, None, 1 + len(first) // 1_000)  # Some 1,000 are enough, and bound the memory.
        alike = (values for values in self.values.values() if values.shape[1] == first.shape[1])
        units = np.concatenate([values[steps] for values in alike]).T
        return np.asarray(leaves_list(linkage(units, "average", optimal_ordering=True)))

    def to_frame(self) -> pl.DataFrame:
        """Every value: step (from 1), token, gate, unit (from 0), value, preactivation."""
        import polars as pl

        parts = []
        for name, gate in self.values.items():
            T, H = gate.shape
            rows = {"step": np.repeat(np.arange(1, T + 1), H), "unit": np.tile(np.arange(H), T)}
            tokens = pl.Series("token", self.tokens, dtype=pl.String)[rows["step"] - 1]
            frame = pl.DataFrame({**rows, "value": gate.ravel(), "preactivation": self.preactivations[name].ravel()})
            columns = pl.col("step"), tokens, pl.lit(name).alias("gate"), pl.col("unit", "value", "preactivation")
            parts.append(frame.select(columns))
        return pl.concat(parts)

    def plot(self, *, gate: str | None = None, order: str = "time", window: tuple[int, int] | None = None) -> Figure:
        """Heat maps by token and unit, distributions over all steps, and how long units last.

        Parameters
        ----------
        gate : str, optional
            The only gate to draw; all by default.
        order : {"time", "cluster"}
            The order of the units; see `order`.
        window : (int, int), optional
            The first step that the heat maps show, from 0, and the step after the last; by default the first 60 steps.

        Raises
        ------
        ArgumentError
            If the gate, the order or the window is invalid.
        """
        from ricorda.insight.gates.picture import draw_gates

        names = list(self.values) if gate is None else [self.check_gate(gate)]
        orders = {name: self.order(order, name) for name in names}
        return draw_gates(self, orders, window_of(len(self.tokens), window, HEATMAP_STEPS))

    def check_gate(self, name: str) -> str:
        """The name, if the cell has such a gate.

        Raises
        ------
        ArgumentError
            If it has none.
        """
        if name not in self.values:
            raise ArgumentError(f"gate is {name!r}, and cell {self.cell} has {', '.join(self.values)}")
        return name


def window_of(T: int, window: tuple[int, int] | None, shown: int) -> slice:
    """The steps of a text of T steps that are shown: by default the first `shown`.

    Raises
    ------
    ArgumentError
        If the window holds no step of the text.
    """
    start, stop = (0, shown) if window is None else window
    if not 0 <= start < min(stop, T):
        raise ArgumentError(f"window is ({start}, {stop}), and there are {T:,} steps: give the first, and one after it")
    return slice(start, min(stop, T))


def range_names() -> list[str]:
    """The names of the ranges of time constants, in steps."""
    inner = [f"{low} to {high}" for low, high in pairwise(RANGES)]
    return [f"under {RANGES[0]}", *inner, f"over {RANGES[-1]}"]
