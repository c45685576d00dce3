"""Series of numbers, one step a row: checked arrays, and tables with a column of dates."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricorda.data.doors import door
from ricorda.data.number_columns import NumberColumns, column_names
from ricorda.data.source import extension
from ricorda.data.tables import FORMATS, no_column
from ricorda.data.times import Clock, find_clock, read_times
from ricorda.errors import ArgumentError, DataError

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """Numbers at regular times; no value is missing any more.

    Attributes
    ----------
    values : array [T, V]
        Where a value was missing, the last one before it.
    observed : array of bool [T, V]
        Whether a value stood there.
    names : tuple of str
        What the V variables are called.
    targets : tuple of str
        Those that are to be forecast, in the order of `names`.
    covariates : array [T + future steps, K]
        What is known beforehand, also of steps that are still to come.
    covariate_names : tuple of str
        What the K covariates are called.
    clock : Clock
        When the steps are.
    time_name : str, optional
        The column of the times.
    notes : tuple of str
        A sentence for each thing that was done to the data: rows added, values filled in, columns left out.
    source : str
        Where it was read.
    """

    values: Values
    observed: NDArray[np.bool_]
    names: tuple[str, ...]
    targets: tuple[str, ...]
    covariates: Values
    covariate_names: tuple[str, ...] = ()
    clock: Clock = field(default_factory=Clock)
    time_name: str | None = None
    notes: tuple[str, ...] = ()
    source: str = ""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def past_covariates(self) -> Values:
        """The covariates of the steps that have values, [T, K]."""
        return self.covariates[: len(self)]

    def part(self, first: int, end: int) -> Series:
        """The steps from `first` to before `end`; what is known of later ones is left out."""
        return replace(
            self,
            values=self.values[first:end],
            observed=self.observed[first:end],
            covariates=self.covariates[first:end],
            clock=self.clock.after(first),
        )


def as_series(data: Any, argument: str = "X", *, covariates: Any = None, targets: Sequence[Any] = ()) -> Series:
    """A Python argument as a series.

    Parameters
    ----------
    data : Series, array [T] or [T, V], or a table of a data frame library
        One row a step, in the order of time.
    argument : str
        Its name, for messages.
    covariates : array [T + future steps] or [T + future steps, K], optional
        What is known beforehand.
    targets : sequence of names or of column numbers from 0
        What is to be forecast; all variables if there is none.

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
    columns = getattr(data, "columns", None)
    values = _checked(data.to_numpy() if columns is not None else data, argument)
    names = numbered(values.shape[1]) if columns is None else tuple(map(str, columns))
    known = np.empty((len(values), 0)) if covariates is None else _checked(covariates, "covariates")
    if len(known) < len(values):
        raise DataError(
            f"covariates has {len(known)} steps and {argument} {len(values)}: give them for all steps, and for those "
            "to be forecast"
        )
    known_names = tuple(f"x{number}" for number in range(1, known.shape[1] + 1))
    chosen = _chosen(targets, names)
    return Series(values, np.ones(values.shape, np.bool_), names, chosen, known, known_names, source=argument)


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
        The column of dates or whole numbers; without it, the rows are the steps.
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
            if name in named:
                raise ArgumentError(f"{option} {name} is named by {named[name]} already: leave one of them out")
            named[name] = option
    there = column_names(source)
    named |= dict.fromkeys((name for name in variables if name not in named), "--target")
    for name, option in named.items():
        if name not in there and like is not None:
            raise DataError(
                f"{source} has no column {name!r}: give a table that has it, or rename one of "
                f"{', '.join(map(repr, there))}"
            )
        if name not in there:
            raise DataError(no_column(source, option, name, there))
    others = [name for name in variables or there if name not in {time, *covariates}]
    wanted = [*dict.fromkeys([*others, *targets])]
    if not wanted:
        raise DataError(f"{source} has no column but {', '.join(map(repr, named))}: add one with the series' values")
    columns = NumberColumns(source, time, wanted, [*covariates], keep={*targets, *variables})
    return _Filling(columns).series(tuple(targets), like)


