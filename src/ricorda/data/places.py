"""Where an example stands, by row and line as an editor or a spreadsheet counts them, for messages about data."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Place = Callable[[int], str]
"""Says where example `index` stands."""

REPAIR = "fill it in or leave it out"


class UnusableError(Exception):
    """A value is unusable: the message says why and what to do; the caller adds where it stands."""


class BadLineError(Exception):
    """A line that is no text; the message says why, and the reader knows which row it belongs to."""


@dataclass(frozen=True)
class SourceRows:
    """Where each example of one source stands.

    Attributes
    ----------
    source : path or address
    first_row : the number of the first row: 2 under a header
    lines : the first line of each row, if quoted line ends make line numbers differ from row numbers
    files : of a folder, the file of each example
    decimal_commas : whether numbers are written with a decimal comma there
    """

    source: str
    first_row: int = 1
    lines: Sequence[int] | None = None
    files: Sequence[str] | None = None
    decimal_commas: bool = False

    def of(self, index: int) -> str:
        """Where example `index` stands: "row 17 of reviews.csv", or its file."""
        if self.files is not None:
            return self.files[index]
        return row_name(self.source, self.first_row + index, self.lines[index] if self.lines else None)


def row_name(source: str, row: int, line: int | None = None) -> str:
    """Name a row, and its first line if that has another number."""
    return f"row {row}{f' (line {line})' if line not in (None, row) else ''} of {source}"


def shown(value: Any) -> str:
    """A value of a file in a message, at most 40 characters of it, however long or deep it is."""
    if isinstance(value, str | bytes):
        return f"{value[:60]!r:.40}"
    if isinstance(value, int) and value.bit_length() > 10_000:
        return f"a whole number of {value.bit_length():,} bits"
    try:
        return f"{repr(value) if isinstance(value, float | int) else _SHORT.repr(value):.40}"
    except ValueError:  # A whole number inside it is longer than Python writes.
        return f"a {type(value).__name__}"


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60
