"""Where the gradient went in time in the watched steps of a training, as arrays, a table and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ricorda.shown import Shown
from ricorda.tasks.pictures import new_figure
from ricorda.training.flow import FLOW, FlowRecord

if TYPE_CHECKING:
    import polars
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class TrainingFlow(Shown):
    """The norms of the gradients of all states of the recurrent layers, by training step and distance.

    Distance is the number of steps that the layer still has to read after this one: 0 is a row's last step, or in the
    second direction, which reads from the end, its first. A norm is that of dL/ds_t over the units, where L is the mean
    loss of the step's batch, averaged over the rows that are so long; see `ricorda.training.flow`.

    Parameters
    ----------
    steps : int array [S]
        The watched training steps, counted from 1.
    distances : int array [D]
        The first distance of each bin.
    width : int
        The number of distances in a bin.
    norms : dict
        (layer, direction, state) to float array [S, D]; NaN where a step's rows were shorter.
    records : tuple of dict
        The records of the history; see `ricorda.training.flow.FlowRecord`.
    """

    steps: NDArray[np.int64]
    distances: NDArray[np.int64]
    width: int
    norms: dict[tuple[str, int, str], NDArray[np.float64]]
    records: tuple[FlowRecord, ...]

    @classmethod
    def of(cls, history: Sequence[Mapping[str, Any]]) -> TrainingFlow | None:
        """The flow of a model's `history_`; None if no step was watched."""
        records = tuple(record for epoch in history for record in epoch.get(FLOW, ()))
        if not records:
            return None
        width = max(record["width"] for record in records)
        places = max(-(-len(record["norm"]) * record["width"] // width) for record in records)
        steps = np.unique([record["step"] for record in records])
        norms: dict[tuple[str, int, str], NDArray[np.float64]] = {}
        for record in records:
            key = record["layer"], record["direction"], record["state"]
            values = _merged(record["norm"], width // record["width"])
            row = norms.setdefault(key, np.full((len(steps), places), np.nan))[np.searchsorted(steps, record["step"])]
            row[: len(values)] = values
        return cls(steps, np.arange(places) * width, width, norms, records)

    def to_frame(self) -> polars.DataFrame:
        """A row for each step, layer, direction, state and bin, in the bins of the step's own record."""
        import polars

        names = ("step", "layer", "direction", "state", "width")
        table = polars.DataFrame([{**record, "place": list(range(len(record["norm"])))} for record in self.records])
        spread = table.explode("norm", "place")
        return spread.select(*names[:4], (polars.col("place") * polars.col("width")).alias("distance"), "width", "norm")

    def plot(self) -> Figure:
        """A panel for each state: training step against distance from a row's end, the gradient's norm as colour."""
        from matplotlib.colors import LogNorm
        from matplotlib.ticker import MaxNLocator

        rows = list(dict.fromkeys(key[:2] for key in self.norms))  # A row is a layer in one direction.
        states = list(dict.fromkeys(state for _, _, state in self.norms))
        figure = new_figure(1.4 + 2.8 * len(rows))
        panels = figure.subplots(len(rows), len(states), squeeze=False, sharex=True)
        largest = max(float(np.nanmax(norms)) for norms in self.norms.values()) or 1.0
        smallest = min(float(np.nanmin(norms)) for norms in self.norms.values())
        smallest = max(smallest, largest * 1e-12)  # 0 has no logarithm.
        scale = LogNorm(smallest, max(largest, smallest * 10))
        steps = np.append(
            self.steps, 2 * self.steps[-1] - self.steps[-2] if len(self.steps) > 1 else self.steps[-1] + 1
        )
        distances = np.append(self.distances, self.distances[-1] + self.width)
        for (row, (layer, direction)), (column, state) in product(enumerate(rows), enumerate(states)):
            axes, norms = panels[row, column], self.norms.get((layer, direction, state))
            if norms is None:  # Other cells have other states.
                axes.set_axis_off()
                continue
            drawn = axes.pcolormesh(steps, distances - 0.5, np.maximum(norms.T, smallest), norm=scale, cmap="viridis")
            both = (layer, 1 - direction, state) in self.norms
            reads = (", read from the start", ", read from the end")[direction] if both else ""
            axes.set_title(f"{state} of {layer or 'the layer'}{reads}")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.yaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_facecolor("#DDDDDD")  # Shows where no rows are so long.
            axes.set_ylim(-0.5, distances[np.flatnonzero(np.isfinite(norms).any(axis=0))[-1] + 1] - 0.5)
            if column == 0:
                axes.set_ylabel("steps to the row's end" if direction == 0 else "steps to the row's start")
            if row == len(rows) - 1:
                axes.set_xlabel("training step")
        figure.colorbar(drawn, ax=panels, label="norm of the gradient of the loss with respect to the state")
        return figure


def _merged(norms: Sequence[float], count: int) -> NDArray[np.float64]:
    """Means of `count` neighbouring places each."""
    starts = np.arange(0, len(norms), count)
    sums: NDArray[np.float64] = np.add.reduceat(np.asarray(norms, dtype=np.float64), starts)
    return sums / np.diff([*starts, len(norms)])
