"""The pictures of comparisons: what cells reach, cost and remember, and how far each one's success goes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ricorda.insight.drawing import COLOURS, DASHES
from ricorda.tasks.pictures import new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ricorda.insight.comparison.length_result import LengthComparison
    from ricorda.insight.comparison.result import Comparison

MARKERS = "osD^v"


def draw_comparison(found: Comparison) -> Figure:
    """Three panels, a row a cell: the score of each seed and their mean, the time of an epoch, the memory length."""
    figure = new_figure(1.9 + 0.5 * len(found.cells))
    left, middle, right = figure.subplots(1, 3, sharey=True)
    places = np.arange(len(found.cells))
    colours = [COLOURS[index % len(COLOURS)] for index in places]
    for place, colour, scores in zip(places, colours, found.scores, strict=True):
        left.plot(scores, np.full(len(scores), place), "o", color=colour, alpha=0.45, markersize=7)
        left.plot([scores.mean()], [place], "|", color=colour, markersize=26, markeredgewidth=3)
    name = found.measure.name
    better = "higher" if found.measure.higher_is_better else "lower"
    left.set(xlabel=f"{name}\n({better} is better)", title="Each seed (o), their mean (|)")
    left.set_yticks(places, found.cells)
    left.set_ylim(len(places) - 0.4, -0.6)
    left.margins(x=0.15)
    left.locator_params(axis="x", nbins=5)
    if found.measure.share:
        _in_per_cent(left.xaxis, found.scores)
    _bars(middle, places, found.epoch_seconds.mean(1), colours, "{:.3g}")
    middle.set(xlabel="seconds", title="An epoch")
    gone = np.isfinite(found.memory_lengths)
    most = max(1.0, float(found.memory_lengths[gone].max())) if gone.any() else 1.0
    lengths = np.where(gone, found.memory_lengths, np.where(np.isnan(found.memory_lengths), 0.0, 1.15 * most))
    texts = [
        f"{each:.0f}" if math.isfinite(each) else "not gone" if each > 0 else "none" for each in found.memory_lengths
    ]
    _bars(right, places, lengths, colours, texts)
    right.set(xlabel="steps, until 1 % of it is left", title="How far back the gradient goes")
    for axes in (left, middle, right):
        tidy(axes, grid=False)
        axes.grid(axis="x", alpha=0.25)
    return figure


def draw_lengths(found: LengthComparison) -> Figure:
    """Two panels against the length: the share of new sequences that are right, and the time of a step."""
    from matplotlib.ticker import NullLocator, PercentFormatter, ScalarFormatter

    figure = new_figure(4.2)
    left, right = figure.subplots(1, 2)
    for index, name in enumerate(found.cells):
        manner: dict[str, Any] = {
            "color": COLOURS[index % len(COLOURS)],
            "linestyle": DASHES[index % len(DASHES)],
            "marker": MARKERS[index % len(MARKERS)],
            "label": name,
        }
        left.plot(found.lengths, found.success[index].mean(1), **manner)
        if len(found.seeds) > 1:
            left.fill_between(
                found.lengths,
                found.success[index].min(1),
                found.success[index].max(1),
                color=manner["color"],
                alpha=0.15,
            )
        right.plot(found.lengths, 1e6 * found.step_seconds[index].mean(1), **manner)
    left.set(title=f"synthetic:{found.task}", ylabel="new sequences that are right", ylim=(-0.04, 1.04))
    left.yaxis.set_major_formatter(PercentFormatter(1.0))
    right.set(title="Training", ylabel="microseconds a step of one sequence", ylim=(0, None))
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.set_xticks(found.lengths)
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("length T (steps)")
        axes.legend(frameon=False)
        tidy(axes)
    return figure


def _bars(axes: Any, places: Any, values: Any, colours: Any, texts: Any) -> None:
    bars = axes.barh(places, values, color=colours, height=0.55)
    labels = [texts.format(value) for value in values] if isinstance(texts, str) else texts
    axes.bar_label(bars, labels, padding=4)
    axes.set_xlim(0, 1.35 * max(values) or 1.0)  # with room for the labels
    axes.locator_params(axis="x", nbins=5)


def _in_per_cent(axis: Any, scores: Any) -> None:
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(1.0, decimals=0 if float(np.ptp(scores)) > 0.04 else 1))
