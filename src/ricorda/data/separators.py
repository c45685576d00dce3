"""How a table of text is written: what stands between its columns, and in its numbers before the decimals."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from ricorda.data.places import BadLineError

IN_WORDS = {",": "a comma", ";": "a semicolon", "\t": "a tab"}
"""What may stand between the columns of a .csv, the usual one first."""

_LOOKED_AT = 100
"""Lines at the beginning of a file that its form is told from."""

_DECIMAL_COMMA = re.compile(r"[+-]?(\d+|[1-9]\d{0,2}(\.\d{3})+),\d+")
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+(,\d+)?")


def opening_of(lines: Iterator[str]) -> tuple[list[str], Iterator[str]]:
    """The first lines, and all of them again; a line that is no text raises where it would come."""
    first: list[str] = []
    failure: BadLineError | None = None
    try:
        first.extend(islice(lines, _LOOKED_AT))
    except BadLineError as error:
        failure = error

    def again() -> Iterator[str]:
        yield from first
        if failure is not None:
            raise failure
        yield from lines

    return first, again()


def separator_of(first: Sequence[str], wanted: Collection[str] = (), *, default: str = ",") -> str:
    """What separates the columns of a .csv with these first lines.

    It is what gives a header with all wanted columns, or else one with as many fields as every row.
    """
    records = {separator: _records(first, separator) for separator in IN_WORDS}
    several = {separator: rows for separator, rows in records.items() if rows and len(rows[0]) > 1}
    for separator, rows in several.items():
        if wanted and set(wanted) <= set(rows[0]):
            return separator
    for separator, rows in several.items():
        if len(rows) > 1 and len({len(row) for row in rows}) == 1:
            return separator
    return default


def has_decimal_commas(first: Sequence[str], separator: str) -> bool:
    """Whether numbers in these first lines are written as 3,5."""
    rows = _records(first, separator)[1:] if separator != "," else []
    return any(_DECIMAL_COMMA.fullmatch(field.strip()) for row in rows for field in row)


def with_points(values: Sequence[str]) -> list[str]:
    """The numbers among texts with a decimal point (1.250,5 becomes 1250.5); other texts stay as they are."""
    return [_with_point(value) for value in values]


def _with_point(value: str) -> str:
    number = value.strip()
    if _GROUPED.fullmatch(number):
        number = number.replace(".", "")
    return number.replace(",", ".") if re.fullmatch(r"[+-]?\d*,?\d+([eE][+-]?\d+)?", number) else value


def _records(first: Sequence[str], separator: str) -> list[list[str]]:
    """The records of the first lines, without one that ends in a later line."""
    records: list[list[str]] = []
    try:
        for fields in csv.reader(first, delimiter=separator, strict=True):
            if fields:  # A blank line has none.
                records.append(fields)
    except csv.Error:
        pass
    return records
