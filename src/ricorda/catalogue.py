"""Find a cell: by its name among ours, or in a user's own file."""

from __future__ import annotations

import ast
import difflib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from ricorda.errors import ArgumentError, CellError, RicordaError
from ricorda.program.cell import Cell
from ricorda.program.options import Option, check_default, code_of, name_of, settled, written

FAMILIES = {
    "vanilla": "without gates",
    "lstm": "long short-term memory and its variants",
    "gru": "gated recurrent units and their variants",
    "gated": "gates of other kinds",
    "linear": "a state that is a linear function of the state before",
    "oscillators": "discretised differential equations",
    "times": "continuous time, and what is told the time or what is missing",
}
"""The families in the order in which they are listed, and what their cells have in common."""

_FILES = ("vanilla", "lstm", "lstm_larger", "gru", "gated", "linear", "oscillators", "times")

CELLS: dict[str, Cell] = {
    name: value
    for file in _FILES
    for name, value in vars(import_module(f"ricorda.cells.{file}")).items()
    if isinstance(value, Cell) and value.function.__module__ == f"ricorda.cells.{file}"
}
"""The built-in cells by name, in the order of their families and files."""

_FAMILY = "family:"

_CALL = re.compile(r"((?:.*?\.py:)?\w+)\s*\((.*)\)", re.DOTALL)
_UNREADABLE = (SyntaxError, ValueError, MemoryError, RecursionError)
"""What Python's parser raises."""


def as_cell(cell: Cell | str | Callable[..., Any]) -> Cell:
    """The cell that is meant by a name as in `find_cell`, a function or a `functools.partial`, or a cell itself."""
    if isinstance(cell, str):
        return find_cell(cell)
    if isinstance(cell, partial) and isinstance(cell.func, Cell) and not cell.args:
        return cell.func.with_options(cell.keywords)
    return cell if isinstance(cell, Cell) else Cell(cell)


def family_of(name: str | None) -> dict[str, str]:
    """The family of that name and what its cells have in common; without a name all families."""
    if name is None:
        return FAMILIES
    if name not in FAMILIES:
        raise ArgumentError(f"there is no family of cells {name!r}: the families are {', '.join(FAMILIES)}")
    return {name: FAMILIES[name]}


def find_cell(spec: str) -> Cell:
    """The cell that a word on the command line means.

    Parameters
    ----------
    spec : str
        A built-in name such as "lstm", or "FILE.py:NAME" for a cell defined in a file, which is run. NAME may also be
        a function that makes a cell. Options stand in brackets: "cornn(dt=0.05)", "FILE.py:make(depth=3)".

    Raises
    ------
    ArgumentError
        If there is no such cell, file or option.
    CellError
        If the file fails, or what it defines under that name is no cell.
    """
    whole, options = _read(spec)
    if whole in CELLS:
        return CELLS[whole].with_options(options)
    path, colon, name = whole.rpartition(":")
    if not colon or not path.endswith(".py"):
        close = difflib.get_close_matches(whole.lower(), CELLS, n=1)
        hint = f"did you mean {close[0]!r}? The" if close else "the"
        raise ArgumentError(
            f"there is no cell {spec!r}: {hint} cells are {', '.join(CELLS)}, or FILE.py:NAME for one of your own"
        )
    module = _run(Path(path))
    value = getattr(module, name, None)
    if not callable(value):
        defined = [key for key, value in vars(module).items() if isinstance(value, Cell)]
        raise CellError(f"{path} defines no cell {name!r}: its cells are {', '.join(defined) or 'none'}")
    place = Place(str(Path(path).resolve()), name)
    if not isinstance(value, Cell) and _makes_cells(value, options):
        return replace(_made(spec, value, options), place=replace(place, options=tuple(options.items())))
    return replace(as_cell(value), place=place).with_options(options)


