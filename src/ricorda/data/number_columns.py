"""Columns of numbers of a table, read part by part; a missing value is NaN."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ricorda.data.doors import door
from ricorda.data.excel import read_sheet
from ricorda.data.numbers import TRUTH, as_number
from ricorda.data.places import BadLineError, Place, SourceRows, shown
from ricorda.data.separators import opening_of, separator_of, with_points
from ricorda.data.source import extension, lines, scan_parquet
from ricorda.data.tables import FORMATS
from ricorda.errors import DataError

Column = NDArray[np.float64]
"""The numbers of a column, [rows]."""

_AT_ONCE = 65_536
"""Rows whose texts are in memory at a time; their numbers are kept."""

_MISSING = ("", "na", "n/a", "nan", "null", "none", "-", "?")
"""What stands for a missing value in a text file, in small letters."""


class NumberColumns:
    """The columns of a table that a series is made of, read part by part.

    Parameters
    ----------
    source : path or address of the table
    time : the column of the times, if there is one
    variables, covariates : the columns of numbers
    keep : variables that must be numbers; of the others, those that hold words are left out

    Attributes
    ----------
    names : the variables that hold numbers
    numbers : the numbers of each variable and covariate by name, [rows], NaN where a value is missing
    moments : the values of the column of the times
    rows : the number of rows
    notes : a sentence for each column that is left out
    """

    def __init__(
        self, source: str, time: str | None, variables: Sequence[str], covariates: Sequence[str], keep: set[str]
    ) -> None:
        self.source, self.time, self.covariates = source, time, covariates
        columns = ([time] if time else []) + [*variables, *covariates]
        options = {  # The reader's messages name an option for each column, so the options differ.
            "--time" if name == time else f"--{'covariate' if name in covariates else 'target'} {name}": name
            for name in columns
        }
        moments: list[Any] = []
        numbers: dict[str, list[Column]] = {name: [] for name in columns if name != time}
        left_out: list[str] = []
        self.places: list[SourceRows] = []
        self.firsts: list[int] = []
        rows = 0
        for values, places in FORMATS[extension(source)](source, options, _AT_ONCE):
            self.places.append(places)
            self.firsts.append(rows)
            for name, column in zip(columns, values, strict=True):
                column = with_points(column) if places.decimal_commas and name != time else column
                if name == time:
                    moments.extend(column)
                elif name in numbers:
                    if not rows and name not in keep and name not in covariates and _holds_words(column):
                        del numbers[name]
                        left_out.append(name)
                    else:
                        numbers[name].append(_numbers(column, self.where(name, rows)))
            rows += len(values[0])
        dates = "" if time else " (name a column of dates with --time)"
        self.notes = [f"column {name!r} holds no numbers: it is left out{dates}" for name in left_out]
        self.names = tuple(name for name in variables if name in numbers)
        if not self.names:
            raise DataError(f"{source} has no column of numbers: name one with --target")
        self.moments = moments
        self.numbers = {name: np.concatenate(parts) for name, parts in numbers.items()}
        self.rows = rows

    def where(self, column: str, base: int = 0) -> Place:
        """Says where a value stands, by its row counted from `base` on."""

        def where(index: int) -> str:
            row = base + index
            part = np.searchsorted(self.firsts, row, side="right") - 1
            return f"{self.places[part].of(row - self.firsts[part])}, column {column!r},"

        return where


@door
def opening(source: str) -> tuple[list[str], Sequence[Any]]:
    """The columns of a table, those of its header or of its first object, and the values of the first row, if any."""
    import polars

    try:
        names, values = _opening(source)
    except DataError:
        raise
    except (BadLineError, csv.Error, ValueError, RecursionError, OSError):
        names, values = [], []
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException):
        names, values = [], []
    if not names:
        for _ in FORMATS[extension(source)](
            source, {"--target": ""}, 1
        ):  # The reader says what is wrong with the file.
            break
    return names, values


def _opening(source: str) -> tuple[list[str], Sequence[Any]]:
    kind = extension(source)
    if kind == ".parquet":
        import polars

        table = scan_parquet(source)
        names = [*table.collect_schema().names()]
        # It may hold a date that Python has not, at which older versions of polars panic.
        with suppress(ValueError, OverflowError, polars.exceptions.PanicException):
            return names, table.head(1).collect().row(0)
        return names, []
    if kind == ".xlsx":
        sheet = read_sheet(source)
        return sheet.columns, sheet.row(0) if sheet.height else []
    with closing(cast(Generator[str], lines(source))) as text:
        if kind in (".csv", ".tsv"):
            first, again = opening_of(text)
            quoting: Any = csv.QUOTE_MINIMAL if kind == ".csv" else csv.QUOTE_NONE
            separator = separator_of(first) if kind == ".csv" else "\t"
            records = csv.reader(again, delimiter=separator, quoting=quoting)
            names = next(records, [])
            with suppress(csv.Error, BadLineError):
                return names, next(records, [])
            return names, []
        record = json.loads(next(text, ""))
        return ([*record], [*record.values()]) if isinstance(record, dict) else ([], [])


def _holds_words(column: Sequence[Any]) -> bool:
    """Whether the first value that is not missing is no number: such a column is no part of a series."""
    for value in column:
        if value is None or (isinstance(value, str) and value.strip().lower() in _MISSING):
            continue
        try:
            as_number(value)
        except (TypeError, ValueError):
            return True
        except OverflowError:
            return False
        return isinstance(value, bool)
    return False


def _numbers(column: Sequence[Any], where: Place) -> Column:
    """A column's numbers, NaN where one is missing."""
    numbers = np.empty(len(column))
    for index, value in enumerate(column):
        if value is None or (isinstance(value, str) and value.strip().lower() in _MISSING):
            numbers[index] = math.nan
            continue
        text = value.strip().lower() if isinstance(value, str) else ""
        try:
            numbers[index] = TRUTH[text] if text in TRUTH else as_number(value)
        except OverflowError:
            numbers[index] = math.inf
        except (TypeError, ValueError):
            raise DataError(
                f"{where(index)} has {shown(value)}, which is no number: write it with a point, or leave it empty"
            ) from None
        if math.isinf(numbers[index]):
            raise DataError(f"{where(index)} has {shown(value)}, which is not finite: correct it or leave it empty")
    return numbers
