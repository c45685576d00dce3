"""The picture of a run: bars of the ratios to the best peer, and time against H, B and T."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from problem import JAX, ONNX, OURS, TORCH
from rows import Row
from summary import PEERS, ratio

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COLOURS = {OURS: "#c0392b", TORCH: "#7f8c8d", JAX: "#2980b9", ONNX: "#8e6bbf"}
AXES = {"H": "units H (T 100, B 32)", "B": "rows B (T 100)", "T": "steps T (B 32)"}


def draw(rows: list[Row], path: Path) -> None:
    """Write a PNG."""
    longest = max([sum(row.section == mode for row in rows) for mode in PEERS] + [4])
    figure = plt.figure(figsize=(14, 4 + 0.24 * longest), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[0.24 * longest + 0.5, 3.5])
    for mode, axes in zip(PEERS, above.subplots(1, 2), strict=True):
        _bars(axes, mode, [row for row in rows if row.section == mode])
    for axis, axes in zip(AXES, below.subplots(1, 3), strict=True):
        _lines(axes, axis, [row for row in rows if row.section == "sweep" and row.facts["axis"] == axis])
    figure.savefig(path, dpi=130, format="png")
    plt.close(figure)


def _bars(axes: Any, mode: str, rows: Sequence[Row]) -> None:
    points = [(row.label, value) for row in rows if (value := ratio(row, PEERS[mode])) is not None]
    labels, values = [label for label, _ in points], [value for _, value in points]
    places = range(len(points))
    axes.barh(places, values, color=[COLOURS[OURS] if value >= 1 else COLOURS[TORCH] for value in values])
    axes.set_yticks(places, labels, fontsize=8)
    axes.invert_yaxis()
    axes.axvline(1, color="black", linewidth=0.8)
    for place, value in zip(places, values, strict=True):
        axes.annotate(
            f"{value:.2f}", (value, place), xytext=(3, 0), textcoords="offset points", va="center", fontsize=7
        )
    axes.set_title(f"{mode}: time of the best peer / ours", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)


def _lines(axes: Any, axis: str, rows: Sequence[Row]) -> None:
    for name, colour in COLOURS.items():
        points = [(row.facts["case"][axis], row.seconds[name] * 1e3) for row in rows if name in row.seconds]
        if points:
            axes.loglog(*zip(*points, strict=True), marker="o", markersize=4, color=colour, label=name)
    sizes = [row.facts["case"][axis] for row in rows]
    axes.set_xticks(sizes, list(map(str, sizes)))
    axes.minorticks_off()
    axes.set_xlabel(AXES[axis])
    axes.set_ylabel("LSTM training, ms")
    axes.grid(True, which="major", alpha=0.3)
    if rows:
        axes.legend(fontsize=8)
