"""Pictures of a training, from its history."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"  # apart for colour-blind eyes too (Okabe, Ito 2008)


def learning_curve(history: Sequence[dict[str, Any]]) -> bytes:
    """Loss and validation score by epoch, as a PNG.

    Parameters
    ----------
    history : sequence of dict
        An entry an epoch, as `ricorda.training.train` returns them.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    scored = "accuracy" in history[0]
    figure = Figure(figsize=(10, 4.2) if scored else (6, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2 if scored else 1, squeeze=False)[0]
    epochs = [entry["epoch"] for entry in history]
    losses = axes[0]
    losses.plot(epochs, [entry["loss"] for entry in history], "o-", color=BLUE, label="training")
    losses.set(xlabel="epoch", ylabel="cross-entropy (nats)", title="Loss", ylim=(0, None))
    if scored:
        losses.plot(epochs, [entry["validation_loss"] for entry in history], "s--", color=ORANGE, label="validation")
        losses.legend()
        scores = axes[1]
        best = max(history, key=lambda entry: entry["score"])
        scores.plot(epochs, [entry["accuracy"] for entry in history], "s-", color=ORANGE, label="accuracy")
        scores.plot(epochs, [entry["macro_f1"] for entry in history], "^:", color=GREY, label="macro F1")
        scores.axvline(best["epoch"], color=GREY, linewidth=1, alpha=0.5)
        scores.set(xlabel="epoch", title=f"Validation: best {best['score']:.1%} in epoch {best['epoch']}")
        scores.yaxis.set_major_formatter(PercentFormatter(1.0))
        scores.legend(loc="lower right")
    for each in axes:
        each.xaxis.set_major_locator(MaxNLocator(integer=True))
        each.grid(alpha=0.25)
        each.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
