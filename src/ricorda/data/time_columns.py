"""What the columns of a table say of its times: which one has them, and whether another tells several series apart."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from ricorda.data.dates import is_date, readings
from ricorda.data.number_columns import NumberColumns
from ricorda.data.source import extension
from ricorda.data.tables import FORMATS
from ricorda.errors import DataError


def date_column(names: Sequence[str], values: Sequence[Any], roles: Collection[str]) -> str | None:
    """The only column without a role whose value in the first row is a date; None if there is none, or several."""
    dates = [name for name, value in zip(names, values, strict=False) if name not in roles and is_date(value)]
    return dates[0] if len(dates) == 1 else None


def several_series(columns: NumberColumns, names: Sequence[str]) -> DataError | None:
    """Says that a table holds several series, if a column tells them apart: with it, each time is there once."""
    once = [name for name in names if names.count(name) == 1]
    if not once or columns.time is None:
        return None
    times = readings(columns.moments, columns.where(columns.time))[0].times
    wanted = {f"--target {name}": name for name in once}  # The reader's messages name an option for each column.
    ((values, _),) = FORMATS[extension(columns.source)](columns.source, wanted, None)
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
