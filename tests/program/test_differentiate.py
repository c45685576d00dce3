"""Forward loops and BPTT as data, run line by line in float64, against autograd through the reference engine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.classic import CLASSIC
from random_cells import sources, traced
from torch import Tensor

from ricorda import affine, cell, exp, parameter, sigmoid, tanh
from ricorda.engines import Request, reference
from ricorda.engines.masks import Masks
from ricorda.program.body import Body, live
from ricorda.program.differentiate import TrainingLoops, forward_loop, output_sequence, sequence_name, training_loops
from ricorda.program.ir import MASKS, Program
from ricorda.program.loop import Factor, Line, Loop
from ricorda.program.operations import OPERATIONS
from ricorda.program.regularise import recurrent_dropout, state_dropout, zoneout
from ricorda.program.saving import fewest_saved
from ricorda.program.weights import Block, layout

T, B = 4, 3
SIZES = {"I": 3, "H": 2, "P": 5}
D = torch.float64
CLOSE = {"atol": 1e-10, "rtol": 1e-10}
PROGRAMS = {name: found.program for name, found in CLASSIC.items()} | {
    "lstm, projected": CLASSIC["lstm"].projected_program,
    "lstm_coupled, projected": CLASSIC["lstm_coupled"].projected_program,
}


@dataclass
class Layer:
    """The numbers that a program runs on."""

    program: Program
    parameters: dict[str, Tensor]
    x: Tensor
    states: dict[str, Tensor]
    of_input: dict[int, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for index, value in enumerate(self.program.values):
            if value.op == "constant":
                self.of_input[index] = torch.tensor(value.number, dtype=D)
            elif value.op == "input":
                self.of_input[index] = self.x
            elif value.size in ("I", "1"):
                arguments = [self.of_input[arg] for arg in value.args]
                self.of_input[index] = OPERATIONS[value.op].reference(torch, *arguments)

    @property
    def masks(self) -> Masks:
        return Masks(self.program, 0, torch.arange(B), None, SIZES, D)

    def block(self, block: Block) -> Tensor:
        rows = layout(self.program).shapes[block.parameter].rows
        first = sum(SIZES[row] for row in rows[: block.position])
        return self.parameters[block.parameter][first : first + SIZES[rows[block.position]]]

    def matrix(self, factor: Factor) -> Tensor:
        return self.block(layout(self.program).matrices[factor.affine][factor.position])

    def before_the_loop(self) -> dict[str, Tensor]:
        """What the forward loop reads: `z_` sequences and vectors."""
        found = {name: value for name, value in self.parameters.items() if value.dim() == 1}
        for index in self.program.affines:
            value = self.program.values[index]
            bias = sum((self.block(block) for block in layout(self.program).biases[index]), torch.zeros((), dtype=D))
            of_input = [(place, arg) for place, arg in enumerate(value.args) if arg in self.of_input]
            products = [self.of_input[arg] @ self.matrix(Factor(index, place)).T for place, arg in of_input]
            name = f"z_{value.name}" if products else f"b_{value.name}"
            found[name] = sum(products, bias)
        return found


def new_layer(program: Program) -> Layer:
    parameters = {
        name: torch.randn(
            sum(SIZES[row] for row in shape.rows), *([] if shape.columns is None else [SIZES[shape.columns]]), dtype=D
        ).requires_grad_()
        for name, shape in layout(program).shapes.items()
    }
    x = torch.randn(T, B, SIZES["I"], dtype=D).requires_grad_()
    states = {state.name: torch.randn(B, SIZES[state.size], dtype=D).requires_grad_() for state in program.states}
    return Layer(program, parameters, x, states)


@dataclass
class Result:
    carried: dict[str, Tensor]
    stored: dict[str, Tensor]
    steps: dict[int, list[Tensor]]


def run(
    layer: Layer, loop: Loop, carried: Mapping[str, Tensor], read: Mapping[str, Tensor], before: Mapping[str, Tensor]
) -> Result:
    """The loop over the steps; `steps` has every line's value at each step, `stored` that of what is summed up too."""
    current = dict(carried)
    kept = (*loop.stored, *loop.summed)
    stored: dict[str, list[Tensor]] = {name: [] for name, _ in kept}
    assert len(stored) == len(kept)
    steps: dict[int, list[Tensor]] = {}
    for t in reversed(range(T)) if loop.backward else range(T):
        values: list[Tensor] = []
        for line in loop.lines:
            assert all(arg < len(values) for arg in line.args)
            values.append(evaluated(layer, loop, line, [values[arg] for arg in line.args], t, current, read, before))
            if line.size != "1":
                values[-1] = values[-1].expand(B, SIZES[line.size])
        current = {name: values[index] for name, index in loop.carried}
        for name, index in kept:
            stored[name].append(values[index])
        steps[t] = values
    ends = {
        name: torch.stack(torch.broadcast_tensors(*(found[::-1] if loop.backward else found)))
        for name, found in stored.items()
    }
    return Result(current, ends, steps)


