"""The pictures of comparisons: what cells reach, cost and remember, and how far each one's success goes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ricorda.insight.drawing import DASHES, colours_of
from ricorda.tasks.pictures import new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ricorda.insight.comparison.length_result import LengthComparison
    from ricorda.insight.comparison.result import Comparison

MARKERS = "osD^v"


def draw_comparison(comparison: Comparison) -> Figure:
    """Three panels, a row a cell: the score of each seed and their mean, the time of an epoch, the memory length."""
    figure = new_figure(1.9 + 0.5 * len(comparison.cells))
    left, middle, right = figure.subplots(1, 3, sharey=True)
    places = np.arange(len(comparison.cells))
    colours = colours_of(comparison.cells)
    for place, colour, scores in zip(places, colours, comparison.scores, strict=True):
        left.plot(scores, np.full(len(scores), place), "o", color=colour, alpha=0.45, markersize=7)
        left.plot([scores.mean()], [place], "|", color=colour, markersize=26, markeredgewidth=3)
    name = comparison.measure.name
    better = "higher" if comparison.measure.higher_is_better else "lower"
    left.set(xlabel=f"{name}\n({better} is better)", title="Each seed (o), their mean (|)")
    left.set_yticks(places, comparison.cells)
    left.set_ylim(len(places) - 0.4, -0.6)
    left.margins(x=0.15)
    left.locator_params(axis="x", nbins=5)
    if comparison.measure.share:
        _in_per_cent(left.xaxis, comparison.scores)
    _bars(middle, places, comparison.epoch_seconds.mean(1), colours, "{:.3g}")
    middle.set(xlabel="seconds", title="An epoch")
    gone = np.isfinite(comparison.memory_lengths)
    most = max(1.0, float(comparison.memory_lengths[gone].max())) if gone.any() else 1.0
    lengths = np.where(gone, comparison.memory_lengths, np.where(np.isnan(comparison.memory_lengths), 0.0, 1.15 * most))
    texts = [
        f"{length:.0f}" if math.isfinite(length) else "not gone" if length > 0 else "none"
        for length in comparison.memory_lengths
    ]
    _bars(right, places, lengths, colours, texts)
    right.set(xlabel="steps, until 1 % of it is left", title="How far back the gradient goes")
    for axes in (left, middle, right):
        tidy(axes, grid=False)
        axes.grid(axis="x", alpha=0.25)
    return figure


def draw_lengths(comparison: LengthComparison) -> Figure:
    """Two panels against the length: the share of new sequences that are right, and the time of a step."""
    from matplotlib.ticker import NullLocator, PercentFormatter, ScalarFormatter

    figure = new_figure(4.2)
    left, right = figure.subplots(1, 2)
    colours = colours_of(comparison.cells)
    for index, name in enumerate(comparison.cells):
        manner: dict[str, Any] = {
            "color": colours[index],
            "linestyle": DASHES[index % len(DASHES)],
            "marker": MARKERS[index % len(MARKERS)],
            "label": name,
        }
        left.plot(comparison.lengths, comparison.success[index].mean(1), **manner)
        if len(comparison.seeds) > 1:
            left.fill_between(
                comparison.lengths,
                comparison.success[index].min(1),
                comparison.success[index].max(1),
                color=manner["color"],
                alpha=0.15,
            )
        right.plot(comparison.lengths, 1e6 * comparison.step_seconds[index].mean(1), **manner)
    left.set(title=f"synthetic:{comparison.task}", ylabel="new sequences that are right", ylim=(-0.04, 1.04))
    left.yaxis.set_major_formatter(PercentFormatter(1.0))
    right.set(title="Training", ylabel="microseconds a step of one sequence", ylim=(0, None))
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.set_xticks(comparison.lengths)
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("length T (steps)")
        many = len(comparison.cells) > 8
        axes.legend(frameon=False, **{"fontsize": 5, "ncols": 4} if many else {})
        tidy(axes)
    return figure


def _bars(axes: Any, places: Any, values: Any, colours: Any, texts: Any) -> None:
    bars = axes.barh(places, values, color=colours, height=0.55)
    labels = [texts.format(value) for value in values] if isinstance(texts, str) else texts
    axes.bar_label(bars, labels, padding=4)
    axes.set_xlim(0, 1.35 * max(values) or 1.0)  # Leaves room for the labels.
    axes.locator_params(axis="x", nbins=5)


def _in_per_cent(axis: Any, scores: Any) -> None:
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(1.0, decimals=0 if float(np.ptp(scores)) > 0.04 else 1))
