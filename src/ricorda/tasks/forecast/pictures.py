"""The picture of a forecast: the last steps of the series, and the forecast after them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ricorda.data.series import Values
from ricorda.tasks.pictures import BLUE, ORANGE, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ricorda.tasks.forecast.result import Forecast

MOST = 12
"""The most variables that are drawn; of more, the first ones."""

_HEIGHT = 2.6
"""The height of a panel in inches."""


def draw_forecast(forecast: Forecast) -> Figure:
    """Each variable's last steps, the forecast after them and its bands.

    Of the history at most four times the forecast's steps (at least 30) are drawn, so that the forecast stays readable.
    """
    names = forecast.names[:MOST]
    figure = new_figure(1.2 + _HEIGHT * len(names))
    panels = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    for position, axes in enumerate(panels):
        _draw(axes, forecast, position)
    _write_times(panels[-1], forecast)
    figure.align_ylabels(panels)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=4, frameon=False)
    if len(names) < len(forecast.names):
        figure.suptitle(f"the first {MOST} of {len(forecast.names):,} variables", x=0.01, ha="left", fontsize="medium")
    return figure


def _draw(axes: Any, forecast: Forecast, position: int) -> None:
    """Draw a variable. The forecast is drawn from the last known value on, so that one step is a line too."""
    steps = len(forecast.values)
    known = min(len(forecast.history), max(4 * steps, 30))
    history = forecast.history[-known:, position]
    past = [forecast.clock.at(step) for step in range(-known, 0)]
    future = [past[-1], *(forecast.clock.at(step) for step in range(steps))]
    mark = "o" if steps <= 31 else ""
    if forecast.quantiles is not None:
        _draw_bands(axes, future, forecast.levels, forecast.quantiles[:, position], history[-1])
    axes.plot(past, history, color=BLUE, marker=mark, markersize=3, label="what came")
    line = [history[-1], *forecast.values[:, position]]
    axes.plot(future, line, "--", color=ORANGE, marker=mark, markersize=3, markevery=slice(1, None), label="forecast")
    axes.set_ylabel(_plain(_shortened(forecast.names[position])))
    axes.margins(x=0.01)
    tidy(axes)


def _draw_bands(axes: Any, times: Sequence[Any], levels: Sequence[float], quantiles: Values, last: float) -> None:
    """Draw the band from the lowest to the highest quantile [steps, levels], and darker ones inside it."""
    for low in range(len(levels) // 2):
        high = len(levels) - 1 - low
        edges = [[last, *quantiles[:, level]] for level in (low, high)]
        label = f"{levels[low]:.3g} to {levels[high]:.3g} quantile"
        axes.fill_between(times, *edges, color=ORANGE, alpha=0.25, linewidth=0, label=label)


def _write_times(axes: Any, forecast: Forecast) -> None:
    import matplotlib.dates
    from matplotlib.ticker import MaxNLocator

    dates: Any = matplotlib.dates  # It has types only in part.
    clock = forecast.clock
    name = _plain(_shortened(forecast.time or "step"))
    if isinstance(clock.start, datetime):
        locator = dates.AutoDateLocator(minticks=4, maxticks=9)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
        axes.set_xlabel(f"{name}{' (UTC)' if clock.utc else ''}, in steps of {clock.words}")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=9, integer=True))
        axes.set_xlabel(name if clock.unit == "row" else f"{name}, in steps of {clock.words}")


def _shortened(text: str) -> str:
    return text if len(text) <= 24 else text[:23] + "…"


def _plain(text: str) -> str:
    """Escape `$`, which would begin mathematics."""
    return text.replace("$", r"\$")
