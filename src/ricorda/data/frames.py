"""Data frames of pandas and polars as columns of a series: their times are an index of dates, or a column of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricorda.data.places import Place, shown
from ricorda.errors import DataError


@dataclass
class FrameColumns:
    """The columns of a data frame with times; see `ricorda.data.steps.Columns`."""

    names: tuple[str, ...]
    numbers: dict[str, NDArray[np.float64]]
    moments: list[Any]
    time: str | None
    source: str
    rows: int
    covariates: Sequence[str] = ()
    notes: list[str] = field(default_factory=list)

    def where(self, column: str) -> Place:
        """Says where a value stands."""
        return lambda index: f"row {index} of {self.source}, column {column!r},"


def columns_of_frame(data: Any, argument: str) -> FrameColumns | None:
    """The columns of a data frame, or of a series that has an index of dates; None of anything else.

    Raises
    ------
    DataError
        If a column holds no numbers.
    """
    names = getattr(data, "columns", None)
    moments, time = _index(data)
    if names is None and moments is None:
        return None
    columns = {str(data.name or "y"): data} if names is None else {str(name): data[name] for name in names}
    if moments is None:
        dates = [name for name, column in columns.items() if len(column) and _are_dates(column)]
        if len(dates) != 1:
            return None
        time = dates[0]
        moments = _listed(columns.pop(time))
    numbers = {}
    for name, column in columns.items():
        try:
            numbers[name] = np.array([np.nan if value is None else value for value in column], dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            raise DataError(f"{argument} has the column {shown(name)}, which holds no numbers: leave it out") from None
    return FrameColumns(tuple(numbers), numbers, moments, time, argument, len(moments))


def _index(data: Any) -> tuple[list[Any] | None, str | None]:
    """The dates of a pandas index, and what it is called."""
    index: Any = getattr(data, "index", None)
    index = index.to_timestamp() if hasattr(index, "to_timestamp") else index
    if not hasattr(index, "to_pydatetime"):
        return None, None
    return _present(index.to_pydatetime()), str(index.name or "time")


def _are_dates(column: Any) -> bool:
    return isinstance(next(iter(column)), date)


def _listed(column: Any) -> list[Any]:
    return _present(value.to_pydatetime() if hasattr(value, "to_pydatetime") else value for value in column)


def _present(values: Any) -> list[Any]:
    return [None if value != value else value for value in values]  # pandas has a time that is none and not itself.
