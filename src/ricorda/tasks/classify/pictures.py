"""The reliability diagram of a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ricorda.tasks.classify.metrics import Bin
from ricorda.tasks.pictures import BLUE, GREY, ORANGE, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_reliability(bins: Sequence[Bin], error: float) -> Figure:
    """The share of right predictions in each bin of confidence beside the mean confidence, and the bin's examples."""
    from matplotlib.ticker import PercentFormatter

    figure = new_figure(5.6, width=6.0)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    middles, width = [(one.low + one.high) / 2 for one in bins], bins[0].high - bins[0].low
    confidences = [one.confidence for one in bins]
    upper.bar(middles, [one.right for one in bins], width, color=BLUE, edgecolor="white", label="share right")
    upper.plot([0, 1], [0, 1], "--", color=GREY, linewidth=1, label="as sure as right")
    upper.plot(confidences, confidences, "D", color=ORANGE, markersize=6, label="mean confidence", clip_on=False)
    upper.set(title=f"Expected calibration error {error:.1%}", ylim=(0, 1))
    lower.bar(middles, [one.examples for one in bins], width, color=GREY, edgecolor="white")
    lower.set(xlabel="confidence: the probability of the verdict", ylabel="examples", xlim=(bins[0].low, 1))
    lower.xaxis.set_major_formatter(PercentFormatter(1.0))
    upper.yaxis.set_major_formatter(PercentFormatter(1.0))
    for axes in (upper, lower):
        tidy(axes)
    figure.legend(*upper.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure
