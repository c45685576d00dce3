"""Reads columns of CSV, TSV, JSON lines, Parquet and `label text` files; values stay as the file has them.

CSV and JSON are parsed by the standard library and not by polars: polars fills up rows that lack fields, drops quotes
inside quoted fields, turns a list among texts into a text, and does not say which row is broken. On 90 MB of CSV it
takes 0.3 s and the standard library 0.5 s, which no training would notice.
"""

from __future__ import annotations

import csv
import json
import re
from array import array
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from ricorda import telling
from ricorda.data.excel import excel_columns, read_sheet
from ricorda.data.notices import say
from ricorda.data.places import BadLineError, SourceRows, row_name
from ricorda.data.separators import IN_WORDS, has_decimal_commas, opening_of, separator_of
from ricorda.data.source import is_remote, lines, scan_parquet, unreadable
from ricorda.errors import ArgumentError, DataError

if TYPE_CHECKING:
    import polars

Wanted = dict[str, str]
"""Maps the option that names a column to the column's name."""
Columns = tuple[list[Sequence[Any]], SourceRows]
"""The values of each wanted column, and where each row stands."""
Reader = Callable[[str, Wanted, int | None], Iterator[Columns]]
"""Yields a source in parts of at most so many rows, or as one part; a source without rows is an error."""
Values = Callable[[int, str], Iterable[Any]]
"""A line's values, from its number and text."""
IsLabel = Callable[[str], bool]
"""Whether a word is one of the labels that a model knows."""
_Record = TypeVar("_Record", str, list[str])
_LONGEST_FIELD = 2**31 - 1
_MOST_NAMED = 30
"""Columns that a message names."""


def read_delimited(
    source: str, wanted: Wanted, rows: int | None = None, *, separator: str | None, quoting: int
) -> Iterator[Columns]:
    """Read a CSV or TSV source: a header, then rows of as many fields; without a separator it is told from the rows."""
    done = 0
    with _fields_of_any_size():
        first, text = opening_of(lines(source))
        between = separator or separator_of(first, wanted.values())
        decimal_commas = separator is None and has_decimal_commas(first, between)
    if separator is None and between != ",":
        numbers = ", and its numbers have decimal commas" if decimal_commas else ""
        say(source, f"{IN_WORDS[between]} separates its columns{numbers}")
    with closing(_records(source, text, between, quoting)) as all_records:
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
                        advice = "" if separator else f" (quote a field that contains {IN_WORDS[between]})"
                        counts = f"has {_count(fields)} where the header has {_count(header)}"
                        raise DataError(f"{row_name(source, row, line)} {counts}: correct the row{advice}")
                    starts.append(line)
                    for column, position in zip(columns, positions, strict=True):
                        column.append(fields[position])
            if not starts:
                break
            begin, done = done + 2, done + len(starts)
            lines_differ = starts[-1] != done + 1
            yield [*columns], SourceRows(source, begin, starts if lines_differ else None, decimal_commas=decimal_commas)
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

    return _read_lines(source, lines(source), len(wanted), rows, values, "with one JSON object a line")


def read_records(source: str, rows: int | None = None) -> Iterator[Columns]:
    """Read whole objects of a JSON lines source, as one column; all have the keys of the first."""
    keys: list[str] = []

    def values(row: int, line: str) -> Iterator[Any]:
        record = _json_object(source, row, line)
        keys.extend(() if keys else record)
        if record.keys() != set(keys):
            name = min(record.keys() ^ set(keys))
            has = f"has a column {name!r}" if name in record else f"has no column {name!r}"
            raise DataError(f"{row_name(source, row)} {has}, unlike the first row: give all rows the same columns")
        yield record

    return _read_lines(source, lines(source), 1, rows, values, "with one JSON object a line")


def header_of(source: str, expected: Collection[str], *, separator: str | None) -> list[str]:
    """The names of the columns of a CSV or TSV source, whose separator is told from rows and the expected names."""
    with _fields_of_any_size():
        first, text = opening_of(lines(source))
        between = separator or separator_of(first, expected)
        quoting = csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL
        with closing(_records(source, text, between, quoting)) as records:
            return next(records, (0, 0, list[str]()))[2]


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
                    yield [values_of(part[name], source) for name in wanted.values()], SourceRows(source, done + 1)
                    done += len(part)
    except OSError as error:
        raise DataError(unreadable(source, error)) from None
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException):
        check = ", or check address, network and credentials" if is_remote(source) else ""
        raise DataError(f"{source} is no Parquet file, or a damaged one: write or copy it again{check}") from None
    if not done:
        raise DataError(f"{source} has columns but no rows: add rows")


def read_excel(source: str, wanted: Wanted, rows: int | None = None) -> Iterator[Columns]:
    """Read the first sheet of a workbook; its first row names the columns."""
    table = read_sheet(source)
    for option, name in wanted.items():
        if name not in table.columns:
            raise DataError(no_column(source, option, name, table.columns))
    if not len(table):
        raise DataError(f"{source} has columns but no rows: add rows")
    yield from excel_columns(source, wanted, rows, table)


