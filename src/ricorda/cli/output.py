"""How results are printed: tables for people, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ricorda.shown import json_line

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure
    from rich.console import RenderableType

    from ricorda.tasks.scores import Figures

WIDEST = 1_000
"""Characters of a line that no terminal breaks."""


def print_json(value: Any) -> None:
    """One JSON value on one line."""
    plain = (sys.stdout.encoding or "utf-8").lower() not in ("utf-8", "utf8")
    sys.stdout.write(json_line(value, plain=plain))


def print_each(values: Iterable[Any]) -> None:
    """JSON values, a line each."""
    for value in values:
        print_json(value)


def print_table(title: str | None, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table; columns of numbers are set to the right, where one is missing too."""
    from rich.table import Table
    from rich.text import Text

    table = Table()
    texts = [[str(cell) for cell in row] for row in rows]
    for column, cells in zip(columns, zip(*texts, strict=True), strict=True):
        table.add_column(column, justify="right" if all(map(_is_number, cells)) else "left")
    for row in texts:
        table.add_row(*map(Text, row))
    print_parts(*([Text(title, style="bold")] if title else []), table)  # rich would break a title as wide as the table


def write_picture(figure: Figure, path: Path) -> None:
    """Write a figure, and say so on the standard error."""
    from ricorda.insight.drawing import save_figure

    print(f"The picture is in {save_figure(figure, path)}", file=sys.stderr)


def _is_number(cell: str) -> bool:
    return not cell or cell.removeprefix("-")[:1].isdigit()


def print_scores(title: str, columns: tuple[str, str], scores: Iterable[tuple[Any, float, float, float, int]]) -> None:
    """Label, precision, recall, F1 and count of each class; `columns` are the names of the first and the last."""
    rows = [(label, *(f"{share:.3f}" for share in shares), f"{count:,}") for label, *shares, count in scores]
    print_table(title, [columns[0], "precision", "recall", "F1", columns[1]], rows)


def print_worth(figures: Figures, name: str, value: float, count: int) -> None:
    """A sentence on an evaluation beside the obvious alternatives, where it has them."""
    from ricorda.tasks.worth import ALTERNATIVES, compared

    if figures.alternatives is not None:
        print(compared({ALTERNATIVES: figures.alternatives}, value, name, count))


def print_pairs(title: str, pairs: Iterable[tuple[str, Any]]) -> None:
    """Names and values, a line each, without a frame."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for name, value in pairs:
        table.add_row(Text(name, style="dim"), Text(str(value)))
    print_parts(Text(title, style="bold"), table)


def shortened(example: Any) -> str:
    """What was read, in a line of a table: a text, cut where it is long, or the number of steps."""
    if isinstance(example, str):
        line = " ".join(example.split())
        return line if len(line) <= 200 else line[:199] + "…"
    return f"{len(example)} steps"


def print_parts(*parts: RenderableType) -> None:
    """Texts and tables to the standard output; where it is no terminal, lines are as wide as what is in them."""
    from rich.console import Console

    sys.stdout.flush()  # rich does it as well, and ends in exit code 1 if nobody reads what was written before
    console = Console(width=None if sys.stdout.isatty() else WIDEST)
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    sys.stdout.write(captured.get())  # by rich itself, `| head` would end in exit code 1
