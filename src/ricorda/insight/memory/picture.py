"""The picture of a memory: what each token gave, and how much of what it wrote each step still holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ricorda.insight.drawing import SEQUENTIAL, label
from ricorda.tasks.pictures import BLUE, GREY, ORANGE, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ricorda.insight.memory.result import Memory

ACROSS, DOWN = 60, 40
"""The most labels that fit along each side; with more tokens, only every second, third and so on has one."""

LONGEST_LABEL = 14
"""Characters of a label; longer ones are cut."""


def draw(memory: Memory) -> Figure:
    """A memory as a picture, 1,200 pixels wide."""
    kept = memory.kept
    figure = new_figure(3.6 if kept is None else 9.6)
    rows = figure.subplots(1 if kept is None else 2, 1, squeeze=False, height_ratios=None if kept is None else [1, 2.2])
    upper = rows[0, 0]
    if memory.verdict is not None:
        _draw_verdict(upper, memory)
    else:
        _draw_left(upper, memory)
    _name_steps(upper.xaxis, memory, ACROSS, rotation=90)
    upper.set_xlim(-0.5, len(memory.tokens) - 0.5)
    if kept is not None:
        _draw_kept(figure, rows[1, 0], memory, kept)
    return figure


def _draw_verdict(axes: Any, memory: Memory) -> None:
    verdict = memory.verdict
    assert verdict is not None
    places = np.arange(len(memory.tokens))
    name, values = verdict.best
    axes.bar(places, values, color=np.where(values > 0, ORANGE, BLUE), width=0.8, label=f"{name} (bars)")
    few = len(places) <= ACROSS  # More markers would hide the bars.
    if verdict.decomposed is not None and few:
        axes.plot(places, verdict.integrated.values, "o", color="black", markersize=4, label="integrated gradients")
    if few:
        axes.plot(places, verdict.erasure, "x", color=GREY, markersize=5, label="erasure")
    axes.axhline(0, color="black", linewidth=0.8)
    unit = "nats" if verdict.rival is not None else "in its unit"
    axes.set(ylabel=f"share ({unit})", title=f"What each token gave to {label(verdict.claim)}")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.15 * (high - low))  # Room for the legend above all marks.
    axes.legend(frameon=False, ncols=3, fontsize=8, loc="upper right")
    tidy(axes)


def _draw_left(axes: Any, memory: Memory) -> None:
    places = np.arange(len(memory.tokens))
    written, left = memory.written, memory.left
    assert written is not None
    assert left is not None
    axes.bar(places - 0.2, written, width=0.4, color=BLUE, label="written")
    axes.bar(places + 0.2, left, width=0.4, color=ORANGE, hatch="///", edgecolor="white", label="left at the end")
    axes.set(ylabel="norm", title=f"What each token wrote into {memory.remains[0].state}, and what is left of it")
    axes.legend(frameon=False, ncols=2, fontsize=8)
    tidy(axes)


def _draw_kept(figure: Any, axes: Any, memory: Memory, kept: Any) -> None:
    both = len(memory.remains) > 1
    read = ~np.eye(len(kept), dtype=bool) if both else np.triu(np.ones_like(kept, dtype=bool))
    shown = np.ma.masked_where(~(read | np.eye(len(kept), dtype=bool)), kept)
    image = axes.imshow(shown, aspect="auto", cmap=SEQUENTIAL, vmin=0, vmax=max(1.0, float(kept.max())))
    second = "; below the diagonal: by the direction that reads from the end" if both else ""
    axes.set(
        xlabel="after reading this token",
        ylabel="what this token wrote",
        title=f"Share of it that the state {memory.remains[0].state} still holds{second}",
    )
    _name_steps(axes.xaxis, memory, ACROSS, rotation=90)
    _name_steps(axes.yaxis, memory, DOWN)
    figure.colorbar(image, ax=axes, label="share still held", pad=0.01)


def _name_steps(axis: Any, memory: Memory, most: int, **manner: Any) -> None:
    every = -(-len(memory.tokens) // most)
    places = range(0, len(memory.tokens), every)
    names = [label(memory.tokens[place][:LONGEST_LABEL]) for place in places]
    axis.set_ticks(list(places), names, fontsize=8, **manner)
