"""The picture of units on a text: each token on a background that shows a unit's activation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ricorda.insight.drawing import DIVERGING
from ricorda.insight.gates.units_result import Followers
from ricorda.insight.passage import spaced
from ricorda.tasks.pictures import WIDTH, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 9.5
LETTER = 0.602 * POINTS / 72
"""The width of a letter of DejaVu Sans Mono, in inches."""
LINE, MARGIN, TITLE = 0.235, 0.3, 0.36
"""Inches: the height of a line of text, the margin, and the height of a title."""


def draw_units(followers: Followers, shown: Sequence[tuple[str, int]], window: slice) -> Figure:
    """A block of text for each (title, unit)."""
    places = lay_out(followers.tokens[window], int((WIDTH - 2 * MARGIN) / LETTER))
    lines = 1 + max(line for line, _, _ in places)
    block = TITLE + lines * LINE + 0.12
    height = MARGIN + block * len(shown) + 0.75
    figure = new_figure(height)
    figure.set_layout_engine("none")  # Everything has its absolute place.
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(height, 0))
    axes.axis("off")
    for number, (title, unit) in enumerate(shown):
        top = MARGIN * 0.6 + number * block
        axes.text(MARGIN, top + 0.2, title, fontsize=11, fontweight="bold", va="center")
        values = followers.activations[window][:, unit]
        _draw_text(axes, places, values, top + TITLE)
    _draw_scale(figure, height)
    return figure


def lay_out(tokens: Sequence[str], columns: int) -> list[tuple[int, int, str]]:
    """Line, first column and letters of each token, in lines of at most `columns` letters."""
    placed, line, column = [], 0, 0
    for token in spaced(tokens):
        letters = token.strip(" ").replace("\n", "↵").replace("\t", "⇥")[:columns] or "·"
        gap = column > 0 and token[:1] == " " and token != " "
        if column + gap + len(letters) > columns:
            line, column, gap = line + 1, 0, False
        placed.append((line, column + gap, letters))
        column += gap + len(letters)
        if token == "\n":
            line, column = line + 1, 0
    return placed


def _draw_text(axes: Any, places: Sequence[tuple[int, int, str]], values: NDArray[Any], top: float) -> None:
    import matplotlib as mpl
    from matplotlib.patches import Rectangle

    colours = mpl.colormaps[DIVERGING](0.5 + 0.5 * values / (np.abs(values).max() or 1.0))
    for (line, column, letters), colour in zip(places, colours, strict=True):
        x, y, width = MARGIN + column * LETTER, top + line * LINE, len(letters) * LETTER
        axes.add_patch(Rectangle((x, y), width, LINE * 0.9, facecolor=colour, linewidth=0))
        axes.text(
            x + width / 2,
            y + LINE * 0.45,
            letters.replace("$", r"\$"),
            fontsize=POINTS,
            family="DejaVu Sans Mono",
            ha="center",
            va="center",
            color="black" if colour[:3] @ (0.299, 0.587, 0.114) > 0.5 else "white",
        )


def _draw_scale(figure: Figure, height: float) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    axes = figure.add_axes((MARGIN / WIDTH, 0.42 / height, 3.2 / WIDTH, 0.12 / height))
    bar = figure.colorbar(ScalarMappable(Normalize(-1, 1), DIVERGING), cax=axes, orientation="horizontal")
    bar.set_ticks([-1, 0, 1], labels=["-largest", "0", "+largest"])
    bar.ax.tick_params(labelsize=8)
    figure.text((MARGIN + 3.5) / WIDTH, 0.48 / height, "activation of the unit on this text", fontsize=8, va="center")
