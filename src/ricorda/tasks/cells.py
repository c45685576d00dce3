"""The cell of an estimator: from the forms that a user may write to its program, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ricorda.catalogue import CELLS, find_cell
from ricorda.program.cell import Cell
from ricorda.program.ir import Program


def as_program(cell: str | Cell | Program | Callable[..., Any]) -> Program:
    """The program of a cell, in any of the forms that an estimator takes."""
    if isinstance(cell, Program):
        return cell
    if isinstance(cell, str):
        return find_cell(cell).program
    return (cell if isinstance(cell, Cell) else Cell(cell)).program


def cell_of(program: Program) -> str | Program:
    """The name of a built-in cell, or the program itself of another."""
    built_in: Cell | None = CELLS.get(program.name)
    return program.name if built_in is not None and built_in.program == program else program
