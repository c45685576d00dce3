"""Pictures of a training, from its history."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from ricorda.tasks.scores import LOSS, is_share, score_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ricorda.tasks.flow import TrainingFlow

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"  # apart for colour-blind eyes too (Okabe, Ito 2008)
GREEN, PINK = "#009E73", "#CC79A7"
DPI = 120
"""Pixels an inch."""

MANNERS = ((ORANGE, "s-"), (GREY, "^:"), (GREEN, "D--"), (PINK, "v-."))


def learning_curve(history: Sequence[Mapping[str, Any]], loss: str, scores: Mapping[str, str]) -> bytes:
    """Loss and scores of the validation by epoch, as a PNG.

    Parameters
    ----------
    history : sequence of mapping
        An entry an epoch, as `ricorda.training.train` returns them.
    loss : str
        What the loss is, with its unit.
    scores : mapping
        Numbers of the validation to draw, and what they are called; "validation_loss" is drawn beside the loss.
    """
    from matplotlib.ticker import MaxNLocator

    validated = "score" in history[0]
    drawn = {name: label for name, label in scores.items() if validated and name != LOSS}
    figure = new_figure(10 if drawn else 6, 4.2)
    axes = figure.subplots(1, 2 if drawn else 1, squeeze=False)[0]
    epochs = [entry["epoch"] for entry in history]
    losses = [entry["loss"] for entry in history]
    axes[0].plot(epochs, losses, "o-", color=BLUE, label="training")
    if validated and LOSS in scores:
        losses = [*losses, *(entry[LOSS] for entry in history)]
        axes[0].plot(epochs, losses[len(epochs) :], "s--", color=ORANGE, label="validation")
        axes[0].legend()
    axes[0].set(xlabel="epoch", ylabel=loss, title="Loss", ylim=(0, None) if min(losses) >= 0 else None)
    if drawn:
        _draw_scores(axes[1], history, drawn)
    for each in axes:
        each.xaxis.set_major_locator(MaxNLocator(integer=True))
        each.grid(alpha=0.25)
        each.spines[["top", "right"]].set_visible(False)
    return as_png(figure)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, that belongs to no window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def as_png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def flow_picture(flow: TrainingFlow) -> Figure:
    """A panel for each state: training step against distance from a row's end, the gradient's norm as colour."""
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import MaxNLocator

    rows = list(dict.fromkeys(key[:2] for key in flow.norms))  # a layer in one direction
    states = list(dict.fromkeys(state for _, _, state in flow.norms))
    figure = new_figure(10, 1.4 + 2.8 * len(rows))
    panels = figure.subplots(len(rows), len(states), squeeze=False, sharex=True)
    largest = max(float(np.nanmax(norms)) for norms in flow.norms.values()) or 1.0
    smallest = min(float(np.nanmin(norms)) for norms in flow.norms.values())
    smallest = max(smallest, largest * 1e-12)  # there is no logarithm of 0
    scale = LogNorm(smallest, max(largest, smallest * 10))
    steps = np.append(flow.steps, 2 * flow.steps[-1] - flow.steps[-2] if len(flow.steps) > 1 else flow.steps[-1] + 1)
    distances = np.append(flow.distances, flow.distances[-1] + flow.width)
    for (row, (layer, direction)), (column, state) in product(enumerate(rows), enumerate(states)):
        axes, norms = panels[row, column], flow.norms.get((layer, direction, state))
        if norms is None:  # layers of several cells have states of their own
            axes.set_axis_off()
            continue
        drawn = axes.pcolormesh(steps, distances - 0.5, np.maximum(norms.T, smallest), norm=scale, cmap="viridis")
        both = (layer, 1 - direction, state) in flow.norms
        reads = (", read from the start", ", read from the end")[direction] if both else ""
        axes.set_title(f"{state} of {layer or 'the layer'}{reads}")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_facecolor("#DDDDDD")  # where no batch has rows that are so long
        axes.set_ylim(-0.5, distances[np.flatnonzero(np.isfinite(norms).any(axis=0))[-1] + 1] - 0.5)
        if column == 0:
            axes.set_ylabel("steps to the row's end" if direction == 0 else "steps to the row's start")
        if row == len(rows) - 1:
            axes.set_xlabel("training step")
    figure.colorbar(drawn, ax=panels, label="norm of the gradient of the loss with respect to the state")
    return figure


def _draw_scores(axes: Any, history: Sequence[Mapping[str, Any]], scores: Mapping[str, str]) -> None:
    from matplotlib.ticker import PercentFormatter

    epochs = [entry["epoch"] for entry in history]
    for (name, label), (colour, line) in zip(scores.items(), MANNERS, strict=False):
        axes.plot(epochs, [entry[name] for entry in history], line, color=colour, label=label)
    best = max(history, key=lambda entry: entry["score"])
    axes.axvline(best["epoch"], color=GREY, linewidth=1, alpha=0.5)
    name, label = next(iter(scores.items()))
    axes.set(xlabel="epoch", title=f"Validation: best in epoch {best['epoch']}, {label} {score_text(name, best[name])}")
    if is_share(name):
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.legend(loc="best")
