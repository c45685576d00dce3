"""Reads the first sheet of an Excel workbook, by polars and fastexcel where they are installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ricorda.data.notices import say
from ricorda.data.places import SourceRows
from ricorda.data.source import opened
from ricorda.errors import DataError

if TYPE_CHECKING:
    import polars


def read_sheet(source: str) -> polars.DataFrame:
    """The first sheet: the first row names the columns; rows at the end in which nothing stands are left out.

    Raises
    ------
    DataError
        If it cannot be read, or the library that reads workbooks is not installed.
    """
    if find_spec("fastexcel") is None:
        raise DataError(
            f"{source} is an Excel workbook: save it as CSV, or install its reader (pip install 'ricorda[excel]')"
        )
    import fastexcel
    import polars

    with opened(source) as stream:
        content = stream.read()
    try:
        sheets = fastexcel.read_excel(content).sheet_names
        table = polars.read_excel(content, engine="calamine", drop_empty_rows=False, raise_if_empty=False)
    except (fastexcel.FastExcelError, polars.exceptions.PolarsError):
        raise DataError(f"{source} is no Excel workbook, or a damaged one: save it again, or as CSV") from None
    if len(sheets) > 1:
        say(source, f"of its {len(sheets)} sheets the first is read, {sheets[0]!r:.40}")
    length = len(table)
    while length and all(value is None for value in table.row(length - 1)):
        length -= 1
    return table.head(length)


def excel_columns(
    source: str, columns: Mapping[str, str], rows: int | None, table: polars.DataFrame
) -> Iterator[tuple[list[Sequence[Any]], SourceRows]]:
    """The wanted columns of a sheet in parts of so many rows at most."""
    for first in range(0, len(table), rows or max(len(table), 1)):
        part = table.slice(first, rows)
        yield [part[name].to_list() for name in columns.values()], SourceRows(source, first + 2)
