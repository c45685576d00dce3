"""From a cell's function to its program: it is called once with symbols, which write the program."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from numbers import Real
from types import MappingProxyType
from typing import Any

from ricorda.errors import CellError
from ricorda.program.ir import PROJECTION, Program, Value
from ricorda.program.mistakes import explained, mistake, written_code
from ricorda.program.options import Option, check_default, code_of, defaults_of, name_of
from ricorda.program.sizes import HIDDEN_SIZE, INPUT_SIZE, PROJECTED_SIZE, size_in_words, size_text
from ricorda.program.symbols import TAPE, Symbol, Tape, projection


def trace(
    function: Callable[..., Any],
    *,
    projected: bool = False,
    forget_gate: str | None = None,
    candidate: str | None = None,
    options: Mapping[str, Option] = MappingProxyType({}),
    sizes: Mapping[str, str | int] = MappingProxyType({}),
    inputs: Mapping[str, str | int] = MappingProxyType({}),
    initial: Mapping[str, float] = MappingProxyType({}),
    output: str = "",
) -> Program:
    """The program of one step of a cell.

    Parameters
    ----------
    function : callable
        Takes the input and the states as symbols, returns the new states in the same order.
    projected : bool
        Whether the first state is projected to proj_size numbers, as torch.nn.LSTM's `proj_size` does.
    forget_gate : str, optional
        Name of the affine that is the forget gate's.
    candidate : str, optional
        Name of the variable that holds the update.
    options : option -> value
        The keyword-only arguments.
    sizes : state -> "I", "H", a whole number or the name of an option
        Sizes of states that have not hidden_size numbers.
    inputs : argument -> the same
        Inputs besides the first argument, and their sizes; they are the function's next arguments.
    initial : state -> number
        What states begin with if it is not zero.
    output : str
        Name of the layer's output, if that is no state: the function returns it in front of the new states.

    Raises
    ------
    CellError
        If the equations are invalid; the message quotes the user's own expression with file and line.
    """
    arguments = _argument_names(function)
    heads = _heads(function, arguments, sizes, inputs, options, output)
    states = [head.name for head in heads if head.op == "state"]
    first = len(heads) - len(states)
    _check_initial(function, states, initial)
    heads[first:] = [replace(head, number=float(initial.get(head.name, 0.0))) for head in heads[first:]]
    if projected and output:
        raise mistake(function, f"it cannot have proj_size, which is for a state, and its output {output} is none")
    if projected:
        heads[first] = replace(heads[first], size=PROJECTED_SIZE)
    tape = Tape(written_code(function))
    token = TAPE.set(tape)
    try:
        symbols = [tape.write(head) for head in heads]
        result, variables = _call(function, symbols, options, tape)
        shown, new = _results(function, result, states, output)
        if projected and new[0].value.size == HIDDEN_SIZE:
            new[0] = projection(new[0])
    finally:
        TAPE.reset(token)
    _check_sizes(function, new, symbols[first:])
    _check_change(function, new, symbols[first:], tape)
    for source, state in tape.delayed.items():
        states.append(state.value.name)
        new.append(Symbol(tape, source))
    outputs = [symbol.index for symbol in new]
    own = dict(zip(states, outputs, strict=True)) | ({} if shown is None else {output: shown.index})
    names = _names(function, tape, variables, own)
    values, moved = _in_order(tape)
    program = Program(
        name_of(function),
        values,
        tuple(moved[index] for index in outputs),
        tuple((name, moved[index]) for name, index in names.items()),
        forget_gate,
        candidate,
        output=output,
    )
    _check_use(function, program)
    return program


def _argument_names(function: Callable[..., Any]) -> list[str]:
    if code_of(function) is None or isinstance(function, type):
        raise CellError(
            f"a cell is a function of the input and its states, such as `def lstm(x, h, c)`, not {function!r}"
        )
    if not name_of(function).isidentifier():
        raise mistake(function, "a cell needs a name, and a lambda has none: write it with def")
    try:
        every = list(inspect.signature(function).parameters.values())
    except ValueError as error:
        raise mistake(function, f"its functools.partial does not go with its arguments ({error})") from None
    options = [parameter for parameter in every if parameter.kind is parameter.KEYWORD_ONLY]
    parameters = [parameter for parameter in every if parameter not in options]
    if any(parameter.kind is not parameter.POSITIONAL_OR_KEYWORD for parameter in parameters) or len(parameters) < 2:
        raise mistake(function, "its arguments must be the input and at least one state, such as `def gru(x, h)`")
    for parameter in parameters:
        if parameter.default is not parameter.empty:
            raise mistake(
                function,
                f"its argument {parameter} has a default, and its arguments are the input and the states: "
                f"write options after a star, as `*, {parameter}`",
            )
    _check_options(function, options)
    return [parameter.name for parameter in parameters]


def _check_options(function: Callable[..., Any], options: list[inspect.Parameter]) -> None:
    defaults = defaults_of(function)
    for option in options:
        if option.name not in defaults:
            raise mistake(function, f"its option {option.name} has no default: give it one, as `{option.name}=0.5`")
        wrong = check_default(option.name, defaults[option.name])
        if wrong is not None:
            raise mistake(function, wrong)


def _heads(
    function: Callable[..., Any],
    arguments: list[str],
    sizes: Mapping[str, str | int],
    inputs: Mapping[str, str | int],
    options: Mapping[str, Option],
    output: str,
) -> list[Value]:
    """The lines of the inputs and the states, in the order of the arguments."""
    x, *further = arguments
    beside, states = further[: len(inputs)], further[len(inputs) :]
    if set(beside) != set(inputs) or not states:
        raise mistake(
            function,
            f"its inputs are {', '.join(inputs)}: make them its arguments right after {x}, and its states those after "
            "them",
        )
    if output in arguments or not isinstance(output, str) or not (output.isidentifier() or output == ""):
        why = "which is one of its arguments" if output in arguments else "which is no name"
        raise mistake(function, f"its output is {output!r}, {why}: give the output a name of its own")
    for name in sizes:
        if name not in states[not output :]:
            why = f"and {name} is the layer's output, which has hidden_size numbers" if name in states else "no state"
            raise mistake(function, f"its sizes has {name!r}, {why}: give the sizes of its other states")

    def size_of(size: Any) -> str:
        return size_text(options.get(size, size) if isinstance(size, str) else size)

    try:
        return [
            Value("input", size=INPUT_SIZE, name=x),
            *(Value("input", size=size_of(inputs[name]), name=name) for name in beside),
            *(Value("state", size=size_of(sizes.get(name, HIDDEN_SIZE)), name=name) for name in states),
        ]
    except CellError as error:
        raise mistake(function, str(error)) from None


def _check_initial(function: Callable[..., Any], states: list[str], initial: Mapping[str, Any]) -> None:
    for state, number in initial.items():
        if state not in states:
            raise mistake(function, f"its initial has {state!r}, and its states are {', '.join(states)}")
        if isinstance(number, bool) or not isinstance(number, Real) or math.isnan(number):
            raise mistake(
                function, f"its initial has {number!r:.40} for state {state}: give a number, or minus infinity"
            )


def _call(
    function: Callable[..., Any], symbols: list[Symbol], options: Mapping[str, Option], tape: Tape
) -> tuple[Any, dict[str, Any]]:
    """The function's result, and its variables as they were when it returned.

    The variables name the values: a gate is `i` because the cell has `i = ...`. They are read from the frame, which
    works without the source, and without a profile function, which would replace that of a running profiler.
    """
    try:
        result = function(*symbols, **options)
    except Exception as error:
        raise explained(function, error) from None
    tape.note()
    variables = dict(tape.frame.f_locals) if tape.frame is not None else {}
    tape.frame = None  # The frame holds the symbols, which hold the tape.
    return result, variables


def _results(
    function: Callable[..., Any], result: Any, states: list[str], output: str
) -> tuple[Symbol | None, list[Symbol]]:
    """The output, if it is no state, and the new states."""
    values = list(result) if isinstance(result, (tuple, list)) else [result]
    names = [output, *states] if output else states
    if len(values) != len(names):
        beside, order = "", "return each state's new value, in this order"
        if output:
            beside, order = f" and the output {output}", f"return {output}, then each state's new value, in this order"
        elif len(values) == len(states) + 1:
            order += ', and name an output that is no state by @cell(output="y")'
        raise mistake(
            function,
            f"it returns {len(values)} value{'s' * (len(values) != 1)} but has {len(states)} "
            f"state{'s' * (len(states) != 1)} ({', '.join(states)}){beside}: {order}",
        )
    for name, value in zip(names, values, strict=True):
        if not isinstance(value, Symbol):
            what = "the output" if name == output else f"the new value of state {name}"
            raise mistake(function, f"{what} is {value!r}, which is not computed from the cell's arguments")
    return (values[0], values[1:]) if output else (None, values)


def _check_sizes(function: Callable[..., Any], new: list[Symbol], old: list[Symbol]) -> None:
    for after, before in zip(new, old, strict=True):
        if after.value.size != before.value.size:
            raise mistake(
                function,
                f"state {before.value.name} has {size_in_words(before.value.size)} but its new value has "
                f"{size_in_words(after.value.size)}: bring it to the state's size with affine(...)",
            )


def _check_change(function: Callable[..., Any], new: list[Symbol], old: list[Symbol], tape: Tape) -> None:
    """Refuse a state that nothing changes, or that is the same after every step: it was meant for something else."""
    moving: set[int] = set()
    for index, value in enumerate(tape.values):
        if value.op in ("input", "state") or not moving.isdisjoint(value.args):
            moving.add(index)
    for after, before in zip(new, old, strict=True):
        name = before.value.name
        if after.index == before.index:
            raise mistake(
                function,
                f"state {name} never changes, since its new value is the old one: a number of the cell's is an option "
                f'(`*, {name}=0.1`), and what is read beside the input is a second input (`@cell(inputs={{"{name}": '
                '"H"})`)',
            )
        if after.index not in moving:
            raise mistake(
                function,
                f"state {name} is the same after every step, since its new value depends on no input and no state: "
                f'a learned vector is `parameter("{name}")`, a number of the cell\'s an option (`*, {name}=0.1`)',
            )


def _names(
    function: Callable[..., Any], tape: Tape, variables: dict[str, Any], outputs: Mapping[str, int]
) -> dict[str, int]:
    """The names of `Program.names`: pre-activations, variables whose values are vectors, and the new states.

    A variable names its last value. The earlier ones are `name_1`, `name_2` and so on, and so are all of an argument
    that is bound again, for the argument's name means the input or the new state. The output's name is the output.
    """
    arguments = [value.name for value in tape.values if value.op in ("input", "state")] + list(outputs)
    names = {
        f"z_{value.name}": index
        for index, value in enumerate(tape.values)
        if value.op == "affine" and value.name != PROJECTION
    }
    heads = {index for index, value in enumerate(tape.values) if value.op in ("input", "state")}
    earlier: list[tuple[str, int]] = []
    for name in variables:
        indices = [index for index in tape.bound.get(name, []) if index not in tape.constants]
        if name in arguments:
            indices = [index for index in indices if index != outputs.get(name)]
        elif indices:
            *indices, last = indices
            if names.get(name, last) != last:
                raise mistake(
                    function,
                    f'its variable {name} has the name of what affine("{name.removeprefix("z_")}", ...) gives, and is '
                    "something else: give it another name",
                )
            if last not in heads:
                names[name] = last
        indices = [index for index in dict.fromkeys(indices) if index not in heads]
        earlier += [(f"{name}_{number}", index) for number, index in enumerate(indices, start=1)]
    for name, index in earlier:
        while name in names or name in outputs or name in variables:
            name += "_"
        names[name] = index
    return names | dict(outputs)


def _in_order(tape: Tape) -> tuple[tuple[Value, ...], dict[int, int]]:
    """The lines of a tape with all states in front, and where each line went: delays write states later on."""
    late = {state.index for state in tape.delayed.values()}
    heads = [index for index, value in enumerate(tape.values) if value.op in ("input", "state") and index not in late]
    order = dict.fromkeys([*heads, *(state.index for state in tape.delayed.values()), *range(len(tape.values))])
    moved = {old: new for new, old in enumerate(order)}
    return tuple(
        replace(tape.values[old], args=tuple(moved[arg] for arg in tape.values[old].args)) for old in order
    ), moved


def _check_use(function: Callable[..., Any], program: Program) -> None:
    for state, affine in program.endless_operands:
        raise mistake(
            function,
            f'state {state.name} begins with {state.number}, of which affine("{affine.name}", ...) makes sums that '
            "are no numbers: begin with a finite number, or multiply what is made of the state, such as exp of it",
        )
    nothing = f"neither the output {program.output} nor a new state" if program.output else "no new state"
    for index, value in enumerate(program.inputs):
        if index not in program.reaching:
            raise mistake(function, f"{nothing} depends on the input {value.name}: use it in an affine")
    shown = program.values[program.result].size
    if program.output and shown != HIDDEN_SIZE:
        raise mistake(
            function,
            f"its output {program.output} has {size_in_words(shown)}, and needs {size_in_words(HIDDEN_SIZE)}: bring it "
            "to that size with affine(...)",
        )
    if program.output and program.result not in program.of_states:
        raise mistake(function, f"its output {program.output} depends on no state: compute it from one")
    for index, value in enumerate(program.values):
        if value.op in ("affine", "parameter") and index not in program.reaching:
            raise mistake(
                function,
                f'{value.op}("{value.shares or value.name}", ...) reaches no new state: use its value or delete it',
            )
    gate = program.forget_gate
    if gate is not None and program.forget_affine is None:
        raise mistake(function, f'its forget_gate is "{gate}", which none of its affines is called')
    if program.candidate is not None:
        _check_candidate(function, program, program.candidate)


def _check_candidate(function: Callable[..., Any], program: Program, name: str) -> None:
    index = dict(program.names).get(name)
    if index is None:
        raise mistake(function, f'its candidate is "{name}", which none of its variables is called')
    if not any(index in value.args for value in program.values):
        raise mistake(
            function, f'its candidate is "{name}", from which nothing is computed: name the update before its gate'
        )
