"""The picture of gradient flows: norms by distance on one logarithmic scale, a panel for each cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ricorda.insight.drawing import COLOURS, DASHES
from ricorda.insight.gradients.result import REMAINS, SOUND, GradientFlow, StateFlow
from ricorda.tasks.pictures import GREY, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ACROSS = 3
"""The most panels side by side."""
_BAND = (10, 90)
"""The percentiles of the rows that bound the band."""


def draw_flows(flows: Sequence[GradientFlow]) -> Figure:
    """Gradient flows side by side: the geometric mean over the rows, and a band from 10 to 90 % of them.

    Logarithms are drawn on a linear axis: a logarithmic axis cannot show 1e-400, which is no float.

    Parameters
    ----------
    flows : sequence of GradientFlow
        A panel for each.
    """
    across = min(_ACROSS, len(flows))
    lines = math.ceil(len(flows) / across)
    figure = new_figure(0.8 + 3.6 * lines)
    panels = figure.subplots(lines, across, sharey=True, squeeze=False)
    for index, axes in enumerate(panels.flat):
        if index >= len(flows):
            axes.set_visible(False)
            continue
        _draw(axes, flows[index])
        if index % across == 0:
            axes.set_ylabel("norm of the gradient of $L_T = v \\cdot h_T$\n($v$ random, length 1)")
        if index + across >= len(flows):
            axes.set_xlabel("distance from the end, $T - t$ (steps)")
    names: dict[str, Any] = {}
    for axes in panels.flat:
        names.update(dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True)))
    labels = sorted(names, key=lambda label: not label.startswith("$"))  # The states come first.
    handles = [names[label] for label in labels]
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    return figure


def _draw(axes: Any, flow: GradientFlow) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    for state, colour, dash in zip(flow.states.values(), COLOURS, DASHES, strict=False):
        _draw_state(axes, state, colour, dash)
    if flow.log10_products is not None:
        finite = np.isfinite(flow.log10_products)
        counts = np.where(finite.any(axis=1), finite.sum(axis=1), np.nan)  # Products of memoryless steps are zero.
        products = np.where(finite, flow.log10_products, 0).sum(axis=1) / counts
        label = "most that can arrive (largest singular value)"
        axes.plot(np.arange(len(products)), products, ":", color=GREY, linewidth=1.5, label=label)
    level = flow.carrier.mean_log.max() / math.log(10) + math.log10(REMAINS)
    if math.isfinite(level):
        label = f"{REMAINS:.0%} of the largest norm"
        axes.axhline(level, color=GREY, linewidth=0.8, alpha=0.7, label=label)
    axes.set_title(f"{flow.cell}\n{_headline(flow.carrier)}", fontsize=10)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda log, _: f"$10^{{{log:g}}}$"))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.01)
    tidy(axes)


def _draw_state(axes: Any, state: StateFlow, colour: str, dash: Any) -> None:
    with np.errstate(divide="ignore"):
        logs = _finite(np.log10(state.norms))
    seen = np.isfinite(logs).any(axis=1)
    distances = np.flatnonzero(seen)
    if seen.any():  # The gradient of a state that nothing reads is zero throughout.
        low, high = np.nanpercentile(logs[seen], _BAND, axis=1)
        axes.fill_between(distances, low, high, color=colour, alpha=0.2, linewidth=0)
    mean = _finite(state.mean_log / math.log(10))
    label = rf"$\|\partial L_T / \partial {state.name}_t\|$"
    axes.plot(np.arange(len(mean)), mean, linestyle=dash, color=colour, linewidth=1.8, label=label)


def _headline(state: StateFlow) -> str:
    said = f"{state.name} {'is ' * (state.verdict == SOUND)}{state.verdict}"
    if state.half_life is not None:
        return f"{said}, half-life {state.half_life:.1f} steps"
    if state.doubling_time is not None:
        return f"{said}, doubles in {state.doubling_time:.1f} steps"
    return said


def _finite(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.where(np.isfinite(values), values, np.nan)
