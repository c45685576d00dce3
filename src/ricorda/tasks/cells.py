"""The cell of an estimator: from the forms that a user may write to its program, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ricorda.catalogue import CELLS
from ricorda.errors import ArgumentError
from ricorda.nn.arguments import program_of
from ricorda.program.cell import Cell
from ricorda.program.ir import Program


def as_program(cell: str | Cell | Program | Callable[..., Any], *, beside: bool = True) -> Program:
    """The program of a cell, in any of the forms that an estimator takes; unless `beside`, of one of one input."""
    program = program_of(cell, projected=False)
    names = [value.name for value in program.inputs[1:]]
    if names and not beside:
        raise ArgumentError(
            f"cell {program.name} reads {', '.join(names)} beside its input, which forecasters, and classifiers, "
            "regressors and taggers of arrays, give it alone: choose another cell, or take it in a "
            "ricorda.nn.Recurrent, whose calls have inputs="
        )
    return program


def cell_of(program: Program) -> str | Program:
    """The name of a built-in cell, with its options, or the program itself of another."""
    try:
        built_in = CELLS[program.name].with_options(dict(program.options))
    except (KeyError, ArgumentError):  # Another cell's, or one with the options of another version.
        return program
    return program.title if built_in.program == program else program
