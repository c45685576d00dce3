"""What is wrong with a cell's function, with the line of it that says so."""

from __future__ import annotations

import inspect
import linecache
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Any

from ricorda.errors import CellError, RicordaError
from ricorda.program.options import code_of, name_of
from ricorda.program.refused import FUNCTIONS
from ricorda.program.symbols import Symbol


def mistake(function: Callable[..., Any], message: str) -> CellError:
    """An error about the function as a whole, which quotes its first line."""
    code = written_code(function)
    first = (0, f"def {code.co_name}(...)")
    lines = enumerate(_source(code))  # The first lines are the decorators.
    after, line = next((line for line in lines if line[1].startswith("def ") or "lambda" in line[1]), first)
    number = code.co_firstlineno + after
    return CellError(f"cell {name_of(function)} ({_place(code, number)}): `{line}`: {message}", line=number)


def written_code(function: Callable[..., Any]) -> CodeType:
    """The code of a function that has some."""
    written = code_of(function)
    assert written is not None  # It has been checked.
    return written.__code__


def _source(code: CodeType) -> list[str]:
    """The function's source lines, stripped; none if there is no file."""
    try:
        return [line.strip() for line in inspect.getsource(code).splitlines()]
    except (OSError, TypeError):
        return []


def explained(function: Callable[..., Any], error: Exception) -> CellError:
    """A CellError that quotes the innermost expression of the cell's own file in which the error arose."""
    own = written_code(function)
    code, instruction, line = own, -1, own.co_firstlineno
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == own.co_filename:
            code, instruction, line = step.tb_frame.f_code, step.tb_lasti, step.tb_lineno
        step = step.tb_next
    message = str(error).partition("\n")[0].removesuffix(", but expected one of:")  # Torch lists its overloads there.
    if isinstance(error, NameError):
        known = ", ".join(inspect.signature(function).parameters)
        message = f"{message}; the input and the states are the cell's arguments: {known}"
    elif isinstance(error, TypeError) and Symbol.__name__ in message:  # An operator or a function that is none of ours.
        message = FUNCTIONS
    elif not isinstance(error, RicordaError):
        message = f"{type(error).__name__}: {message}; {FUNCTIONS}"
    expression = _expression(code, instruction)
    quoted = f": `{expression}`" if expression else ""
    return CellError(f"cell {name_of(function)} ({_place(code, line)}){quoted}: {message}", line=line)


def _place(code: CodeType, line: int) -> str:
    return f"{Path(code.co_filename).name}, line {line}"


def _expression(code: CodeType, instruction: int) -> str:
    """The source of the expression that an instruction belongs to, on one line."""
    positions = list(code.co_positions())
    if not 0 <= instruction // 2 < len(positions):
        return ""
    first, last, start, end = positions[instruction // 2]
    if first is None or last is None:
        return ""
    linecache.checkcache(code.co_filename)  # The file may have been corrected since.
    lines = [linecache.getline(code.co_filename, number).encode() for number in range(first, last + 1)]
    lines[-1] = lines[-1][:end]  # Columns count bytes, not characters.
    lines[0] = lines[0][start or 0 :]
    if lines[0].startswith((b"if ", b"elif ", b"while ")):  # Python 3.11 has positions of whole branches.
        lines = lines[:1]
    return " ".join(line.decode().strip() for line in lines)
