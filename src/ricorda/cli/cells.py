"""`ricorda cells`: the cells, their equations and their weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ricorda.cli.options import Json
from ricorda.cli.output import print_json, print_pairs, print_table
from ricorda.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ricorda.program.cell import Cell
    from ricorda.program.stack import Stack


def cells(
    name: Annotated[
        str | None, typer.Argument(help="A cell's name, or FILE.py:NAME; with (options) or without.")
    ] = None,
    input_size: Annotated[int, typer.Option("--input-size", "-i", help="Features a step, I.")] = 128,
    hidden_size: Annotated[int, typer.Option("--hidden-size", "-n", help="Units, H.")] = 128,
    family: Annotated[str | None, typer.Option(help="List one family alone, such as lstm.")] = None,
    latex: Annotated[bool, typer.Option("--latex", help="Print the cell's equations in LaTeX alone.")] = False,
    as_json: Json = False,
) -> None:
    """List the recurrent cells by family, or print one's equations, weights and paper.

    For example:

      ricorda cells --family lstm

      ricorda cells lstm --input-size 64 --hidden-size 256

      ricorda cells cornn --latex

      ricorda cells "mycells.py:mgu(rate=0.5)"
    """
    from ricorda.catalogue import family_of, find_cell
    from ricorda.program.show import aligned

    for option, size in (("--input-size", input_size), ("--hidden-size", hidden_size)):
        if size < 1:
            raise ArgumentError(f"{option} is {size}: give a whole number of at least 1")
    if name is None:
        if latex:
            raise ArgumentError("--latex prints one cell's equations: name it, as in `ricorda cells lstm --latex`")
        _list(family_of(family), input_size, hidden_size, as_json)
        return
    if family is not None:
        raise ArgumentError(f"--family {family} lists cells, and {name} is one: leave one of them out")
    cell = find_cell(name)
    if latex and not as_json:
        print(aligned(cell.program))
    else:
        _show(cell, input_size, hidden_size, as_json)


def _list(families: Mapping[str, str], input_size: int, hidden_size: int, as_json: bool) -> None:
    from ricorda.catalogue import CELLS

    facts: list[dict[str, Any]] = [
        {
            "name": name,
            "family": cell.family,
            "year": cell.year,
            "weights": _weights(cell, input_size, hidden_size),
            "summary": cell.summary,
            "paper": cell.paper,
        }
        for name, cell in CELLS.items()
        if cell.family in families
    ]
    if as_json:
        print_json(facts)
        return
    columns = ["cell", f"weights (I = {input_size}, H = {hidden_size})", "paper", "what it is"]
    for family, common in families.items():
        rows = [
            (fact["name"], f"{fact['weights']:,}", CELLS[fact["name"]].source, fact["summary"])
            for fact in facts
            if fact["family"] == family
        ]
        print_table(f"{family}: {common}", columns, rows)


def _show(cell: Cell, input_size: int, hidden_size: int, as_json: bool) -> None:
    from ricorda.program.learned import described, starts
    from ricorda.program.show import equations

    program = cell.program
    shapes = _shapes(cell, input_size, hidden_size)
    facts: dict[str, Any] = {
        "name": cell.name,
        "summary": cell.summary,
        "equations": equations(program),
        "latex": equations(program, "latex"),
        "forms": described(program),
        "initial": starts(program),
        "options": dict(cell.options),
        "meanings": dict(cell.meanings),
        "states": [state.name for state in program.states],
        "output": program.output_name,
        "affines": [program.values[index].name for index in program.affines],
        "parameters": {name: list(shape) for name, shape in shapes.items()},
        "weights": _weights(cell, input_size, hidden_size),
        "family": cell.family,
        "year": cell.year,
        "paper": cell.paper,
        "weakness": cell.weakness,
        "differs": list(cell.differs),
    }
    if as_json:
        print_json(facts)
        return
    print_pairs(
        f"{program.title}: {cell.summary}" if cell.summary else program.title,
        [
            ("equations", "\n".join(facts["equations"])),
            ("LaTeX", " \\\\\n".join(facts["latex"])),
            *([("initial", "\n".join(facts["initial"]))] if facts["initial"] else []),
            *([("forms", "\n".join(facts["forms"]))] if facts["forms"] else []),
            *([("options", _options(cell))] if cell.options else []),
            ("states", ", ".join(facts["states"])),
            *([("output", program.output)] if program.output else []),
            ("gates", " ".join(facts["affines"]) + "   (the order of the rows in the weights)"),
            *((name, " x ".join(map(str, shape))) for name, shape in shapes.items()),
            ("weights", f"{facts['weights']:,} for input_size {input_size}, hidden_size {hidden_size}"),
            *((key, facts[key]) for key in ("family", "paper", "weakness") if facts[key]),
            *([("differs", "\n".join(cell.differs))] if cell.differs else []),
        ],
    )


def _options(cell: Cell) -> str:
    """An option a line: its value, and its meaning if that is known."""
    from ricorda.program.options import written

    meanings = dict(cell.meanings)
    return "\n".join(
        written({name: value}) + (f"   ({meanings[name]})" if name in meanings else "")
        for name, value in cell.options.items()
    )


def _shapes(cell: Cell, input_size: int, hidden_size: int) -> dict[str, tuple[int, ...]]:
    stack = _stack(cell, input_size, hidden_size)
    return {name.removesuffix("_l0"): shape for name, shape in stack.learned.items()}


def _weights(cell: Cell, input_size: int, hidden_size: int) -> int:
    stack = _stack(cell, input_size, hidden_size)
    return sum(math.prod(shape) for name, shape in stack.learned.items() if name not in stack.fixed)


def _stack(cell: Cell, input_size: int, hidden_size: int) -> Stack:
    from ricorda.program.stack import stack_of

    return stack_of(cell.program, True, input_size, hidden_size, 1, 1, 0)
