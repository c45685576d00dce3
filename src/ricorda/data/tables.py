"""Reads columns of CSV, TSV, JSON lines, Parquet and `label text` files, with the values as they stand there.

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
from typing import TYPE_CHECKING, Any, TypeVar

from ricorda.data.places import Places, place
from ricorda.data.source import BadLineError, is_remote, lines, scan_parquet, unreadable
from ricorda.errors import DataError

if TYPE_CHECKING:
    import polars

Wanted = dict[str, str]  # the option that names a column -> the column's name
Columns = tuple[list[Sequence[Any]], Places]  # the values of each wanted column, and where each row stands
_Record = TypeVar("_Record", str, list[str])
_LONGEST_FIELD = 2**31 - 1


def read_delimited(source: str, wanted: Wanted, *, separator: str, quoting: int) -> Columns:
    """Read a CSV or TSV source: a header, then rows of as many fields."""
    starts = array("q")
    columns: list[list[str]] = [[] for _ in wanted]
    with _fields_of_any_size(), closing(_records(source, separator, quoting)) as all_records:
        records = _without_blank_end(source, all_records)
        _, _, header = next(records, (0, 0, []))
        if not header:
            raise DataError(f"{source} is empty: give a file with a header and rows")
        positions = [_position(source, header, option, name) for option, name in wanted.items()]
        for row, line, fields in records:
            if len(fields) != len(header):
                advice = " (quote a field that contains a comma)" if separator == "," else ""
                raise DataError(
                    f"{place(source, row, line)} has {_count(fields)} where the header has {_count(header)}: "
                    f"correct the row{advice}"
                )
            starts.append(line)
            for column, position in zip(columns, positions, strict=True):
                column.append(fields[position])
    if not starts:
        raise DataError(f"{source} has a header but no rows: add rows")
    lines_differ = starts[-1] != len(starts) + 1
    return [*columns], Places(source, 2, starts if lines_differ else None)


def read_json_lines(source: str, wanted: Wanted) -> Columns:
    """Read a JSON lines source: one object a line."""
    columns: list[list[Any]] = [[] for _ in wanted]
    with closing(_text_lines(source)) as all_lines:
        for row, _, line in _without_blank_end(source, all_lines):
            record = _json_object(source, row, line)
            for column, (option, name) in zip(columns, wanted.items(), strict=True):
                if name not in record:
                    raise DataError(f"{_no_column(place(source, row), option, name, record)}, or complete the row")
                column.append(record[name])
    if not columns[0]:
        raise DataError(f"{source} is empty: give a file with one JSON object a line")
    return [*columns], Places(source)


def read_parquet(source: str, wanted: Wanted) -> Columns:
    """Read a Parquet source through polars, the wanted columns alone."""
    import polars

    try:
        table = scan_parquet(source)
        names = table.collect_schema().names()
        for option, name in wanted.items():
            if name not in names:
                raise DataError(_no_column(source, option, name, names))
        frame = table.select([*dict.fromkeys(wanted.values())]).collect()
    except OSError as error:
        raise DataError(unreadable(source, error)) from None
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException):
        check = ", or check address, network and credentials" if is_remote(source) else ""
        raise DataError(f"{source} is no Parquet file, or a damaged one: write or copy it again{check}") from None
    if not len(frame):
        raise DataError(f"{source} has columns but no rows: add rows")
    return [_values(frame[name]) for name in wanted.values()], Places(source)


def read_labelled_lines(source: str, *, labelled: bool) -> Columns:
    """Read lines of a label, a space and a text, or of a text alone."""
    texts: list[str] = []
    labels: list[str] = []
    with closing(_text_lines(source)) as all_lines:
        for row, _, line in _without_blank_end(source, all_lines):
            label, space, text = line.partition(" ") if labelled else ("", " ", line)
            if not space:
                raise DataError(
                    f"{place(source, row)} is {line[:40]!r}, without a space between label and text: write "
                    "`label text`, or name a table by its format (.csv, .tsv, .jsonl, .parquet)"
                )
            texts.append(text)
            labels.append(label)
    if not texts:
        raise DataError(f"{source} is empty: give a file with one example a line")
    return [texts, labels] if labelled else [texts], Places(source)


FORMATS: dict[str, Callable[[str, Wanted], Columns]] = {
    ".csv": partial(read_delimited, separator=",", quoting=csv.QUOTE_MINIMAL),
    ".tsv": partial(read_delimited, separator="\t", quoting=csv.QUOTE_NONE),  # as IANA defines it
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
            raise DataError(f"{place(source, row, records.line_num + 1)} {error}") from None
        except csv.Error as error:
            if "new-line" in str(error):
                why = "has a carriage return outside quotes: convert the line ends, e.g. tr '\\r' '\\n'"
            else:
                why = f"is broken ({error}): close each quote, and double the quotes inside a quoted field"
            raise DataError(f"{place(source, row, line)} {why}") from None


def _text_lines(source: str) -> Generator[tuple[int, int, str]]:
    """Row number, the same as line number, and text of each line."""
    row = 0
    try:
        for row, line in enumerate(lines(source), 1):
            yield row, row, line.removesuffix("\n").removesuffix("\r")
    except BadLineError as error:
        raise DataError(f"{place(source, row + 1)} {error}") from None


def _without_blank_end(source: str, records: Iterable[tuple[int, int, _Record]]) -> Iterator[tuple[int, int, _Record]]:
    """Leave out blank lines at the end; one before the end may be a row that got lost."""
    blank = None
    for row, line, record in records:
        if not "".join(record).strip() and (isinstance(record, str) or len(record) < 2):
            blank = blank or place(source, row, line)
        elif blank:
            raise DataError(f"{blank} is blank: delete the line or fill it in")
        else:
            yield row, line, record


@contextmanager
def _fields_of_any_size() -> Iterator[None]:
    """The csv module's own limit, 128 KiB a field, is for the whole process."""
    limit = csv.field_size_limit(_LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _position(source: str, header: list[str], option: str, name: str) -> int:
    if name not in header:
        raise DataError(_no_column(source, option, name, header))
    if header.count(name) > 1:
        raise DataError(f"{source} has {header.count(name)} columns named {name!r}: rename them so that one is meant")
    return header.index(name)


def _count(fields: list[str]) -> str:
    return f"{len(fields)} field{'s' if len(fields) > 1 else ''}"


def _no_column(where: str, option: str, name: str, names: Collection[str]) -> str:
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
            f"{place(source, row)} is no JSON ({reason}): write one JSON object a line, e.g. with jq -c"
        ) from None
    if not isinstance(record, dict):
        raise DataError(
            f"{place(source, row)} is a JSON {_JSON_NAMES[type(record)]}, not an object with columns: write one "
            "object a line, e.g. with jq -c '.[]'"
        )
    return record


_JSON_NAMES = {list: "array", str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}


def _values(column: polars.Series) -> Sequence[Any]:
    """A polars column as Python values, its lists of numbers as arrays."""
    inner = getattr(column.dtype, "inner", None)  # of lists and arrays
    if inner is None:
        return column.to_list()
    numbers = inner.is_numeric()
    return [row if row is None else row.to_numpy() if numbers else row.to_list() for row in column]
