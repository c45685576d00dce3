"""From one step of a cell to the bodies of two loops: the forward pass, and backpropagation through time (BPTT).

What depends on inputs alone is outside both loops. `z_<affine>`, an affine's products with inputs plus its biases, is
computed for all steps before the forward loop, and so is `input <index>`, a value of inputs that the loop itself reads.
The gradients of the weights and of the inputs are computed from `dz_<affine>` and `d_input <index>` for all steps after
the backward loop.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

from ricorda.program.body import Body, Expression, live
from ricorda.program.ir import MASKS, Program, Value
from ricorda.program.loop import Factor, Line, Loop
from ricorda.program.operations import OPERATIONS
from ricorda.program.saving import fewest_saved

_VALUE = "value"
"""A line that stands for a forward value, by its index, until it is decided how BPTT gets that value."""


@dataclass(frozen=True)
class TrainingLoops:
    """The loops of a training step, and the operands for the gradients of the recurrent weights.

    Parameters
    ----------
    forward : the forward loop, which also stores what BPTT needs
    backward : BPTT. It reads `d_<state>`, the gradient of each recorded new state, and `d_v<index>`, that of each other
        recorded value, for the output as for what is recorded; it stores `dz_<affine>` of every affine and
        `d_input <index>` of every value that `read_of_inputs` lists, and sums up `dp_<parameter>`, the gradient of a
        learned vector, over the steps
    operands : block of the weights -> what it is multiplied by: ("before", state), or ("sequence", name of what the
        forward loop stored). The block's gradient is the sum over rows and steps of `dz_<affine>` times that
    state_gradients : (state, line of `backward`) of the whole gradient of each state's new value, if it is watched
    """

    forward: Loop
    backward: Loop
    operands: tuple[tuple[Factor, tuple[str, str]], ...]
    state_gradients: tuple[tuple[str, int], ...] = ()


@lru_cache(maxsize=256)
def forward_loop(
    program: Program, record: tuple[str, ...] = (), saved: tuple[int, ...] = (), kept: tuple[str, ...] = ()
) -> Loop:
    """The body of the forward loop.

    Parameters
    ----------
    program : of the cell
    record : names of values to store, see `Program.names`; those that depend on no affine or state are ignored, since
        no loop computes them
    saved : indices of further values to store
    kept : states whose new values are stored besides the output

    Returns
    -------
    Loop
        It stores a state's new value under the state's name, and any other value under `v<index>`.
    """
    body = Body()
    lines: dict[int, Expression] = {}
    for index, value in enumerate(program.values):
        if index in program.of_input:
            lines[index] = body.write(Line("sequence", size=value.size, name=input_name(index)))
        elif value.op == "state":
            lines[index] = body.write(Line("carried", size=value.size, name=value.name))
        elif value.op == "affine":
            lines[index] = _affine(program, index, body, lines)
        else:
            lines[index] = _written(program, index, body, [lines[arg] for arg in value.args])
    stored = {output_sequence(program): program.result}
    stored |= {state.name: new for state, new in _new_states(program) if state.name in kept}
    stored |= {sequence_name(program, index): index for index in (*_recorded(program, record), *saved)}
    carried = [(state.name, lines[new]) for state, new in _new_states(program)]
    return _loop(body, carried, [(name, lines[index]) for name, index in stored.items()])[0]


@lru_cache(maxsize=256)
def training_loops(program: Program, record: tuple[str, ...] = (), watch: bool = False) -> TrainingLoops:
    """The loops of a training step.

    Parameters
    ----------
    program : of the cell
    record : names of the values to store; BPTT reads their gradients
    watch : whether BPTT computes the whole gradient of each state's new value (`TrainingLoops.state_gradients`)
    """
    draft = Body()
    recorded = _recorded(program, record)
    gradients = _gradients(program, recorded, draft)

    def gradient(index: int) -> Expression:
        return gradients.get(index, draft.number(0))

    def of_every(op: str, prefix: str) -> list[_Result]:
        lines_of_op = [(index, value) for index, value in enumerate(program.values) if value.op == op]
        return [_Result(prefix + value.name, value.size, gradient(index)) for index, value in lines_of_op]

    carried, stored, summed = of_every("state", ""), of_every("affine", "dz_"), of_every("parameter", "dp_")
    stored += [
        _Result(f"d_{input_name(index)}", program.values[index].size, gradient(index))
        for index in read_of_inputs(program)
    ]
    watched = [_Result(state.name, state.size, gradient(new)) for state, new in _new_states(program) if watch]
    lines, moved = live(draft.lines, [result.line.index for result in [*carried, *stored, *summed, *watched]])
    chosen = _choose(program, {int(line.number) for line in lines if line.op == _VALUE}, recorded)
    body = Body()
    rewritten = _with_forward_values(lines, _forward_values_in_bptt(program, chosen, body), body)

    def final(results: list[_Result]) -> list[tuple[str, Expression]]:
        return [(name, _sized(rewritten[moved[line.index]], size)) for name, size, line in results]

    backward, states = _loop(body, final(carried), final(stored), final(summed), final(watched), backward=True)
    forward = forward_loop(program, record, tuple(sorted(chosen.values)), tuple(sorted(chosen.states)))
    return TrainingLoops(forward, backward, tuple(_operands(program).items()), states)


class _Result(NamedTuple):
    """What a loop carries, stores or sums: name, size, and the line that has it."""

    name: str
    size: str
    line: Expression


def _sized(result: Expression, size: str) -> Expression:
    """A result; a constant, such as a gradient of 0, gets the size of the memory that it is written to."""
    return result.body.write(replace(result.line, size=size)) if result.line.op == "constant" else result


def input_name(index: int) -> str:
    """The name of a value that depends on inputs alone and is read in the loops."""
    return f"input {index}"


@lru_cache(maxsize=256)
def read_of_inputs(program: Program) -> tuple[int, ...]:
    """The values that depend on inputs alone and that a step reads in another way than by an affine."""
    values = program.values
    by_steps = [i for i, value in enumerate(values) if i not in program.of_input and value.op != "affine"]
    return tuple(sorted(program.of_input & {*program.outputs, *(arg for i in by_steps for arg in values[i].args)}))


def sequence_name(program: Program, index: int) -> str:
    """The name under which the forward loop stores a value: the state whose new value it is, or `v<index>`."""
    return next((state.name for state, new in _new_states(program) if new == index), f"v{index}")


def output_sequence(program: Program) -> str:
    """The name under which the forward loop stores the layer's output."""
    return sequence_name(program, program.result)