def evaluated(
    layer: Layer,
    loop: Loop,
    line: Line,
    args: Sequence[Tensor],
    t: int,
    carried: Mapping[str, Tensor],
    read: Mapping[str, Tensor],
    before: Mapping[str, Tensor],
) -> Tensor:
    match line.op:
        case "constant":
            return torch.tensor([[line.number]], dtype=D)
        case "carried":
            return carried[line.name]
        case "vector":
            return read[line.name]
        case "sequence":
            return read[line.name][t]
        case "before":
            return before[line.name][t]
        case "product":
            matrices = [layer.matrix(factor) for factor in line.factors]
            products = [arg @ (w if loop.backward else w.T) for arg, w in zip(args, matrices, strict=True)]
            return torch.stack(products).sum(dim=0)
        case "mask" | "locked_mask":
            found = [value.name if value.op == line.op else "" for value in layer.program.values]
            assert layer.program.values[found.index(line.name)].number == line.number
            return layer.masks.at(found.index(line.name), t, B)
        case op:
            return OPERATIONS[op].reference(torch, *args)


def check(program: Program, record: tuple[str, ...]) -> TrainingLoops:
    """Hold every result of a program's loops to the reference engine's and its gradients to autograd's."""
    layer = new_layer(program)
    training = training_loops(program, record, watch=True)
    names, states = dict(program.names), layer.states
    in_loop = [name for name in record if program.values[names[name]].size != "I"]

    expected = reference.run(Request(program, layer.parameters, layer.x, list(states.values()), record=in_loop))
    d_output = torch.randn_like(expected.output)
    d_states = {state: torch.randn_like(value) for state, value in states.items()}
    d_records = {name: torch.randn_like(value) for name, value in expected.records.items()}
    outputs = [expected.output, *expected.states, *expected.records.values()]
    seeds = [d_output, *d_states.values(), *d_records.values()]
    leaves = {**layer.parameters, "x": layer.x, **states}
    wanted = dict(
        zip(leaves, torch.autograd.grad(outputs, list(leaves.values()), seeds, materialize_grads=True), strict=True)
    )

    for loop in (forward_loop(program, record), training.forward):
        forward = run(layer, loop, states, layer.before_the_loop(), {})
        torch.testing.assert_close(forward.stored[output_sequence(program)], expected.output, **CLOSE)
        torch.testing.assert_close(tuple(forward.carried.values()), expected.states, **CLOSE)
        for name in in_loop:
            found = forward.stored[sequence_name(program, names[name])]
            torch.testing.assert_close(found, expected.records[name], **CLOSE)

    sequences = dict(forward.stored)
    before = {state: torch.cat([states[state][None], sequences[state][:-1]]) for state in states if state in sequences}
    d_sequences = {f"d_{output_sequence(program)}": d_output.clone()}
    for name in in_loop:
        key = f"d_{sequence_name(program, names[name])}"
        d_sequences[key] = d_sequences.get(key, 0) + d_records[name]
    sequences = {name: value.detach() for name, value in {**sequences, **layer.before_the_loop()}.items()}
    with torch.no_grad():
        backward = run(layer, training.backward, d_states, {**sequences, **d_sequences}, before)

    found = of_weights(layer, training, backward, sequences, before)
    for state, value in backward.carried.items():
        found[state] = value
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        torch.testing.assert_close(
            found[name].expand_as(value), value, **CLOSE, msg=lambda text, name=name: name + text
        )

    steps, ends = in_steps(layer)
    seeded = [(index, name) for name in d_sequences for index in [of_name(program, name.removeprefix("d_"))]]
    loss = sum((step[index] * d_sequences[name][t]).sum() for t, step in enumerate(steps) for index, name in seeded)
    loss = loss + sum((end * d).sum() for end, d in zip(ends, d_states.values(), strict=True))
    assert [state for state, _ in training.state_gradients] == list(states)
    for (_, line), index in zip(training.state_gradients, program.outputs, strict=True):
        of_steps = [step[index] for step in steps]
        gradients = torch.autograd.grad(loss, of_steps, retain_graph=True, materialize_grads=True)
        for t, gradient in enumerate(gradients):
            torch.testing.assert_close(backward.steps[t][line].expand_as(gradient), gradient, **CLOSE)
    return training


