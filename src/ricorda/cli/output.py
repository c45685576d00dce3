"""How results are printed: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

WIDEST = 1_000
"""Characters of a line that no terminal breaks."""


def print_json(value: Any) -> None:
    """One JSON value on one line."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def print_table(title: str | None, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table; columns of numbers are set to the right."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", title_style="bold")
    texts = [[str(cell) for cell in row] for row in rows]
    for column, cells in zip(columns, zip(*texts, strict=True), strict=True):
        table.add_column(column, justify="right" if all(cell[:1].isdigit() for cell in cells) else "left")
    for row in texts:
        table.add_row(*map(Text, row))
    _console().print(table)


def print_pairs(title: str, pairs: Iterable[tuple[str, Any]]) -> None:
    """Names and values, a line each, without a frame."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for name, value in pairs:
        table.add_row(Text(name, style="dim"), Text(str(value)))
    console = _console()
    console.print(Text(title, style="bold"))
    console.print(table)


def _console() -> Console:
    """The standard output; where it is no terminal, lines are as wide as what is in them."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else WIDEST)