class _Filling:
    """Makes the columns of a table a series with nothing missing, and notes what it did."""

    def __init__(self, columns: NumberColumns) -> None:
        self.columns = columns
        self.notes = list(columns.notes)

    def series(self, targets: tuple[str, ...], like: Clock | None) -> Series:
        """All that was read, with nothing missing."""
        columns = self.columns
        values = np.column_stack([columns.numbers[name] for name in columns.names])
        known = np.column_stack([columns.numbers[name] for name in columns.covariates] or [np.empty((columns.rows, 0))])
        clock = Clock()
        if columns.time:
            moments, utc = read_times(columns.moments, columns.where(columns.time))
            clock, steps = find_clock(moments, columns.where(columns.time), utc=utc, like=like)
            values, known = self._with_missing_rows(values, known, steps, clock)
        values, known, first = self._from_the_first_values(values, known, clock)
        length = 1 + int(np.flatnonzero(~np.isnan(values).all(1))[-1])
        if columns.covariates and length < len(values):
            self.notes.append(f"the last {_counted(len(values) - length, 'row')} hold covariates alone: the future")
        else:
            length = len(values)
        values = values[:length]
        observed = ~np.isnan(values)
        for position, name in enumerate(columns.names):
            values[:, position] = self._held(values[:, position], name)
        for position, name in enumerate(columns.covariates):
            known[:, position] = self._held(known[:, position], name)
        return Series(
            values,
            observed,
            columns.names,
            tuple(name for name in columns.names if name in targets) or columns.names,
            known,
            tuple(columns.covariates),
            clock.after(first),
            columns.time,
            tuple(self.notes),
            columns.source,
        )

    def _with_missing_rows(
        self, values: Values, known: Values, steps: NDArray[np.int64], clock: Clock
    ) -> tuple[Values, Values]:
        length = int(steps[-1]) + 1
        missing = length - len(steps)
        if not missing:
            return values, known
        gaps = np.diff(steps)
        wide = int(gaps.argmax())
        self.notes.append(
            f"{_counted(missing, 'row')} missing at steps of {clock.words}: added (at most {gaps[wide] - 1:,} in a "
            f"row, after {clock.text(int(steps[wide]))})"
        )
        full, full_known = np.full((length, values.shape[1]), np.nan), np.full((length, known.shape[1]), np.nan)
        full[steps], full_known[steps] = values, known
        return full, full_known

    def _from_the_first_values(self, values: Values, known: Values, clock: Clock) -> tuple[Values, Values, int]:
        first, source = 0, self.columns.source
        for name, column in zip([*self.columns.names, *self.columns.covariates], [*values.T, *known.T], strict=True):
            there = np.flatnonzero(~np.isnan(column))
            if not len(there):
                raise DataError(f"{source}, column {name!r}, holds no number: leave the column out or fill it in")
            first = max(first, int(there[0]))
        if first:
            self.notes.append(
                f"{_counted(first, 'row')} before {clock.text(first)} left out: not all columns have begun"
            )
        if np.isnan(values[first:]).all(0).any():
            raise DataError(f"{source} has no row from which on all columns have values: leave a column out")
        return values[first:], known[first:], first

    def _held(self, column: Values, name: str) -> Values:
        """A column whose missing values are the last ones before them; the first is there."""
        there = ~np.isnan(column)
        missing = len(column) - int(there.sum())
        if missing:
            self.notes.append(f"column {name!r} lacks {_counted(missing, 'value')}: filled in with the last one before")
        last: NDArray[np.intp] = np.maximum.accumulate(np.where(there, np.arange(len(column)), 0))
        return column[last]


def _checked(data: Any, argument: str) -> Values:
    """An array [T, V] of finite numbers."""
    if hasattr(data, "detach"):
        data = data.detach().cpu().double()
    try:
        values = np.array(data, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(
            f"{argument} is no array of numbers: give T numbers, or T rows of as many numbers each"
        ) from None
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or not values.size:
        raise DataError(f"{argument} has the shape {np.shape(data)}: give T numbers, or T rows of as many numbers each")
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        step, variable = bad[0]
        raise DataError(
            f"{argument} has {str(values[step, variable]).replace('nan', 'NaN')} at [{step}, {variable}]: fill it in, "
            "or read a table with `ricorda.data.series.read_series`, which does"
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


def _counted(number: int, name: str) -> str:
    return f"{number:,} {name}{'s' if number > 1 else ''}"
