"""From a cell's function to its program: call it once with symbols and keep what it writes."""

from __future__ import annotations

import inspect
import linecache
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from ricorda.errors import CellError
from ricorda.program.ir import HIDDEN_SIZE, INPUT_SIZE, PROJECTED_SIZE, SIZE_NAMES, Program, Value
from ricorda.program.symbols import TAPE, Symbol, Tape, affine_of_size

_HERE = str(Path(__file__).parent)


def trace(function: Callable[..., Any], *, projected: bool = False, forget_gate: str | None = None) -> Program:
    """The program of one step of a cell.

    Parameters
    ----------
    function : callable
        Takes the input and the states as symbols, returns the new states in the same order.
    projected : bool
        Whether the first state is projected to proj_size numbers, as torch.nn.LSTM's `proj_size` does.
    forget_gate : str, optional
        Name of the affine that is the forget gate's.

    Raises
    ------
    CellError
        If the equations cannot be; the message quotes the user's own expression with file and line.
    """
    states = _state_names(function)
    name = function.__name__
    tape = Tape()
    token = TAPE.set(tape)
    try:
        symbols = [tape.write(Value("input", size=INPUT_SIZE, name="x"))]
        for position, state in enumerate(states):
            size = PROJECTED_SIZE if projected and position == 0 else HIDDEN_SIZE
            symbols.append(tape.write(Value("state", size=size, name=state)))
        result, variables = _call(function, symbols)
        new = _new_states(function, result, states)
        if projected:
            new[0] = affine_of_size("r", new[0], bias=False, size=PROJECTED_SIZE)
    finally:
        TAPE.reset(token)
    _check_sizes(function, new, symbols[1:])
    outputs = tuple(symbol.index for symbol in new)
    program = Program(name, tuple(tape.values), outputs, _names(tape, states, outputs, variables), forget_gate)
    _check_use(function, program)
    return program


def _state_names(function: Callable[..., Any]) -> list[str]:
    if not inspect.isfunction(function):
        raise CellError(
            f"a cell is a function of the input and its states, such as `def lstm(x, h, c)`, not {function!r}"
        )
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is not parameter.POSITIONAL_OR_KEYWORD for parameter in parameters) or len(parameters) < 2:
        raise _error(function, "its arguments must be the input and at least one state, such as `def gru(x, h)`")
    return [parameter.name for parameter in parameters][1:]


def _call(function: Callable[..., Any], symbols: list[Symbol]) -> tuple[Any, dict[str, Any]]:
    """The function's result, and its local variables as they were when it returned.

    The variables name the values (a gate is `i` because the cell says `i = ...`); a profile function
    sees them without any need for the source.
    """
    variables: dict[str, Any] = {}

    def at_return(frame: FrameType, event: str, _: Any) -> None:
        if event == "return" and frame.f_code is function.__code__:
            variables.update(frame.f_locals)

    previous = sys.getprofile()
    sys.setprofile(at_return)
    try:
        result = function(*symbols)
    except Exception as error:
        sys.setprofile(previous)
        raise _explain(function, error) from None
    finally:
        sys.setprofile(previous)
    return result, variables


def _new_states(function: Callable[..., Any], result: Any, states: list[str]) -> list[Symbol]:
    new = list(result) if isinstance(result, (tuple, list)) else [result]
    if len(new) != len(states):
        raise _error(
            function,
            f"it returns {len(new)} value{'s' * (len(new) != 1)} but has {len(states)} "
            f"state{'s' * (len(states) != 1)} ({', '.join(states)}): return each state's new value, in this order",
        )
    for state, value in zip(states, new, strict=True):
        if not isinstance(value, Symbol):
            raise _error(
                function,
                f"the new value of state {state} is {value!r}, which is not computed from the cell's arguments",
            )
    return new


def _check_sizes(function: Callable[..., Any], new: list[Symbol], old: list[Symbol]) -> None:
    for after, before in zip(new, old, strict=True):
        if after.value.size != before.value.size:
            raise _error(
                function,
                f"state {before.value.name} has size {before.value.size} ({SIZE_NAMES[before.value.size]}) but its "
                f"new value has size {after.value.size} ({SIZE_NAMES.get(after.value.size, 'a number')}): "
                "bring it to the state's size with affine(...)",
            )


def _names(
    tape: Tape, states: list[str], outputs: tuple[int, ...], variables: dict[str, Any]
) -> tuple[tuple[str, int], ...]:
    """The names of `Program.names`; a state's name means its new value."""
    first_computed = 1 + len(states)
    names = {
        f"z_{value.name}": index
        for index, value in enumerate(tape.values)
        if value.op == "affine" and value.size == HIDDEN_SIZE
    }
    for name, symbol in variables.items():
        if isinstance(symbol, Symbol) and symbol.tape is tape and symbol.index >= first_computed:
            names[name] = symbol.index
    names.update(zip(states, outputs, strict=True))
    return tuple(names.items())


def _check_use(function: Callable[..., Any], program: Program) -> None:
    reached = set(program.outputs)
    for index in reversed(range(len(program.values))):
        if index in reached:
            reached.update(program.values[index].args)
    if 0 not in reached:
        x = next(iter(inspect.signature(function).parameters))
        raise _error(function, f"no new state depends on the input {x}: use it in an affine")
    for index, value in enumerate(program.values):
        if value.op in ("affine", "parameter") and index not in reached:
            raise _error(function, f'{value.op}("{value.name}", ...) reaches no new state: use its value or delete it')
    gate = program.forget_gate
    if gate is not None and gate not in [program.values[index].name for index in program.affines]:
        raise _error(function, f'its forget_gate is "{gate}", which none of its affines is called')


def _error(function: Callable[..., Any], message: str) -> CellError:
    """An error about the function as a whole, quoted by its first line."""
    place = ""
    if inspect.isfunction(function):
        code = function.__code__
        line = next(
            (text for text in inspect_source(code) if text.startswith(("def ", "lambda"))),
            f"def {function.__name__}(...)",
        )
        place = f" ({_place(code, code.co_firstlineno)}): `{line}`"
    return CellError(f"cell {getattr(function, '__name__', function)}{place}: {message}")


def inspect_source(code: CodeType) -> list[str]:
    """The function's source lines, stripped; none where there is no file."""
    try:
        return [line.strip() for line in inspect.getsource(code).splitlines()]
    except (OSError, TypeError):
        return []


def _explain(function: Callable[..., Any], error: Exception) -> CellError:
    """The error again, with the innermost expression of the user's own that it came from."""
    code, instruction, line = function.__code__, -1, function.__code__.co_firstlineno
    step = error.__traceback__
    while step is not None:
        if not step.tb_frame.f_code.co_filename.startswith(_HERE):
            code, instruction, line = step.tb_frame.f_code, step.tb_lasti, step.tb_lineno
        step = step.tb_next
    message = str(error)
    if isinstance(error, NameError):
        known = ", ".join(inspect.signature(function).parameters)
        message = f"{message}; the input and the states are the cell's arguments: {known}"
    elif not isinstance(error, CellError):
        message = f"{type(error).__name__}: {message}; a cell's functions are those of ricorda, such as ricorda.tanh"
    expression = _expression(code, instruction)
    quoted = f": `{expression}`" if expression else ""
    return CellError(f"cell {function.__name__} ({_place(code, line)}){quoted}: {message}")


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
    lines = [linecache.getline(code.co_filename, number).encode() for number in range(first, last + 1)]
    lines[-1] = lines[-1][:end]  # columns count bytes, not characters
    lines[0] = lines[0][start or 0 :]
    return " ".join(line.decode().strip() for line in lines)
