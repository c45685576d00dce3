"""The cell of an estimator: from the forms that a user may write to its program, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ricorda.catalogue import CELLS
from ricorda.errors import ArgumentError
from ricorda.nn.arguments import program_of
from ricorda.program.cell import Cell
from ricorda.program.ir import Program


def as_program(cell: str | Cell | Program | Callable[..., Any]) -> Program:
    """The program of a cell, in any of the forms that an estimator takes; of one that reads no second inputs."""
    program = program_of(cell, projected=False)
    if beside := [value.name for value in program.inputs[1:]]:
        reads = f"cell {program.name} reads {', '.join(beside)} beside its input, which no estimator gives it"
        raise ArgumentError(f"{reads}: take it in a ricorda.nn.Recurrent, whose calls have inputs=")
    return program


def cell_of(program: Program) -> str | Program:
    """The name of a built-in cell, with its options, or the program itself of another."""
    try:
        built_in = CELLS[program.name].with_options(dict(program.options))
    except (KeyError, ArgumentError):  # Another cell's, or one with the options of another version.
        return program
    return program.title if built_in.program == program else program
