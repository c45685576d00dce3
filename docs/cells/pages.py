"""Write the table of all cells in docs/cells.md and a page for each family beside this file, from the cells themselves.

python docs/cells/pages.py
"""

from pathlib import Path

from ricorda.catalogue import CELLS, FAMILIES
from ricorda.program.cell import Cell
from ricorda.program.learned import described
from ricorda.program.options import written
from ricorda.program.show import equations

HERE = Path(__file__).parent
OVERVIEW = HERE.parent / "cells.md"
BEGIN, END = "<!-- The table is made by docs/cells/pages.py. -->\n", "<!-- Here the table ends. -->\n"


def table() -> str:
    """All cells, a line each."""
    lines = ["| name | family | states | gates, in the order of the weights' rows | source |", "| --- " * 5 + "|"]
    for name, cell in CELLS.items():
        family = f"[{cell.family}](cells/{cell.family}.md#{name})"
        lines.append(f"| `{name}` | {family} | {_states(cell)} | {_affines(cell)} | {cell.source} |")
    return "\n".join(lines) + "\n"


def overview(text: str) -> str:
    """The text of docs/cells.md with the table as it should be."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + table() + END + after


def page(family: str) -> str:
    """A page on the cells of a family."""
    cells = {name: cell for name, cell in CELLS.items() if cell.family == family}
    return (
        f"# Cells: {family}\n\n"
        f"The family's cells have in common: {FAMILIES[family]}. This page is made from the cells by "
        "`docs/cells/pages.py`;\n`ricorda cells NAME` says the same, and `ricorda cells NAME --latex` gives the "
        "equations in LaTeX. [All cells](../cells.md).\n\n" + "\n".join(_section(*item) for item in cells.items())
    )


def _section(name: str, cell: Cell) -> str:
    meanings = dict(cell.meanings)
    facts = [
        f"Paper: {cell.paper}",
        f"States: {_states(cell)}; gates, in the order of the weights' rows: {_affines(cell)}",
        *(f"Option `{written({option: value})}`: {meanings[option]}" for option, value in cell.options.items()),
        *described(cell.program),
        f"Known weakness: {cell.weakness}",
        *(f"Implementations differ: {line}" for line in cell.differs),
    ]
    lines = "\n".join(equations(cell.program))
    return f"## {name}\n\n{cell.summary}\n\n```\n{lines}\n```\n\n" + "".join(f"- {fact}.\n" for fact in facts)


def _states(cell: Cell) -> str:
    return ", ".join(state.name for state in cell.program.states)


def _affines(cell: Cell) -> str:
    return " ".join(cell.program.values[index].name for index in cell.program.affines)


if __name__ == "__main__":
    OVERVIEW.write_text(overview(OVERVIEW.read_text(encoding="utf-8")), encoding="utf-8")
    for family in FAMILIES:
        (HERE / f"{family}.md").write_text(page(family), encoding="utf-8")
