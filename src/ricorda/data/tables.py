"""Reads columns of CSV, TSV, JSON lines, Parquet and `label text` files; values stay as the file has them.

CSV and JSON are parsed by the standard library and not by polars: polars fills up rows that lack fields, drops quotes
inside quoted fields, turns a list among texts into a text, and does not say which row is broken. On 90 MB of CSV it
takes 0.3 s and the standard library 0.5 s, which no training would notice.
"""

from __future__ import annotations

import csv
import json
from array import array
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from ricorda.data.places import SourceRows, row_name
from ricorda.data.source import BadLineError, is_remote, lines, scan_parquet, unreadable
from ricorda.errors import DataError

if TYPE_CHECKING:
    import polars

Wanted = dict[str, str]
"""Maps the option that names a column to the column's name."""
Columns = tuple[list[Sequence[Any]], SourceRows]
"""The values of each wanted column, and where each row stands."""
Reader = Callable[[str, Wanted, int | None], Iterator[Columns]]
"""Yields a source in parts of at most so many rows, or as one part; a source without rows is an error."""
_Record = TypeVar("_Record", str, list[str])
_LONGEST_FIELD = 2**31 - 1


def read_delimited(
    source: str, wanted: Wanted, rows: int | None = None, *, separator: str, quoting: int
) -> Iterator[Columns]:
    """Read a CSV or TSV source: a header, then rows of as many fields."""
    done = 0
    with closing(_records(source, separator, quoting)) as all_records:
        records = _without_blank_end(source, all_records)
        with _fields_of_any_size():
            _, _, header = next(records, (0, 0, []))
        if not header:
            raise DataError(f"{source} is empty: give a file with a header and rows")
        positions = [_position(source, header, option, name) for option, name in wanted.items()]
        while True:
            starts, columns = array("q"), [list[str]() for _ in wanted]
            with _fields_of_any_size():
                for row, line, fields in islice(records, rows):
                    if len(fields) != len(header):
                        advice = " (quote a field that contains a comma)" if separator == "," else ""
                        counts = f"has {_count(fields)} where the header has {_count(header)}"
                        raise DataError(f"{row_name(source, row, line)} {counts}: correct the row{advice}")
                    starts.append(line)
                    for column, position in zip(columns, positions, strict=True):
                        column.append(fields[position])
            if not starts:
                break
            first, done = done + 2, done + len(starts)
            lines_differ = starts[-1] != done + 1
            yield [*columns], SourceRows(source, first, starts if lines_differ else None)
    if not done:
        raise DataError(f"{source} has a header but no rows: add rows")


def read_json_lines(source: str, wanted: Wanted, rows: int | None = None) -> Iterator[Columns]:
    """Read a JSON lines source: one object a line."""

    def values(row: int, line: str) -> Iterator[Any]:
        record = _json_object(source, row, line)
        for option, name in wanted.items():
            if name not in record:
                raise DataError(f"{no_column(row_name(source, row), option, name, record)}, or complete the row")
            yield record[name]

    return _read_lines(source, len(wanted), rows, values, "with one JSON object a line")


def read_parquet(source: str, wanted: Wanted, rows: int | None = None) -> Iterator[Columns]:
    """Read the wanted columns of a Parquet source, through polars."""
    import polars

    done = 0
    try:
        table = scan_parquet(source)
        names = table.collect_schema().names()
        for option, name in wanted.items():
            if name not in names:
                raise DataError(no_column(source, option, name, names))
        chosen = table.select([*dict.fromkeys(wanted.values())])
        for frame in [chosen.collect()] if rows is None else chosen.collect_batches(chunk_size=rows, lazy=True):
            for part in frame.iter_slices(rows or max(len(frame), 1)):
                if len(part):
                    yield [_values(part[name]) for name in wanted.values()], SourceRows(source, done + 1)
                    done += len(part)
    except OSError as error:
        raise DataError(unreadable(source, error)) from None
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException):
        check = ", or check address, network and credentials" if is_remote(source) else ""
        raise DataError(f"{source} is no Parquet file, or a damaged one: write or copy it again{check}") from None
    if not done:
        raise DataError(f"{source} has columns but no rows: add rows")


def read_labelled_lines(source: str, rows: int | None = None, *, labelled: bool) -> Iterator[Columns]:
    """Read lines of a label, a space and a text, or of a text alone."""

    def values(row: int, line: str) -> tuple[str, ...]:
        if not labelled:
            return (line,)
        label, space, text = line.partition(" ")
        if not space:
            raise DataError(
                f"{row_name(source, row)} is {line[:40]!r}, without a space between label and text: write "
                "`label text`, or name a table by its format (.csv, .tsv, .jsonl, .parquet)"
            )
        return text, label

    return _read_lines(source, 2 if labelled else 1, rows, values, "with one example a line")