@dataclass(frozen=True)
class Place:
    """Where a cell of a user's own file is; called, it finds the cell again.

    Parameters
    ----------
    path, name : of the file, and of the cell there or of the function that makes it
    options : (name, value) of the arguments of that function
    """

    path: str
    name: str
    options: tuple[tuple[str, Option], ...] = ()

    def __call__(self) -> Cell:
        """The cell; raises as `find_cell` does."""
        return find_cell(f"{self.path}:{self.name}({written(dict(self.options))})" if self.options else str(self))

    def __str__(self) -> str:
        return f"{self.path}:{self.name}"


def split_names(text: str) -> list[str]:
    """Names of cells with commas between them; commas within brackets are those of options.

    "all" stands for all built-in cells and "family:NAME" for those of a family, without those that are named before.

    Raises
    ------
    ArgumentError
        If there is no such family.
    """
    names: list[str] = []
    for name in (part.strip() for part in re.split(r",(?![^()]*\))", text)):
        of_family = name.startswith(_FAMILY)
        if not of_family and name != "all":
            names.append(name)
            continue
        families = family_of(name.removeprefix(_FAMILY) if of_family else None)
        names += [built_in for built_in, cell in CELLS.items() if cell.family in families and built_in not in names]
    return names


def _read(spec: str) -> tuple[str, dict[str, Option]]:
    """The name in a word such as "cornn(dt=0.05)", and the options. Nothing of it is run."""
    call = _CALL.fullmatch(spec.strip())
    if call is None:
        return spec, {}
    name, options = call.groups()
    advice = f"write options as {name}(dt=0.05, kind='a')"
    try:
        tree = ast.parse(f"f({options})", mode="eval").body
    except _UNREADABLE:
        raise ArgumentError(f"{spec!r:.80} cannot be read: {advice}") from None
    if not isinstance(tree, ast.Call) or tree.args or not isinstance(tree.func, ast.Name):
        raise ArgumentError(f"{spec!r:.80} has values without names: {advice}")
    values: dict[str, Option] = {}
    for keyword in tree.keywords:
        if keyword.arg is None or keyword.arg in values:
            raise ArgumentError(
                f"{spec!r:.80} gives {keyword.arg or 'options as **'} twice or without a name: {advice}"
            )
        values[keyword.arg] = _literal(spec, keyword.arg, keyword.value, advice)
    return name, values


def _literal(spec: str, name: str, value: ast.expr, advice: str) -> Option:
    try:
        literal = ast.literal_eval(value)
    except _UNREADABLE:
        literal = None
    if check_default(name, literal) is not None:
        raise ArgumentError(
            f"{spec!r:.80} gives {name} a value that is no finite number, no text in quotes, and not True or False: "
            f"{advice}"
        )
    known: Option = literal
    return known


def _makes_cells(function: Callable[..., Any], options: Mapping[str, Option]) -> bool:
    """Whether a function makes cells: it lacks no argument with these options, where a cell lacks input and state."""
    if code_of(function) is None or isinstance(function, type):
        return False
    try:
        arguments = inspect.signature(function).parameters.values()
    except ValueError:  # A partial sets what there is not; tracing says so.
        return False
    if any(one.kind in (one.VAR_POSITIONAL, one.POSITIONAL_ONLY) for one in arguments):
        return False
    missing = [one for one in arguments if one.default is one.empty and one.name not in options]
    return len(missing) < (2 if options else 1)


def _made(spec: str, function: Callable[..., Any], options: Mapping[str, Option]) -> Cell:
    """The cell that a function of a user's file makes."""
    arguments = inspect.signature(function).parameters
    defaults = {name: options.get(name) if one.default is one.empty else one.default for name, one in arguments.items()}
    values = settled(name_of(function), defaults, options)
    try:
        result = function(**values)
    except RicordaError:
        raise
    except Exception as error:
        raise CellError(f"{spec} fails ({type(error).__name__}: {error}): mend it first") from error
    if not callable(result):
        raise CellError(f"{spec} gives {result!r:.40}, which is no cell: let it return a cell or a cell's function")
    given = tuple((name, value) for name, value in values.items() if value != arguments[name].default)
    return replace(as_cell(result), made_with=given)


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