def of_name(program: Program, stored: str) -> int:
    return next(index for index in range(len(program.values)) if sequence_name(program, index) == stored)


def in_steps(layer: Layer) -> tuple[list[list[Tensor]], tuple[Tensor, ...]]:
    """Every value of the program at each step, a tensor of its own each, and the final states."""
    program, before = layer.program, layer.before_the_loop()
    current, steps = tuple(layer.states.values()), []
    for t in range(T):
        values: list[Tensor] = []
        entering = iter(current)
        for index, value in enumerate(program.values):
            if index in layer.of_input:
                values.append(layer.of_input[index][t] if value.size != "1" else layer.of_input[index])
            elif value.op == "state":
                values.append(next(entering).clone())
            elif value.op == "parameter":
                values.append(layer.parameters[value.name].expand(B, -1))
            elif value.op in MASKS:
                values.append(layer.masks.at(index, t, B))
            elif value.op == "affine":
                z = before[f"z_{value.name}"][t] if f"z_{value.name}" in before else before[f"b_{value.name}"]
                recurrent = [(place, arg) for place, arg in enumerate(value.args) if arg not in layer.of_input]
                values.append(sum((values[arg] @ layer.matrix(Factor(index, place)).T for place, arg in recurrent), z))
            else:
                values.append(OPERATIONS[value.op].reference(torch, *(values[arg] for arg in value.args)))
        current = tuple(values[index] for index in program.outputs)
        steps.append(values)
    return steps, current


