"""`Series`: numbers at regular times; and how the columns of a table become one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ricorda.data.clock import Clock, counted
from ricorda.data.places import Place
from ricorda.data.times import find_times
from ricorda.errors import DataError

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


class Columns(Protocol):
    """The columns that a series is made of.

    Attributes
    ----------
    names, covariates : sequence of str
        What the variables are called, and what is known beforehand.
    numbers : dict of array [rows]
        Of both, by name; NaN where a value is missing.
    moments : sequence
        The values of the column of the times, if there is one.
    time : str, optional
        What it is called.
    rows : int
    notes : sequence of str
        What was done to the data.
    source : str
        Where it was read.
    """

    names: tuple[str, ...]
    covariates: Sequence[str]
    numbers: dict[str, Values]
    moments: list[Any]
    time: str | None
    rows: int
    notes: list[str]
    source: str

    def where(self, column: str) -> Place:
        """Says where a value stands."""


class Filling:
    """Makes the columns of a table a series with nothing missing, and notes what it did."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.notes = list(columns.notes)

    def series(self, targets: tuple[str, ...], like: Clock | None) -> Series:
        """All that was read, with nothing missing."""
        columns = self.columns
        values = np.column_stack([columns.numbers[name] for name in columns.names])
        known = np.column_stack([columns.numbers[name] for name in columns.covariates] or [np.empty((columns.rows, 0))])
        clock = Clock()
        if columns.time:
            timeline = find_times(columns.moments, columns.where(columns.time), like=like)
            clock = timeline.clock
            self.notes += [f"column {columns.time!r}: {timeline.note}"] if timeline.note else []
            values, known = self._with_missing_rows(values, known, timeline.steps, clock)
        values, known, first = self._from_the_first_values(values, known, clock)
        length = 1 + int(np.flatnonzero(~np.isnan(values).all(1))[-1])
        if columns.covariates and length < len(values):
            self.notes.append(f"the last {counted(len(values) - length, 'row')} hold covariates alone: the future")
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
            f"{counted(missing, 'row')} missing at steps of {clock.words}: added (at most {gaps[wide] - 1:,} in a "
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
                f"{counted(first, 'row')} before {clock.text(first)} left out: not all columns have begun"
            )
        if np.isnan(values[first:]).all(0).any():
            raise DataError(f"{source} has no row from which on all columns have values: leave a column out")
        return values[first:], known[first:], first

    def _held(self, column: Values, name: str) -> Values:
        """A column whose missing values are the last ones before them; the first is there."""
        missing = int(np.isnan(column).sum())
        if missing:
            self.notes.append(f"column {name!r} lacks {counted(missing, 'value')}: filled in with the last one before")
        return held(column)


def held(column: Values) -> Values:
    """A column [T] with the last value before them in the place of missing ones; the first is there."""
    last: NDArray[np.intp] = np.maximum.accumulate(np.where(np.isnan(column), 0, np.arange(len(column))))
    return column[last]
