"""The picture of a search: how the best score rose, which parameters matter, and how much is the luck of seeds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ricorda.searching.found import BEST, DEFAULT, STOPPED, TRAINED
from ricorda.tasks.pictures import BLUE, GREY, ORANGE, new_figure, tidy
from ricorda.tasks.scores import is_share

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ricorda.searching.result import SearchResult

COLOURS = {BEST: BLUE, DEFAULT: ORANGE}


def draw_search(result: SearchResult) -> Figure:
    """Three panels: the score of each trial and the best so far, importances, best and default with other seeds."""
    figure = new_figure(4.2)
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.35, 1, 0.9))
    _draw_history(left, result)
    _draw_importances(middle, result)
    _draw_repeats(right, result)
    for axes in (left, middle, right):
        tidy(axes)
    return figure


def _draw_history(axes: Any, result: SearchResult) -> None:
    number = result.score.number
    trained = [trial for trial in result.trials if trial.ended == TRAINED]
    stopped = [trial for trial in result.trials if trial.ended == STOPPED and not math.isnan(trial.score)]
    axes.plot([t.number for t in trained], [number(t.score) for t in trained], "o", color=BLUE, label=TRAINED)
    if stopped:
        axes.plot([t.number for t in stopped], [number(t.score) for t in stopped], "x", color=GREY, label=STOPPED)
    bests: list[float] = []
    for trial in trained:
        bests.append(max([trial.score, *bests[-1:]]))
    ends = [*(trial.number for trial in trained), result.trials[-1].number]
    axes.step(ends, [number(best) for best in [*bests, bests[-1]]], where="post", color=BLUE, alpha=0.6, label="best")
    if result.default is not None:
        axes.axhline(number(result.default.score), color=ORANGE, linestyle="--", linewidth=1, label="default")
    axes.set(xlabel="trial", ylabel=f"validation {result.score.label}", title="Each trial")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_ylim(*_limits(number, trained, stopped))
    axes.legend(fontsize=8, loc="best", framealpha=0.8)
    _in_per_cent(axes.yaxis, result)


def _limits(number: Any, trained: Any, stopped: Any) -> tuple[float | None, float | None]:
    """All trained trials are in the picture; those that were stopped far below do not press them together."""
    scores = sorted(trial.score for trial in trained)
    low, high = scores[0], scores[-1]
    if stopped and high > low:
        low = max(min(low, *(trial.score for trial in stopped)), high - 3 * (high - low))
    margin = 0.06 * (high - low) or None
    if margin is None:
        return None, None
    ends = sorted((number(low - margin), number(high + margin)))
    return ends[0], ends[1]


def _draw_importances(axes: Any, result: SearchResult) -> None:
    from matplotlib.ticker import PercentFormatter

    axes.set_title("Importance")
    if not result.importances:
        axes.text(0.5, 0.5, "too few trials were trained", ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return
    ordered = sorted(result.importances.items(), key=lambda pair: pair[1])
    names, shares = [name for name, _ in ordered], [share for _, share in ordered]
    bars = axes.barh(names, shares, color=GREY, height=0.6)
    axes.bar_label(bars, [f"{share:.0%}" for share in shares], padding=4, fontsize=8)
    axes.tick_params(axis="y", labelsize=8)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlim(0, 1.25 * max(*shares, 0.01))
    axes.locator_params(axis="x", nbins=4)
    axes.set_xlabel("share in the scores' differences")


def _draw_repeats(axes: Any, result: SearchResult) -> None:
    number = result.score.number
    for place, (name, each) in enumerate(result.repeated.items()):
        values = [number(float(score)) for score in each.scores]
        axes.plot([place] * len(values), values, "o", color=COLOURS[name], alpha=0.5, markersize=7)
        axes.plot([place], [sum(values) / len(values)], "_", color=COLOURS[name], markersize=34, markeredgewidth=3)
    found = {BEST: result.best, DEFAULT: result.default}
    for place, name in enumerate(result.repeated):
        trial = found[name]
        if trial is not None:
            axes.plot([place], [number(trial.score)], "*", color="black", markersize=9)
    axes.set_xticks(range(len(result.repeated)), list(result.repeated))
    axes.set_xlim(-0.6, len(result.repeated) - 0.4)
    axes.set(title=f"{len(result.seeds)} other seeds", ylabel=f"validation {result.score.label}")
    axes.set_xlabel("o other seeds, – their mean,\n$\\bigstar$ the search's own seed")
    _in_per_cent(axes.yaxis, result)


def _in_per_cent(axis: Any, result: SearchResult) -> None:
    from matplotlib.ticker import PercentFormatter

    if is_share(result.score.name):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=1))
