"""Pictures of a training, from its history."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ricorda.tasks.scores import LOSS, is_share, score_text
from ricorda.training.run import best_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"  # Colour-blind readers can tell them apart (Okabe, Ito 2008).
GREEN, PINK = "#009E73", "#CC79A7"
DPI, WIDTH = 120, 10.0
"""Pixels an inch, and inches of a figure's width: 1,200 pixels."""

MANNERS = ((ORANGE, "s-"), (GREY, "^:"), (GREEN, "D--"), (PINK, "v-."))


def learning_curve(history: Sequence[Mapping[str, Any]], loss: str, scores: Mapping[str, str]) -> Figure:
    """Loss and scores of the validation by epoch.

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
    _draw_curve(axes[0], epochs, losses, "o-", BLUE, "training")
    if validated and LOSS in scores:
        losses = [*losses, *(entry[LOSS] for entry in history)]
        _draw_curve(axes[0], epochs, losses[len(epochs) :], "s--", ORANGE, "validation")
        _legend(axes[0])
    axes[0].set(xlabel="epoch", ylabel=loss, title="Loss", ylim=(0, None) if min(losses) >= 0 else None)
    if drawn:
        _draw_scores(axes[1], history, drawn)
    for panel in axes:
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        panel.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
        panel.set_title(panel.get_title(), pad=12)
        tidy(panel)
    return figure


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
    for place, ((name, label), (colour, line)) in enumerate(zip(scores.items(), MANNERS, strict=False)):
        curve = [entry[name] for entry in history]
        _draw_curve(axes, epochs, curve, line, colour, label, size=4 if place else 8)  # Equal scores are both seen.
    best = best_of(history)
    axes.axvline(best["epoch"], color=GREY, linewidth=1, alpha=0.5)
    name = next(iter(scores))
    axes.set(xlabel="epoch", title=f"Validation: best in epoch {best['epoch']} ({score_text(name, best[name])})")
    if is_share(name):
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_ylim(top=min(axes.get_ylim()[1], 1.0))
    _legend(axes)


def _draw_curve(
    axes: Any,
    epochs: Sequence[int],
    values: Sequence[float],
    line: str,
    colour: str,
    label: str,
    *,
    size: int = 6,
) -> None:
    """A line with some 12 markers at most, which are whole at the edges too."""
    every = -(-len(epochs) // 12)
    axes.plot(epochs, values, line, color=colour, label=label, markevery=every, markersize=size, clip_on=False)


def _legend(axes: Any) -> None:
    """Below the panel, where it hides no curve."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, frameon=False)
