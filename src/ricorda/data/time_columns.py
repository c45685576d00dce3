"""What the columns of a table say of its times: which one has them, and whether another tells several series apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ricorda.data.dates import is_date, readings
from ricorda.data.number_columns import NumberColumns
from ricorda.data.source import extension
from ricorda.data.tables import FORMATS
from ricorda.errors import DataError


def date_column(source: str, names: Sequence[str]) -> str | None:
    """The only column of a table whose first value is a date; None if there is none, or several."""
    once = [name for name in names if names.count(name) == 1]
    if not once:
        return None
    values, _ = next(FORMATS[extension(source)](source, _wanted(once), 1))
    dates = [name for name, column in zip(once, values, strict=True) if is_date(column[0])]
    return dates[0] if len(dates) == 1 else None


def several_series(columns: NumberColumns, names: Sequence[str]) -> DataError | None:
    """Says that a table holds several series, if a column tells them apart: with it, each time is there once."""
    once = [name for name in names if names.count(name) == 1]
    if not once or columns.time is None:
        return None
    times = readings(columns.moments, columns.where(columns.time))[0].times
    ((values, _),) = FORMATS[extension(columns.source)](columns.source, _wanted(once), None)
    for name, column in zip(once, values, strict=True):
        last: dict[Any, Any] = {}
        for key, moment in zip(map(str, column), times, strict=True):
            if key in last and moment <= last[key]:
                break
            last[key] = moment
        else:
            if len(last) <= len(times) // 2:
                first, second = [*last][:2]
                return DataError(
                    f"{columns.source} holds {len(last):,} series, which column {name!r} tells apart ({first:.40}, "
                    f"{second:.40} ...): write one of them to a file of its own, or give `Forecaster.fit` a list of all"
                )
    return None


def _wanted(names: Sequence[str]) -> dict[str, str]:
    return {f"--target {name}": name for name in names}  # The reader's messages name an option for each column.
