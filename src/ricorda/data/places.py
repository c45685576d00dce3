"""Says where an example stands, in the words of an editor or a spreadsheet: what every message about data names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Place = Callable[[int], str]
"""Says where example `index` stands."""

REPAIR = "fill it in or leave it out"


class UnusableError(Exception):
    """Why a value cannot be used, and the way out; the caller adds where it stands."""


@dataclass(frozen=True)
class SourceRows:
    """Where each example of one source stands."""

    source: str
    first_row: int = 1  # 2 under a header
    lines: Sequence[int] | None = None  # where quoted line ends make line numbers differ from row numbers
    files: Sequence[str] | None = None  # of a folder: one file an example

    def of(self, index: int) -> str:
        """Where example `index` stands: "row 17 of reviews.csv", or its file."""
        if self.files is not None:
            return self.files[index]
        return row_name(self.source, self.first_row + index, self.lines[index] if self.lines else None)


def row_name(source: str, row: int, line: int | None = None) -> str:
    """Name a row, and its first line where that has another number."""
    return f"row {row}{f' (line {line})' if line not in (None, row) else ''} of {source}"
