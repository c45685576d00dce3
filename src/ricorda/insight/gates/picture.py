"""The picture of gates: heat maps, distributions, and how long units last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ricorda.insight.drawing import COLOURS, SEQUENTIAL, label
from ricorda.insight.gates.result import LEFT, RIGHT, Gates, range_names
from ricorda.tasks.pictures import GREY, ORANGE, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_gates(gates: Gates, orders: Mapping[str, NDArray[Any]], window: slice) -> Figure:
    """A row of plots for each gate, with its units in an order, and one for the time constants if a state is kept."""
    names = list(orders)
    lasting = 1 if gates.kept else 0
    heights = [1.7] * len(names) + [1.5] * lasting
    figure = new_figure(sum(heights) + 1.5)
    grid = figure.add_gridspec(len(heights), 2, width_ratios=[4.2, 1], height_ratios=heights)
    maps = [figure.add_subplot(grid[row, 0]) for row in range(len(names))]
    tokens = gates.tokens[window]
    for row, (axes, name) in enumerate(zip(maps, names, strict=True)):
        shown = gates.values[name][window][:, orders[name]].T
        image = axes.imshow(shown, aspect="auto", cmap=SEQUENTIAL, vmin=0, vmax=1, interpolation="nearest")
        axes.set(ylabel=f"gate {name}\nunits", yticks=[], xticks=[])
        _draw_distribution(figure.add_subplot(grid[row, 1]), gates.values[name], first=row == 0)
    maps[-1].set_xticks(
        range(len(tokens)), [label(token) for token in tokens], rotation=90, fontsize=_size(len(tokens))
    )
    how = "the longest time constant on top" if gates.kept else "the largest mean on top"
    begin, end = window.start + 1, window.start + len(tokens)
    maps[0].set_title(f"Gates of {gates.cell}, steps {begin} to {end} of {len(gates.tokens):,}; {how}", loc="left")
    bar = figure.colorbar(image, ax=maps, location="left", shrink=0.7 if len(maps) > 1 else 1.0, aspect=30, pad=0.01)
    bar.set_label("0 closed, 1 open")
    if lasting:
        _draw_time_constants(figure.add_subplot(grid[-1, :]), gates)
    return figure


def _draw_distribution(axes: Any, gate: NDArray[Any], *, first: bool) -> None:
    from matplotlib.ticker import PercentFormatter

    left, right = float((gate < LEFT).mean()), float((gate > RIGHT).mean())
    counts, edges = np.histogram(gate, bins=20, range=(0, 1))
    share = counts / counts.sum()
    middle = (edges[:-1] + edges[1:]) / 2
    colours = [ORANGE if edge < LEFT or edge > RIGHT else GREY for edge in middle]
    axes.bar(middle, share, width=0.045, color=colours)
    top = share.max() * 1.45
    axes.set(xlim=(0, 1), ylim=(0, top), xticks=[0, LEFT, 0.5, RIGHT, 1], title="all steps and units" if first else "")
    axes.set_xticklabels(["0", "", "0.5", "", "1"])
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.yaxis.set_ticks_position("right")
    axes.spines["right"].set_visible(True)
    axes.text(0.02, top * 0.97, f"< {LEFT}: {left:.0%}", ha="left", va="top", fontsize=8)
    axes.text(0.98, top * 0.97, f"> {RIGHT}: {right:.0%}", ha="right", va="top", fontsize=8)
    axes.spines[["top", "left"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)


def _draw_time_constants(axes: Any, gates: Gates) -> None:
    counts = gates.counts()
    width = 0.8 / len(counts)
    for number, ((state, units), colour) in enumerate(zip(counts.items(), COLOURS, strict=False)):
        places = np.arange(len(units)) + (number - (len(counts) - 1) / 2) * width
        axes.bar_label(axes.bar(places, units, width * 0.9, color=colour, label=f"state {state}"), fontsize=8)
    names = range_names()
    axes.set_xticks(range(len(names)), names)
    axes.set_ylim(0, 1.25 * max(max(units) for units in counts.values()))
    axes.set(xlabel="steps after which 1/e of a state is left: -1/ln of the mean share that is kept", ylabel="units")
    axes.legend(loc="best", fontsize=8)
    tidy(axes)
    axes.set_axisbelow(True)


def _size(count: int) -> float:
    """Font size in points at which the letters of `count` tokens do not overlap."""
    return min(9.0, 9.0 * 52 / max(count, 1))