def _read_lines(
    source: str, columns: int, rows: int | None, values: Callable[[int, str], Iterable[Any]], wanted: str
) -> Iterator[Columns]:
    """Parts of a source with an example a line; `values` makes a line's values from its number and its text."""
    done = 0
    with closing(_text_lines(source)) as all_lines:
        lines_left = _without_blank_end(source, all_lines)
        while True:
            part: list[list[Any]] = [[] for _ in range(columns)]
            for row, _, line in islice(lines_left, rows):
                for column, value in zip(part, values(row, line), strict=True):
                    column.append(value)
            if not part[0]:
                break
            yield [*part], SourceRows(source, done + 1)
            done += len(part[0])
    if not done:
        raise DataError(f"{source} is empty: give a file {wanted}")


FORMATS: dict[str, Reader] = {
    ".csv": partial(read_delimited, separator=",", quoting=csv.QUOTE_MINIMAL),
    ".tsv": partial(read_delimited, separator="\t", quoting=csv.QUOTE_NONE),  # IANA defines TSV so.
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".json": read_json_lines,
    ".parquet": read_parquet,
}


def _records(source: str, separator: str, quoting: Any) -> Generator[tuple[int, int, list[str]]]:
    """Row number, first line and fields of each record."""
    records = csv.reader(lines(source), delimiter=separator, quoting=quoting, strict=True)
    row = 0
    while True:
        row, line = row + 1, records.line_num + 1
        try:
            yield row, line, next(records)
        except StopIteration:
            return
        except BadLineError as error:
            raise DataError(f"{row_name(source, row, records.line_num + 1)} {error}") from None
        except csv.Error as error:
            if "new-line" in str(error):
                why = "has a carriage return outside quotes: convert the line ends, e.g. tr '\\r' '\\n'"
            else:
                why = f"is broken ({error}): close each quote, and double the quotes inside a quoted field"
            raise DataError(f"{row_name(source, row, line)} {why}") from None


def _text_lines(source: str) -> Generator[tuple[int, int, str]]:
    """Row number, the same as line number, and text of each line."""
    row = 0
    try:
        for row, line in enumerate(lines(source), 1):
            yield row, row, line.removesuffix("\n").removesuffix("\r")
    except BadLineError as error:
        raise DataError(f"{row_name(source, row + 1)} {error}") from None


def _without_blank_end(source: str, records: Iterable[tuple[int, int, _Record]]) -> Iterator[tuple[int, int, _Record]]:
    """Leave out blank lines at the end; one before the end raises DataError, as it may be a row that got lost."""
    blank = None
    for row, line, record in records:
        if not "".join(record).strip() and (isinstance(record, str) or len(record) < 2):
            blank = blank or row_name(source, row, line)
        elif blank:
            raise DataError(f"{blank} is blank: delete the line or fill it in")
        else:
            yield row, line, record


@contextmanager
def _fields_of_any_size() -> Iterator[None]:
    """Within the block fields may be of any size: the csv module's limit of 128 KiB holds for the whole process."""
    limit = csv.field_size_limit(_LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _position(source: str, header: list[str], option: str, name: str) -> int:
    if name not in header:
        raise DataError(no_column(source, option, name, header))
    if header.count(name) > 1:
        raise DataError(f"{source} has {header.count(name)} columns named {name!r}: rename them so that one is meant")
    return header.index(name)


def _count(fields: list[str]) -> str:
    return f"{len(fields)} field{'s' if len(fields) > 1 else ''}"


def no_column(where: str, option: str, name: str, names: Collection[str]) -> str:
    """Say that there is no such column, and which columns there are."""
    there = ", ".join(map(repr, names))
    if len(names) == 1 and any(separator in there for separator in (";", "\\t", ",")):
        return f"{where} has no column {name!r} but one named {there}: separate .csv by commas and .tsv by tabs"
    return f"{where} has no column {name!r}: choose one of {there or 'none'} with {option}"


def _json_object(source: str, row: int, line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = str(error).split(":")[0] if isinstance(error, json.JSONDecodeError) else "a value out of bounds"
        raise DataError(
            f"{row_name(source, row)} is no JSON ({reason}): write one JSON object a line, e.g. with jq -c"
        ) from None
    if not isinstance(record, dict):
        raise DataError(
            f"{row_name(source, row)} is a JSON {_JSON_NAMES[type(record)]}, not an object with columns: write one "
            "object a line, e.g. with jq -c '.[]'"
        )
    return record


_JSON_NAMES = {list: "array", str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}


def _values(column: polars.Series) -> Sequence[Any]:
    """A polars column as Python values, its lists of numbers as arrays."""
    inner = getattr(column.dtype, "inner", None)  # Only lists and arrays have one.
    if inner is None:
        return column.to_list()
    numbers = inner.is_numeric()
    return [row if row is None else row.to_numpy() if numbers else row.to_list() for row in column]