def _new_states(program: Program) -> list[tuple[Value, int]]:
    return list(zip(program.states, program.outputs, strict=True))


def _recorded(program: Program, record: tuple[str, ...]) -> list[int]:
    indices = dict.fromkeys(dict(program.names)[name] for name in record)
    return [index for index in indices if index not in program.of_input]


def _operands(program: Program) -> dict[Factor, tuple[str, str]]:
    """Where to read the recurrent operand of each block of the weights after the loop."""
    operands: dict[Factor, tuple[str, str]] = {}
    for factor, arg in _blocks(program):
        value = program.values[arg]
        operands[factor] = ("before", value.name) if value.op == "state" else ("sequence", sequence_name(program, arg))
    return operands


def _blocks(program: Program) -> Iterator[tuple[Factor, int]]:
    """The block and the index of each recurrent operand of each affine."""
    for index in program.affines:
        for position, arg in enumerate(program.values[index].args):
            if arg not in program.of_input:
                yield Factor(index, position), arg


def _loop(
    body: Body,
    carried: list[tuple[str, Expression]],
    stored: list[tuple[str, Expression]],
    summed: list[tuple[str, Expression]] | None = None,
    watched: list[tuple[str, Expression]] | None = None,
    backward: bool = False,
) -> tuple[Loop, tuple[tuple[str, int], ...]]:
    """A loop of the lines that the results depend on, and the indices of the watched results."""
    results = (carried, stored, summed or [], watched or [])
    lines, moved = live(body.lines, [line.index for result in results for _, line in result])
    new_carried, new_stored, new_summed, new_watched = (
        tuple((name, moved[line.index]) for name, line in result) for result in results
    )
    return Loop(lines, new_carried, new_stored, backward, new_summed), new_watched


def _written(program: Program, index: int, body: Body, args: Sequence[Expression]) -> Expression:
    """Write a forward value that is not a state or an affine."""
    value = program.values[index]
    match value.op:
        case "constant":
            return body.number(value.number)
        case "parameter":
            return body.write(Line("vector", size=value.size, name=value.name))
        case op if op in MASKS:
            return body.write(Line(op, size=value.size, name=value.name, number=value.number))
        case op:
            return body.write(Line(op, tuple(arg.index for arg in args), value.size))


def _affine(program: Program, index: int, body: Body, lines: Mapping[int, Expression]) -> Expression:
    """Write an affine: `z_<affine>`, which is computed before the loop, plus the products that depend on a state."""
    value = program.values[index]
    recurrent = [position for position, arg in enumerate(value.args) if arg not in program.of_input]
    parts = []
    if recurrent:
        args = tuple(lines[value.args[position]].index for position in recurrent)
        factors = tuple(Factor(index, position) for position in recurrent)
        parts.append(body.write(Line("product", args, value.size, factors=factors)))
    if len(recurrent) < len(value.args):
        parts.append(body.write(Line("sequence", size=value.size, name=f"z_{value.name}")))
    elif value.bias:
        parts.append(body.write(Line("vector", size=value.size, name=f"b_{value.name}")))
    return body.operation("add", *parts) if len(parts) == 2 else parts[0]


