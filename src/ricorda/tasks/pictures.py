"""Pictures of a training, from its history."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from ricorda.tasks.scores import LOSS, is_share, score_text

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"  # apart for colour-blind eyes too (Okabe, Ito 2008)
GREEN, PINK = "#009E73", "#CC79A7"
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
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    validated = "score" in history[0]
    drawn = {name: label for name, label in scores.items() if validated and name != LOSS}
    figure = Figure(figsize=(10, 4.2) if drawn else (6, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
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
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
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
