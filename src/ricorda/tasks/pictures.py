"""Pictures of a training, from its history."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ricorda.tasks.scores import LOSS, is_share, score_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"  # Colour-blind readers can tell them apart (Okabe, Ito 2008).
GREEN, PINK = "#009E73", "#CC79A7"
DPI, WIDTH = 120, 10.0
"""Pixels an inch, and inches of a figure's width: 1,200 pixels."""

MANNERS = ((ORANGE, "s-"), (GREY, "^:"), (GREEN, "D--"), (PINK, "v-."))


def learning_curve(history: Sequence[Mapping[str, Any]], loss: str, scores: Mapping[str, str]) -> bytes:
    """Loss and scores of the validation by epoch, as a PNG.

    Parameters
    ----------
    history : sequence of mapping
        A record of each epoch, from `ricorda.training.train`.
    loss : str
        The name of the loss, with its unit.
    scores : mapping
        Numbers of the validation to draw, and their names; "validation_loss" is drawn beside the loss.
    """
    from matplotlib.ticker import MaxNLocator

    validated = "score" in history[0]
    drawn = {name: label for name, label in scores.items() if validated and name != LOSS}
    figure = new_figure(width=WIDTH if drawn else 6.0)
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
    for panel in axes:
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        tidy(panel)
    return as_png(figure)


def new_figure(height: float = 4.2, *, width: float = WIDTH) -> Figure:
    """An empty figure, in inches, that needs no window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def tidy(axes: Any, *, grid: bool = True) -> None:
    """Remove the upper and right sides of the frame, and put a faint grid behind the curves."""
    axes.spines[["top", "right"]].set_visible(False)
    if grid:
        axes.grid(alpha=0.25)


def as_png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


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