def _gradients(program: Program, recorded: list[int], body: Body) -> dict[int, Expression]:
    """The gradient of each value of the step that has one, computed from the last value to the first."""
    values = program.values
    gradients: dict[int, Expression] = {}

    def give(index: int, part: Expression) -> None:
        if not part.is_number(0):
            gradients[index] = gradients[index] + part if index in gradients else part

    for state, new in _new_states(program):
        give(new, body.write(Line("carried", size=state.size, name=state.name)))
    for index in dict.fromkeys([program.result, *recorded]):
        name = f"d_{sequence_name(program, index)}"
        give(index, body.write(Line("sequence", size=values[index].size, name=name)))

    entered: dict[int, list[Factor]] = {}
    for factor, arg in _blocks(program):
        entered.setdefault(arg, []).append(factor)
    forward = _forward_values(program, body)
    for index in sorted(forward, reverse=True):
        value = values[index]
        factors = tuple(factor for factor in entered.get(index, []) if factor.affine in gradients)
        if factors:
            args = tuple(gradients[factor.affine].index for factor in factors)
            give(index, body.write(Line("product", args, value.size, factors=factors)))
        if value.op in OPERATIONS and index in gradients and index not in program.of_input:
            args_ = [forward[arg] for arg in value.args]
            parts = OPERATIONS[value.op].derivative(gradients[index], forward[index], *args_)
            for arg, part in zip(value.args, parts, strict=True):
                if arg not in program.constants:
                    give(arg, part if isinstance(part, Expression) else body.number(part))
    return gradients


def _forward_values(program: Program, body: Body) -> dict[int, Expression]:
    """The forward values: those that need no forward pass, and for each other one a line that stands for it."""
    forward: dict[int, Expression] = {}
    for index, value in enumerate(program.values):
        if index in program.constants or value.op in ("parameter", *MASKS):
            forward[index] = _written(program, index, body, [forward[arg] for arg in value.args])
        else:
            forward[index] = body.write(Line(_VALUE, size=value.size, number=index))
    return forward


@dataclass(frozen=True)
class _Stored:
    """What the forward loop stores besides the output: values by index, and states by name."""

    values: frozenset[int]
    states: frozenset[str]


def _choose(program: Program, needed: Collection[int], recorded: Collection[int]) -> _Stored:
    """The fewest values to store from which the needed values can be read or computed again.

    A stored state gives two values, the old and the new state of a step. A minimum cut cannot express that, so all sets
    of states are tried, small ones first.
    """
    values = program.values
    arguments = {index: () if value.op == "affine" else value.args for index, value in enumerate(values)}
    lost = [index for index, value in enumerate(values) if value.op in ("state", "affine")]
    operands = {arg for _, arg in _blocks(program)}
    anyway = frozenset(recorded) | {arg for arg in operands if values[arg].op != "state"}
    inputs = program.of_input
    states_of = {state.name: (values.index(state), new) for state, new in _new_states(program)}
    shown = states_of.pop(output_sequence(program), (program.result,))
    further = [*states_of.items()]
    must = {name for name, (old, new) in further if old in operands or new in anyway - {program.result}}
    may = [name for name, _ in further if name not in must]
    best: _Stored | None = None
    least = len(values)
    for size in range(len(may) + 1):
        for extra in combinations(may, size) if size < least else ():
            states = must.union(extra)
            at_hand = anyway.union(inputs, shown, *(pair for name, pair in further if name in states))
            never = frozenset[int]().union(*(pair for name, pair in further if name not in states))
            cut = fewest_saved(arguments, needed, lost, at_hand, never)
            if cut is not None and size + len(cut) < least:
                best, least = _Stored(anyway | cut, frozenset(states)), size + len(cut)
    assert best is not None  # If all states are stored, it is enough to save the affines.
    return best


def _forward_values_in_bptt(program: Program, stored: _Stored, body: Body) -> dict[int, Expression]:
    """The forward values that BPTT can get: stored ones, and those that can be computed from them."""
    names = {index: sequence_name(program, index) for index in (*stored.values, program.result)}
    states = {output_sequence(program), *stored.states}
    names |= {new: state.name for state, new in _new_states(program) if state.name in states}
    at_hand: dict[int, Expression] = {}
    for index, value in enumerate(program.values):
        if index in program.of_input:
            at_hand[index] = body.write(Line("sequence", size=value.size, name=input_name(index)))
        elif index in names:
            at_hand[index] = body.write(Line("sequence", size=value.size, name=names[index]))
        elif value.op == "state":
            if value.name in states:
                at_hand[index] = body.write(Line("before", size=value.size, name=value.name))
        elif value.op != "affine" and all(arg in at_hand for arg in value.args):
            at_hand[index] = _written(program, index, body, [at_hand[arg] for arg in value.args])
    return at_hand


def _with_forward_values(lines: Sequence[Line], values: Mapping[int, Expression], body: Body) -> list[Expression]:
    """The lines with the forward values in the place of the lines that stand for them."""
    rewritten: list[Expression] = []
    for line in lines:
        if line.op == _VALUE:
            rewritten.append(values[int(line.number)])
        elif line.op in OPERATIONS:
            rewritten.append(body.simplified(line.op, *(rewritten[arg] for arg in line.args)))
        else:
            rewritten.append(body.write(replace(line, args=tuple(rewritten[arg].index for arg in line.args))))
    return rewritten
