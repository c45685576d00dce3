"""Find a cell: by its name among ours, or in a user's own file."""

from __future__ import annotations

import difflib
import importlib.util
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

from ricorda.errors import ArgumentError, CellError
from ricorda.program.cell import Cell

FAMILIES = {
    "vanilla": "without gates",
    "lstm": "long short-term memory and its variants",
    "gru": "gated units with one state",
}
"""The files of `ricorda.cells`, in the order in which they are listed, and what their cells have in common."""

CELLS: dict[str, Cell] = {
    name: value
    for family in FAMILIES
    for name, value in vars(import_module(f"ricorda.cells.{family}")).items()
    if isinstance(value, Cell) and value.family == family
}
"""The built-in cells by name, in the order of their families and files."""


def find_cell(spec: str) -> Cell:
    """The cell that a word on the command line means.

    Parameters
    ----------
    spec : str
        A built-in name such as "lstm", or "FILE.py:NAME" for a cell defined in a file, which is run.

    Raises
    ------
    ArgumentError
        If there is no such cell or file.
    CellError
        If the file fails, or what it defines under that name is no cell.
    """
    if spec in CELLS:
        return CELLS[spec]
    path, colon, name = spec.rpartition(":")
    if not colon or not path.endswith(".py"):
        close = difflib.get_close_matches(spec.lower(), CELLS, n=1)
        hint = f"did you mean {close[0]!r}? The" if close else "the"
        raise ArgumentError(
            f"there is no cell {spec!r}: {hint} cells are {', '.join(CELLS)}, or FILE.py:NAME for one of your own"
        )
    module = _run(Path(path))
    value = getattr(module, name, None)
    if isinstance(value, Cell):
        return value
    if callable(value):
        return Cell(value)
    defined = [key for key, value in vars(module).items() if isinstance(value, Cell)]
    raise CellError(f"{path} defines no cell {name!r}: its cells are {', '.join(defined) or 'none'}")


def _run(path: Path) -> ModuleType:
    if not path.is_file():
        raise ArgumentError(f"there is no file {str(path)!r} to take a cell from: give FILE.py:NAME")
    module_spec = importlib.util.spec_from_file_location(f"ricorda_cells_of_{path.stem}", path)
    assert module_spec is not None  # The name ends in .py.
    assert module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[module_spec.name] = module  # Dataclasses and pickle look a module up by its name.
    try:
        module_spec.loader.exec_module(module)
    except CellError:
        raise
    except (Exception, SystemExit) as error:  # A script that exits would end the command without a message.
        raise CellError(f"{path} cannot be run ({type(error).__name__}: {error}): mend it first") from error
    return module
