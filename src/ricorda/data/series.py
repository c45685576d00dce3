"""Series of numbers, one step a row: checked arrays, and tables with a column of dates."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ricorda.data.clock import Clock
from ricorda.data.doors import door
from ricorda.data.frames import columns_of_frame
from ricorda.data.number_columns import NumberColumns, opening
from ricorda.data.places import shown
from ricorda.data.source import extension
from ricorda.data.steps import Filling, Series, Values, held
from ricorda.data.tables import FORMATS, no_column
from ricorda.data.time_columns import date_column, several_series
from ricorda.data.times import IrregularTimesError, RepeatedTimesError
from ricorda.errors import ArgumentError, DataError

__all__ = ["Series", "Values", "as_series", "numbered", "read_series"]


def as_series(
    data: Any, argument: str = "X", *, covariates: Any = None, targets: Sequence[Any] = (), missing: bool = False
) -> Series:
    """A Python argument as a series.

    Parameters
    ----------
    data : Series, array [T] or [T, V], or a data frame
        One row a step, in the order of time. An index of dates, or the only column of dates of a frame, says when the
        steps are; then missing rows and values are filled in as of a file.
    argument : str
        Its name, for messages.
    covariates : array [T + future steps] or [T + future steps, K], optional
        What is known beforehand.
    targets : sequence of names or of column numbers from 0
        What is to be forecast; all variables if there is none.
    missing : bool
        Whether a number may be NaN, which means that it was not measured: the last one before stands there.

    Raises
    ------
    DataError
        If it is no such array, or holds what is no finite number.
    ArgumentError
        If a target is no variable, or a Series comes with covariates of its own and others.
    """
    if isinstance(data, Series):
        if covariates is not None:
            raise ArgumentError(f"covariates were given, but {argument} has its own: leave one of them out")
        return replace(data, targets=_chosen(targets, data.names)) if len(targets) else data
    timed = None if covariates is not None else columns_of_frame(data, argument)
    if timed is not None:
        filled = Filling(timed).series((), None)
        return replace(filled, targets=_chosen(targets, filled.names))
    columns = getattr(data, "columns", None)
    values = _checked(data.to_numpy() if columns is not None else data, argument, missing)
    names = numbered(values.shape[1]) if columns is None else tuple(map(str, columns))
    known = np.empty((len(values), 0)) if covariates is None else _checked(covariates, "covariates")
    if len(known) < len(values):
        raise DataError(
            f"covariates has {len(known)} steps and {argument} {len(values)}: give them for all steps, and for those "
            "to be forecast"
        )
    known_names = tuple(f"x{number}" for number in range(1, known.shape[1] + 1))
    chosen = _chosen(targets, names)
    observed = ~np.isnan(values)
    if not observed[0].all():
        raise DataError(
            f"{argument} has NaN at [0, {observed[0].argmin()}], and nothing before it that could stand there: leave "
            "out the steps before all variables have begun"
        )
    values = np.column_stack([held(column) for column in values.T])
    return Series(values, observed, names, chosen, known, known_names, source=argument)


def numbered(count: int) -> tuple[str, ...]:
    """What the variables of an array are called."""
    return ("y",) if count == 1 else tuple(f"y{number}" for number in range(1, count + 1))


@door
def read_series(
    path: str | Path,
    *,
    time: str | None = None,
    targets: Sequence[str] = (),
    covariates: Sequence[str] = (),
    variables: Sequence[str] = (),
    like: Clock | None = None,
) -> Series:
    """Read a table whose rows are the steps of a series, from the earliest to the latest.

    Missing rows are added and missing values filled in with the last value before them, so that nothing is known
    before its time; rows before the first value of any variable are left out. Rows at the end with covariates
    and without values are the future. All of that is said in `notes`.

    Parameters
    ----------
    path : path or address
        CSV, TSV, JSON lines or Parquet.
    time : str, optional
        The column of dates or whole numbers; without it, the only column of dates, or else the rows are the steps.
    targets : sequence of str
        The columns to be forecast; all variables if there is none.
    covariates : sequence of str
        Columns that are known beforehand: they may have values in rows where the variables have none yet.
    variables : sequence of str
        The columns of the variables; without it, all columns of numbers.
    like : Clock, optional
        That of the series a model was trained on: it is followed where the rows can be so far apart.

    Raises
    ------
    DataError
        For anything that cannot be read or used: a date that is none, is there twice, is out of order or between two
        steps, a value that is no number, a column without any.
    ArgumentError
        If a column is named in two roles.
    """
    source = os.fspath(path)
    if extension(source) not in FORMATS:
        raise DataError(f"{source} is no table: give a series as .csv, .tsv, .jsonl or .parquet")
    roles = {"--time": [time] if time else [], "--target": [*targets], "--covariate": [*covariates]}
    named: dict[str, str] = {}
    for option, names in roles.items():
        for name in names:
            if not isinstance(name, str):
                raise ArgumentError(f"{option} is given {shown(name)}, which is no name of a column: give one")
            if name in named:
                raise ArgumentError(f"{option} {name} is named by {named[name]} already: leave one of them out")
            named[name] = option
    there, first_row = opening(source)
    named |= dict.fromkeys((name for name in variables if name not in named), "--target")
    for name, option in named.items():
        if name not in there and like is not None:
            raise DataError(
                f"{source} has no column {name!r}: give a table that has it, or rename one of "
                f"{', '.join(map(repr, there))}"
            )
        if name not in there:
            raise DataError(no_column(source, option, name, there))
    dates = None if time or like else date_column(there, first_row, named)

    def read(time: str | None, notes: Sequence[str] = ()) -> Series:
        others = [name for name in variables or there if name not in {time, *covariates}]
        wanted = [*dict.fromkeys([*others, *targets])]
        if not wanted:
            names = ", ".join(map(repr, there))
            raise DataError(f"{source} has no column but {names}: add one with the series' values")
        columns = NumberColumns(source, time, wanted, [*covariates], keep={*targets, *variables})
        columns.notes[:0] = notes
        try:
            return Filling(columns).series(tuple(targets), like)
        except RepeatedTimesError as error:
            raise several_series(columns, [name for name in there if name != time]) or error from None

    if dates is None:
        return read(time)
    try:
        return read(dates, [f"column {dates!r} holds dates: they are the times of the rows"])
    except IrregularTimesError as error:
        return read(None, [f"the dates of column {dates!r} are not used, the rows are the steps: {error}"])


def _checked(data: Any, argument: str, missing: bool = False) -> Values:
    """An array [T, V] of finite numbers; if `missing`, of NaN too."""
    if hasattr(data, "detach"):
        data = data.detach().cpu().double()
    try:
        values = np.array(data, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise DataError(
            f"{argument} is no array of numbers: give T numbers, or T rows of as many numbers each"
        ) from None
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or not values.size:
        raise DataError(f"{argument} has the shape {np.shape(data)}: give T numbers, or T rows of as many numbers each")
    bad = np.argwhere(np.isinf(values) if missing else ~np.isfinite(values))
    if len(bad):
        step, variable = bad[0]
        wrong = values[step, variable]
        raise DataError(
            f"{argument} has {str(wrong).replace('nan', 'NaN')} at [{step}, {variable}]: fill it in, or read a table "
            "with `ricorda.data.series.read_series`, which does"
            + ("; a cell that takes a mask, such as gru_d, can do without it" if np.isnan(wrong) else "")
        )
    return values


def _chosen(targets: Sequence[Any], names: tuple[str, ...]) -> tuple[str, ...]:
    chosen = []
    for target in targets:
        if isinstance(target, int | np.integer) and 0 <= target < len(names):
            target = names[int(target)]
        if target not in names:
            raise ArgumentError(f"targets has {target!r:.40}, which is no variable: choose of {', '.join(names)}")
        if target in chosen:
            raise ArgumentError(f"targets has {target!r:.40} twice: leave one out")
        chosen.append(target)
    return tuple(name for name in names if name in chosen) or names