def of_weights(
    layer: Layer,
    training: TrainingLoops,
    backward: Result,
    sequences: Mapping[str, Tensor],
    before: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """The gradients of the parameters and of the input, time-parallel as an engine computes them."""
    program = layer.program
    operands = dict(training.operands)
    found = {name: torch.zeros_like(value) for name, value in layer.parameters.items()}

    def add(block: Block, gradient: Tensor) -> None:
        rows = layout(program).shapes[block.parameter].rows
        first = sum(SIZES[row] for row in rows[: block.position])
        found[block.parameter][first : first + SIZES[rows[block.position]]] += gradient

    d_input = [torch.zeros_like(layer.x)]
    for index in program.affines:
        value = program.values[index]
        dz = backward.stored[f"dz_{value.name}"].expand(T, B, SIZES[value.size])
        for position, arg in enumerate(value.args):
            factor = Factor(index, position)
            if arg in layer.of_input:
                operand = layer.of_input[arg]
                d_input += torch.autograd.grad(operand, layer.x, dz @ layer.matrix(factor).detach(), retain_graph=True)
            else:
                kind, name = operands.pop(factor)
                operand = (before if kind == "before" else sequences)[name]
            add(layout(program).matrices[index][position], torch.einsum("tbi,tbj->ij", dz, operand.detach()))
        for block in layout(program).biases[index]:
            add(block, dz.sum(dim=(0, 1)))
    assert not operands
    for value in program.values:
        if value.op == "parameter":
            found[value.name] = backward.stored[f"dp_{value.name}"].expand(T, B, SIZES[value.size]).sum(dim=(0, 1))
    return {**found, "x": torch.stack(d_input).sum(dim=0)}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_loops_of_a_built_in_cell_are_the_reference_s_and_its_gradient(name: str) -> None:
    program = PROGRAMS[name]
    names = [name for name, _ in program.names]
    for record in ((), tuple(names), (names[0],), (program.states[-1].name,)):
        check(program, record)


@settings(max_examples=120)
@given(source=sources(), seed=st.integers(0, 99), data=st.data())
def test_the_loops_of_any_cell_are_the_reference_s_and_its_gradient(
    source: str, seed: int, data: st.DataObject
) -> None:
    program = traced(source)
    torch.manual_seed(seed)
    names = [name for name, _ in program.names]
    record = data.draw(st.lists(st.sampled_from(names), unique=True, max_size=2))
    check(program, tuple(record))


@cell
def swapped(x, h, c, n):
    return c, tanh(affine("c", h, c, x)), h


@cell
def shared(x, h, c, n):
    new = tanh(affine("h", h, x) * c * n)
    return new, new, new


def untouched() -> Program:
    """A program whose states c and n never change, which a file may hold."""
    read = swapped.program
    outputs = {"h": read.outputs[1], "c": 2, "n": 3}
    return replace(read, name="untouched", outputs=tuple(outputs.values()), names=(*read.names[:-3], *outputs.items()))


@cell
def shared_by_the_others(x, h, c, n):
    new = sigmoid(affine("c", h, x) + n)
    return tanh(affine("h", new, new) * n), new, new


@cell
def without_a_step(x, h):
    return parameter("p") * 0.5 + 0 * affine("h", x)


@cell
def in_stages(x, h, c):
    first = affine("a", h, c, h)
    second = affine("b", first, parameter("p"), tanh(x))
    return affine("d", second, bias=False), second + first


ODD = [*(odd.program for odd in (swapped, shared, shared_by_the_others, without_a_step, in_stages)), untouched()]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
def test_the_loops_of_odd_cells_are_the_reference_s_and_its_gradient(odd: Program) -> None:
    names = [name for name, _ in odd.names]
    for record in [(), tuple(names), *((name,) for name in names)]:
        check(odd, record)


@pytest.mark.parametrize("name", ["lstm", "gru", "gru_reset_after", "lstm, projected"])
def test_masks_are_the_same_in_both_loops(name: str) -> None:
    program = PROGRAMS[name]
    zoned = zoneout(program, {state.name: 0.4 for state in program.states}, training=True)
    dropped = [state_dropout(program, 0.5)] + ([recurrent_dropout(program, 0.5)] if program.candidate else [])
    for regularised in (zoned, *dropped):
        training = check(regularised, ())
        assert {line.op for line in training.backward.lines} & set(MASKS)


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("rnn", ["h"]),
        ("rnn_relu", ["h"]),
        ("lstm", ["h", "c", "i", "f", "g", "o"]),
        ("lstm_peephole", ["h", "c", "i", "f", "g", "o"]),
        ("lstm_coupled", ["h", "c", "f", "g", "o"]),
        ("gru", ["a", "r", "u", "r * a", "candidate"]),
        ("gru_reset_after", ["h", "r", "z", "z_nh", "n"]),
        ("lstm, projected", ["h", "c", "i", "f", "g", "o", "o * tanh(c)"]),
    ],
)
def test_what_a_built_in_cell_saves_is_what_a_person_would(name: str, stored: list[str]) -> None:
    program = PROGRAMS[name]
    names = dict(program.names) | {
        "r * a": next((i for i, value in enumerate(program.values) if value.op == "multiply"), 0),
        "o * tanh(c)": program.values[program.outputs[0]].args[0] if program.projected else 0,
    }
    found = [name for name, _ in training_loops(program).forward.stored]
    assert sorted(found) == sorted(sequence_name(program, names[name]) for name in stored)


def test_bptt_of_an_lstm_is_as_short_as_by_hand() -> None:
    backward = training_loops(PROGRAMS["lstm"]).backward
    assert [line.op for line in backward.lines].count("product") == 1
    assert len([line for line in backward.lines if line.op in OPERATIONS]) <= 24
    assert backward.backward


def test_a_state_that_can_be_computed_again_is_not_saved() -> None:
    @cell
    def cheap(x, h, c):
        c = affine("c", h, x)
        return sigmoid(c), exp(h) - c

    assert [name for name, _ in training_loops(cheap.program).forward.stored] == ["h"]


def test_a_recorded_state_is_saved_already() -> None:
    @cell
    def looks_back(x, h, c):
        seen = exp(c)
        t = tanh(affine("h", h, x))
        s = sigmoid(affine("c", x))
        return t * seen, s + c

    names = dict(looks_back.program.names)
    saved = {
        record: {name for name, _ in training_loops(looks_back.program, record).forward.stored}
        for record in [(), ("c",)]
    }
    always = {"h", f"v{names['t']}", f"v{names['s']}"}
    assert saved == {(): always | {f"v{names['seen']}"}, ("c",): always | {"c"}}


