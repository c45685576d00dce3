"""The numbers of the tab as tables, and its charts as figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ricorda.data.synthetic.adding import LEARNED, VARIANCE
from ricorda.page.colours import colour_of
from ricorda.page.visit import Visit

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from polars import DataFrame


def flow_rows(look: dict[str, Any]) -> DataFrame:
    """A row for each cell, state and distance: log10 of the norm's geometric mean, nothing where it is zero."""
    import polars

    schema = {"training_step": polars.Int64, "cell": polars.String, "state": polars.String}
    rows = [
        (look["step"], cell, state, distance, log)
        for cell, about in look["cells"].items()
        for state, numbers in about["flow"]["states"].items()
        for distance, log in enumerate(numbers["log10_norm"])
    ]
    return polars.DataFrame(rows, {**schema, "distance": polars.Int64, "log10_norm": polars.Float64}, orient="row")


def error_rows(looks: Sequence[dict[str, Any]]) -> DataFrame:
    """A row for each look and cell: the task's measures on new sequences."""
    import polars

    rows = [
        (look["step"], cell, about["numbers"]["mean_squared_error"], about["numbers"]["share_wrong"])
        for look in looks
        for cell, about in look["cells"].items()
        if about["numbers"]
    ]
    schema = {"training_step": polars.Int64, "cell": polars.String}
    measures = {"mean_squared_error": polars.Float64, "share_wrong": polars.Float64}
    return polars.DataFrame(rows, {**schema, **measures}, orient="row")


def flow_figure(visit: Visit, look: dict[str, Any]) -> Figure:
    """The norms by distance: logarithms on a linear axis, so that 1e-400 has a place; zeros are left out."""
    from matplotlib.ticker import FuncFormatter

    from ricorda.tasks.pictures import new_figure

    figure = new_figure(5.4)
    axes = figure.subplots()
    for cell, about in look["cells"].items():
        for place, (state, numbers) in enumerate(reversed(about["flow"]["states"].items())):
            logs = [float("nan") if log is None else log for log in numbers["log10_norm"]]
            line = {"linewidth": 1.4, "linestyle": "--"} if place else {"linewidth": 2.6}
            axes.plot(
                range(len(logs)), logs, color=colour_of(cell, dark=False), label=f"{cell.upper()} {state}", **line
            )
    axes.yaxis.set_major_formatter(FuncFormatter(lambda log, _: f"$10^{{{log:g}}}$"))
    axes.set(xlabel=visit.text("distance"), title=visit.text("flow_heading"))
    _finish(axes)
    return figure


def error_figure(visit: Visit, looks: Sequence[dict[str, Any]]) -> Figure:
    """The mean squared error by training step."""
    from ricorda.tasks.pictures import GREY, new_figure

    figure = new_figure(5.4)
    axes = figure.subplots()
    table = error_rows(looks)
    for cell in table["cell"].unique(maintain_order=True):
        own = table.filter(cell=cell)
        axes.semilogy(
            own["training_step"],
            own["mean_squared_error"],
            color=colour_of(cell, dark=False),
            linewidth=2.2,
            label=cell.upper(),
        )
    for height, key in ((VARIANCE, "guess"), (LEARNED, "learned_line")):
        axes.axhline(height, color=GREY, linestyle="--", linewidth=1)
        axes.annotate(visit.text(key), (0.99, height), xycoords=("axes fraction", "data"), ha="right", va="bottom")
    axes.set(xlabel=visit.text("steps_learned"), title=visit.text("error_heading"))
    _finish(axes)
    return figure


def _finish(axes: Any) -> None:
    from ricorda.tasks.pictures import tidy

    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)
    axes.margins(x=0.01)
    tidy(axes)
