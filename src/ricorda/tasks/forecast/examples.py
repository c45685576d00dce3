"""A user's series as a forecaster learns from them: brought to the same variables, split in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ricorda.data.series import Series, numbered
from ricorda.errors import ArgumentError, DataError


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


def split_in_time(
    parts: Sequence[Series], fraction: float, context: int, steps: int, *, horizon: int, reach: int
) -> tuple[list[Series], list[Series]]:
    """Split each series in time: the steps to train on, and those after them to choose the best epoch by.

    Parameters
    ----------
    fraction : float
        Share of a series' steps that is kept apart: at least one horizon, unless it is 0.
    context, steps : int
        The lengths of a window's parts.
    horizon : int
        Steps of a forecast.
    reach : int
        Steps before the held-out ones that their forecasts are made from.

    Raises
    ------
    ArgumentError, DataError
        If a series is too short to be split.
    """
    training, held_out = [], []
    for part in parts:
        require_steps(part, context, steps)
        kept = max(horizon, round(fraction * len(part))) if fraction else 0
        if len(part) - kept < max(context + steps, reach + 1 if kept else 0):
            raise ArgumentError(
                f"validation_fraction={fraction} takes {kept} of the {len(part)} steps of {part.source}, which leaves "
                f"too few for a context of {context} and the {steps} after it: give a longer series, a smaller context "
                "or horizon, or 0"
            )
        training.append(part.part(0, len(part) - kept))
        if kept:
            held_out.append(part.part(len(part) - kept - reach, len(part)))
    return training, held_out


def require_steps(series: Series, context: int, steps: int) -> None:
    """Raise DataError if a series is too short for one window."""
    if len(series) < context + steps:
        raise DataError(
            f"{series.source} has {len(series)} steps, too few for a context of {context} and the {steps} after it: "
            "give a longer series, or a smaller context or horizon"
        )


def require_values(parts: Sequence[Series], reach: int, argument: str) -> None:
    """Raise DataError if a target of the validation series has no observed value after their first `reach` steps."""
    for name in parts[0].targets:
        if not any(part.observed[reach:, part.names.index(name)].any() for part in parts):
            raise DataError(
                f"{parts[0].source} has no value of {name!r} in the steps to choose the best epoch by: give "
                f"{argument} that has"
            )
