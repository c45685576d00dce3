"""A user's series as a forecaster learns from them: with the same variables, and values in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ricorda.data.series import Series, numbered
from ricorda.errors import DataError


def with_variables(series: Series, wanted: Sequence[str], trained_on: Sequence[str]) -> Series:
    """A series with the variables of a model, found by their names, or by their places in an array.

    Parameters
    ----------
    series : Series
        The user's series.
    wanted : sequence of str
        The variables that the network reads.
    trained_on : sequence of str
        All variables of the training's series, in the order of an array's columns.

    Raises
    ------
    DataError
        If the series has other variables.
    """
    names = series.names
    by_place = not set(wanted) <= set(names) or names == numbered(len(names))
    if by_place and (len(names) != len(trained_on) or (names != tuple(trained_on) and series.clock.unit != "row")):
        raise DataError(
            f"{series.source} has the variables {', '.join(names)}, and the model was trained on "
            f"{', '.join(trained_on)}: give the same"
        )
    if by_place:
        names = tuple(trained_on)
    columns = [names.index(name) for name in wanted]
    chosen = tuple(name for name in wanted if name in series.targets) or tuple(wanted)
    return replace(
        series,
        values=series.values[:, columns],
        observed=series.observed[:, columns],
        names=tuple(wanted),
        targets=chosen,
    )


def require_values(parts: Sequence[Series], reach: int, argument: str) -> None:
    """Raise DataError if a target of the validation series has no observed value after their first `reach` steps."""
    for name in parts[0].targets:
        if not any(part.observed[reach:, part.names.index(name)].any() for part in parts):
            raise DataError(
                f"{parts[0].source} has no value of {name!r} in the steps to choose the best epoch by: give "
                f"{argument} that has"
            )
