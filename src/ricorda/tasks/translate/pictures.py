"""The picture of a translation's attention."""

from __future__ import annotations

from ricorda.tasks.pictures import as_png, new_figure
from ricorda.tasks.translate.inference import Alignment


def attention_picture(alignment: Alignment) -> bytes:
    """The attention: a row for each target token, a column for each source token, darker is more; a PNG."""
    rows, columns = alignment.weights.shape
    figure = new_figure(min(40.0, 1.6 + 0.3 * rows), width=min(40.0, 2.0 + 0.38 * columns))
    axes = figure.subplots()
    image = axes.imshow(alignment.weights, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    axes.set_xticks(range(columns), _labels(alignment.source), rotation=60, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(rows), _labels(alignment.target))
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, label="share of attention", shrink=0.8)
    return as_png(figure)


def _labels(tokens: tuple[str, ...]) -> list[str]:
    """Tokens for readers: one that continues a word has a dot before it, and `$` is escaped from mathematics."""
    shown = [token[1:] if token.startswith("▁") else token if token == "</s>" else f"·{token}" for token in tokens]
    return [token.replace("$", r"\$") or "·" for token in shown]