def read_labelled_lines(
    source: str, rows: int | None = None, *, labelled: bool, is_label: IsLabel | None = None
) -> Iterator[Columns]:
    """Read lines of a label, a space or a tab, and a text; or of a text alone.

    Where every line has a tab, it ends the label. With `is_label`, and without `labelled`, a label is left out if each
    of the first lines begins with one.
    """
    first, text = opening_of(lines(source))
    end = end_of_label(first)
    tab = "tab" if end == "\t" else "space"
    leave_out = not labelled and begin_with_labels(first, is_label, source)

    def values(row: int, line: str) -> Sequence[str]:
        if not labelled and not leave_out:
            return (line,)
        parts = re.split(end, line, maxsplit=1)
        if len(parts) < 2:
            raise DataError(
                f"{row_name(source, row)} is {line[:40]!r}, without a {tab} between label and text: write "
                "`label text`, or name a table by its format (.csv, .tsv, .jsonl, .parquet)"
            )
        return parts[:0:-1] if leave_out else parts[::-1]

    return _read_lines(source, text, 2 if labelled else 1, rows, values, "with one example a line")


def end_of_label(first: Sequence[str]) -> str:
    """What ends the label of a line, as a regular expression, told from the first lines: a tab where all have one."""
    filled = [line for line in first if line.strip()]
    return "\t" if filled and all("\t" in line.strip("\r\n") for line in filled) else "[ \t]"


def begin_with_labels(first: Sequence[str], is_label: IsLabel | None, source: str) -> bool:
    """Whether only the texts of lines are to be read, since the first all begin with a label that is known; it is said.

    Where a space ends it, there must be several labels: all texts may begin with the same word.
    """
    end = end_of_label(first)
    labels = {re.split(end, line.strip("\r\n"))[0] for line in first if line.strip()}
    if is_label is None or len(labels) < (1 if end == "\t" else 2) or not all(map(is_label, labels)):
        return False
    say(source, f"each line begins with a label and a {'tab' if end == chr(9) else 'space'}: only the texts are read")
    return True


def _read_lines(
    source: str, text: Iterator[str], columns: int, rows: int | None, values: Values, wanted: str
) -> Iterator[Columns]:
    """Parts of a source with an example a line; `values` makes a line's values from its number and its text."""
    done = 0
    with closing(_text_lines(source, text)) as all_lines:
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
    ".csv": partial(read_delimited, separator=None, quoting=csv.QUOTE_MINIMAL),
    ".tsv": partial(read_delimited, separator="\t", quoting=csv.QUOTE_NONE),  # IANA defines TSV so.
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".json": read_json_lines,
    ".parquet": read_parquet,
    ".xlsx": read_excel,
}


def _records(source: str, text: Iterator[str], separator: str, quoting: Any) -> Generator[tuple[int, int, list[str]]]:
    """Row number, first line and fields of each record."""
    records = csv.reader(text, delimiter=separator, quoting=quoting, strict=True)
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
                how = "in an editor" if telling.WINDOWS else r"tr '\r' '\n'"
                why = f"has a carriage return outside quotes: convert the line ends, e.g. {how}"
            else:
                why = f"is broken ({error}): close each quote, and double the quotes inside a quoted field"
            raise DataError(f"{row_name(source, row, line)} {why}") from None


def _text_lines(source: str, text: Iterator[str]) -> Generator[tuple[int, int, str]]:
    """Row number, the same as line number, and text of each line."""
    row = 0
    try:
        for row, line in enumerate(text, 1):
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


def refuse_same_column(options: Mapping[str, str | None]) -> None:
    """Raise ArgumentError if two options name one column: what is to be said would stand in what is read."""
    taken: dict[str, str] = {}
    for option, name in options.items():
        if name is not None and name in taken:
            raise ArgumentError(f"{taken[name]} and {option} both name the column {name!r}: give each its own")
        if name is not None:
            taken[name] = option


def no_column(where: str, option: str, name: str, names: Collection[str]) -> str:
    """Say that there is no such column, and which columns there are."""
    shown = list(map(repr, names))
    there = ", ".join(shown if len(shown) <= _MOST_NAMED else [*shown[:_MOST_NAMED], "..."])
    if len(names) == 1 and any(separator in there for separator in (";", "\\t", ",", "|")):
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


def values_of(column: polars.Series, source: str) -> Sequence[Any]:
    """A polars column as Python values, its lists of numbers as arrays."""
    inner = getattr(column.dtype, "inner", None)  # Only lists and arrays have one.
    if inner is None:
        try:
            return column.to_list()
        except (ValueError, OverflowError):
            raise DataError(
                f"{source}, column {column.name!r}, holds a date outside the years 1 to 9999: correct it or leave the "
                "row out"
            ) from None
    numbers = inner.is_numeric()
    return [row if row is None else row.to_numpy() if numbers else row.to_list() for row in column]