def fewest_by_trying(
    arguments: dict[int, tuple[int, ...]], needed: set[int], lost: set[int], at_hand: set[int], never: set[int]
) -> int | None:
    for size in range(len(arguments) + 1):
        for saved in combinations(set(arguments) - never, size):
            there = at_hand | set(saved)
            for value, args in arguments.items():
                if value not in lost and set(args) <= there:
                    there.add(value)
            if needed <= there:
                return size
    return None


@st.composite
def choices(draw: st.DrawFn) -> tuple[dict[int, tuple[int, ...]], set[int], set[int], set[int], set[int]]:
    count = draw(st.integers(1, 8))
    arguments = {0: ()} | {
        value: tuple(draw(st.sets(st.integers(0, value - 1), max_size=3))) for value in range(1, count)
    }
    some = st.sets(st.integers(0, count - 1), max_size=3)
    return arguments, draw(some), draw(some), draw(some), draw(some)


@settings(max_examples=300)
@given(choices())
def test_the_cut_is_the_smallest_that_trying_everything_finds(
    drawn: tuple[dict[int, tuple[int, ...]], set[int], set[int], set[int], set[int]],
) -> None:
    arguments, needed, lost, at_hand, never = drawn
    found = fewest_saved(arguments, needed, lost, at_hand, never)
    assert (None if found is None else len(found)) == fewest_by_trying(*drawn)
    if found is not None:
        assert not found & (at_hand | never)
        assert fewest_by_trying(arguments, needed, lost, at_hand | found, never) == 0


def test_of_equal_cuts_the_one_nearest_to_the_use_is_taken() -> None:
    assert fewest_saved({0: (), 1: (0,), 2: (1,), 3: (2,)}, needed={2}, lost={0}) == {2}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_derivative_is_torch_s_where_the_slope_jumps_too(name: str) -> None:
    row = OPERATIONS[name]
    positive = ("log", "sqrt", "divide", "pow", "remainder", "safe_sqrt")
    points = [0.75, 1.0, 2.0] if name in positive else [-2.0, -1.0, 0.0, 1.0, 2.0]
    grid = torch.cartesian_prod(*[torch.tensor(points, dtype=D)] * row.arity).reshape(-1, row.arity)
    arguments = [column.clone().requires_grad_() for column in grid.unbind(dim=1)]
    g = torch.randn(len(grid), dtype=D)
    result = row.reference(torch, *arguments)
    expected = (
        torch.autograd.grad(result, arguments, g, materialize_grads=True)
        if result.requires_grad
        else [torch.zeros_like(argument) for argument in arguments]
    )

    body = Body()
    leaves = [body.write(Line("sequence", name=leaf)) for leaf in ("g", "y", "a", "b", "c")[: 2 + row.arity]]
    values = [g, result, *arguments]
    found = [body.number(part) if isinstance(part, int) else part for part in row.derivative(*leaves)]
    for line in body.lines[len(leaves) :]:
        if line.op == "constant":
            values.append(torch.tensor(line.number, dtype=D))
        else:
            values.append(OPERATIONS[line.op].reference(torch, *(values[arg] for arg in line.args)))
    for part, gradient in zip(found, expected, strict=True):
        torch.testing.assert_close(values[part.index].expand_as(gradient), gradient, atol=1e-14, rtol=1e-14)


def test_writing_leaves_out_what_adds_nothing() -> None:
    body = Body()
    a, b = (body.write(Line("sequence", name=name)) for name in "ab")
    minus = -a
    assert a * 1 == a + 0 == a - 0 == -minus == a / 1 == a
    assert (0 * a).is_number(0)
    assert (0 - a) == -a == a * -1
    assert a + -b == a - b == -(b - a)
    assert -a + b == b - a
    assert a - -b == a + b == b + a
    assert (-a) * b == -(a * b) == a * -b
    assert (1 - a) == (1 - a)
    assert (a * 3 - body.number(2) * 0.5).args[1].is_number(1)


def test_only_lines_that_are_used_are_left() -> None:
    body = Body()
    a, b = (body.write(Line("sequence", name=name)) for name in "ab")
    unused = a * b
    used = b + 1
    lines, moved = live(body.lines, [used.index])
    assert [line.op for line in lines] == ["sequence", "constant", "add"]
    assert lines[moved[used.index]].args == (moved[b.index], 1)
    assert unused.index not in moved
