"""The printed equations, evaluated as they stand, give the numbers of the engine."""

import re
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from random_cells import sources, traced
from torch import Tensor

from ricorda import affine, cell, equations, maximum, parameter, sigmoid, tanh
from ricorda.catalogue import CELLS
from ricorda.engines import Request, reference
from ricorda.program.ir import Program
from ricorda.program.operations import OPERATIONS
from ricorda.program.sizes import Sizes
from ricorda.program.weights import layout

D = torch.float64
SIZES = Sizes({"I": 3, "H": 4, "P": 2})
B = 2
INTERNAL = ("variance", "positive", "share")
"""Operations that no cell writes."""


@dataclass
class Matrices:
    """`W_i` of the printed equations: `W_i @ [h, x]` is a product for each operand."""

    blocks: list[Tensor]

    def __matmul__(self, vectors: Tensor | list[Tensor]) -> Tensor:
        operands = vectors if isinstance(vectors, list) else [vectors]
        assert len(operands) == len(self.blocks)
        return torch.stack([a @ w.T for a, w in zip(operands, self.blocks, strict=True)]).sum(dim=0)


FUNCTIONS = {
    "hard_sigmoid": torch.nn.functional.hardsigmoid,
    "safe_divide": lambda a, b: torch.where(b == 0, 0, a / b),
    "safe_sqrt": lambda a, bound: a.sqrt(),
    "where": lambda condition, a, b: torch.where(condition != 0, a, b),
    "sum": lambda a: a.sum(dim=-1, keepdim=True).expand_as(a),
    "mean": lambda a: a.mean(dim=-1, keepdim=True).expand_as(a),
    "largest": lambda a: a.amax(dim=-1, keepdim=True).expand_as(a),
}
"""Functions of the printed equations that torch has in another form."""


def _function(name: str) -> Any:
    of = FUNCTIONS.get(name) or getattr(torch, name, None) or getattr(torch.nn.functional, name)
    return lambda *values: of(*(torch.as_tensor(value, dtype=D) for value in values))


def _random(rows: list[str], columns: str | None) -> Tensor:
    return torch.randn(sum(SIZES[row] for row in rows), *([] if columns is None else [SIZES[columns]]), dtype=D)


def python(equation: str) -> str:
    """A printed equation in Python: `h_{t-1}` is `h_before`, `W_i ` is `W_i @ `."""
    return re.sub(r"\b(W_\w+) ", r"\1 @ ", equation.replace("_{t-1}", "_before"))


def evaluated_and_run(program: Program) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What the equations of one step give by name, and the same from the engine."""
    weights = layout(program)
    parameters = {name: _random(shape.rows, shape.columns) for name, shape in weights.shapes.items()}
    x, *others = (torch.randn(1, B, SIZES[one.size], dtype=D) for one in program.inputs)
    inputs = {one.name: values.abs() for one, values in zip(program.inputs[1:], others, strict=True)}
    states = [torch.randn(B, SIZES[state.size], dtype=D) for state in program.states]
    calls = [name for name, row in OPERATIONS.items() if row.plain.startswith(f"{name}(") and name not in INTERNAL]
    scope: dict[str, Any] = {name: _function(name) for name in calls}
    scope |= {value.name: parameters[value.name].expand(B, -1) for value in program.values if value.op == "parameter"}
    scope |= {f"{state.name}_before": value for state, value in zip(program.states, states, strict=True)}
    scope |= {f"{name}_t": values[0] for name, values in {program.values[0].name: x, **inputs}.items()}

    def block(parameter: str, position: int) -> Tensor:
        rows = [SIZES[size] for size in weights.shapes[parameter].rows]
        return parameters[parameter].split(rows)[position]

    of_name = {program.values[index].name: index for index in program.affines}
    for index in program.affines:
        shared = of_name.get(program.values[index].shares, index)  # The same weights stand in several rows.
        for own, first in zip(weights.matrices[index], weights.matrices[shared], strict=True):
            block(own.parameter, own.position).copy_(block(first.parameter, first.position))
        for own, first in zip(weights.biases[index], weights.biases[shared], strict=True):
            block(own.parameter, own.position).copy_(block(first.parameter, first.position))
        name = program.values[index].name
        scope[f"W_{name}"] = Matrices([block(each.parameter, each.position) for each in weights.matrices[index]])
        scope[f"b_{name}"] = sum(block(each.parameter, each.position) for each in weights.biases[index])
    found = {}
    for equation in equations(program):
        left, _, right = python(equation).partition(" = ")
        value = eval(right, scope)
        scope[left] = value.to(D) if value.dtype == torch.bool else value
        found[left.removesuffix("_t")] = scope[left]
    names = [name for name, _ in program.names if name in found]
    run = reference.run(Request(program, parameters, x, states, record=names, inputs=inputs))
    ours = {name: values[0] for name, values in run.records.items()}
    for state, value in zip(program.states, run.states, strict=True):
        ours[state.name] = value
    return found, ours


def _agree(program: Program, tolerance: float) -> None:
    evaluated, run = evaluated_and_run(program)
    assert {name for name in evaluated if not name.startswith("part_")} == run.keys()
    assert {state.name for state in program.states} <= evaluated.keys()
    for name, value in run.items():
        torch.testing.assert_close(evaluated[name], value, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("name", CELLS)
def test_the_equations_of_a_built_in_cell_give_the_engine_s_numbers(name: str) -> None:
    _agree(CELLS[name].program, 1e-12)


@pytest.mark.parametrize("name", ["rnn", "rnn_relu", "lstm", "lstm_coupled"])
def test_the_equations_of_a_projected_cell_give_the_engine_s_numbers(name: str) -> None:
    _agree(CELLS[name].projected_program, 1e-12)


@settings(max_examples=100)
@given(source=sources())
def test_the_equations_of_a_random_cell_give_the_engine_s_numbers(source: str) -> None:
    _agree(traced(source), 1e-10)


def _balanced(text: str) -> bool:
    closing = {")": "(", "}": "{", "]": "["}
    open_ones: list[str] = []
    for sign in text:
        if sign in closing.values():
            open_ones.append(sign)
        elif sign in closing and (not open_ones or open_ones.pop() != closing[sign]):
            return False
    return not open_ones


@given(source=sources())
def test_the_brackets_of_a_random_cell_balance(source: str) -> None:
    for notation in ("plain", "latex"):
        lines = equations(traced(source), notation)  # type: ignore[arg-type]
        assert all(_balanced(line) for line in lines), lines


@pytest.mark.parametrize("name", CELLS)
def test_latex_is_balanced_and_says_what_the_text_says(name: str) -> None:
    plain, latex = (equations(CELLS[name].program, notation) for notation in ("plain", "latex"))  # type: ignore[arg-type]
    assert len(plain) == len(latex)
    for text, line in zip(plain, latex, strict=True):
        assert _balanced(line), line
        assert line.count(" = ") == 1
        assert line.count("_{t-1}") + line.count(",t-1}") == text.count("_{t-1}")
        assert line.count(r"\tanh") + line.count(r"\sigma") == len(re.findall(r"\b(tanh|sigmoid)\(", text))
        assert "*" not in line
        commands = set(re.findall(r"\\([a-zA-Z]+)", line))
        functions = {"sigma", "tanh", "max", "min", "exp", "log", "sin", "cos", "sqrt"}
        assert commands <= {*functions, "mathrm", "odot", "oslash", "cdot", "lvert", "rvert", "bmod"}, line


def test_the_lstm_reads_as_in_the_papers() -> None:
    assert equations(CELLS["lstm"].program) == [
        "i_t = sigmoid(W_i [h_{t-1}, x_t] + b_i)",
        "f_t = sigmoid(W_f [h_{t-1}, x_t] + b_f)",
        "g_t = tanh(W_g [h_{t-1}, x_t] + b_g)",
        "o_t = sigmoid(W_o [h_{t-1}, x_t] + b_o)",
        "c_t = f_t * c_{t-1} + i_t * g_t",
        "h_t = o_t * tanh(c_t)",
    ]
    assert equations(CELLS["lstm"].program, "latex")[0] == r"i_{t} = \sigma(W_{i} \, [h_{t-1}, x_{t}] + b_{i})"


@pytest.mark.parametrize("name", CELLS)
def test_the_docstring_s_equations_are_the_program_s(name: str) -> None:
    written = [
        line.strip() for line in (CELLS[name].function.__doc__ or "").splitlines() if re.match(r"\s*\w+_t = ", line)
    ]
    without_remarks = [re.split(r"\s{3,}", line)[0] for line in written]
    assert sorted(without_remarks) == sorted(equations(CELLS[name].program))


@cell
def signs(x, h):  # type: ignore[no-untyped-def]
    """Everywhere that a parenthesis is needed, or a sign could meet a sign."""
    z = affine("z", h, x)
    a = (z - (h - z)) - (-z)
    b = (a / (2 * maximum(abs(h), 1.0))) / (-3.0)
    d = -(a + b) * -2 - (-0.5) * (a - 1e-05)
    e = affine("e", h, bias=False) * parameter("p") - -d
    f = 1 - (1 - (1 - e)) + (-1) * (-(0 - e) + -d)
    return tanh(f - (d - b)) + affine("w", h + h, -x, x * x)


def test_signs_and_parentheses_keep_the_meaning() -> None:
    _agree(signs.program, 1e-12)
    assert not any(re.search(r"[-+*/] -|--", line) for line in equations(signs.program)), equations(signs.program)


def test_states_that_change_places_are_printed_as_such() -> None:
    @cell
    def swap(x, h, c):  # type: ignore[no-untyped-def]
        return tanh(affine("h", h, c, x)), h

    assert equations(swap.program) == ["h_t = tanh(W_h [h_{t-1}, c_{t-1}, x_t] + b_h)", "c_t = h_{t-1}"]
    _agree(swap.program, 1e-12)


def test_a_state_s_own_name_goes_before_the_variable_s_that_held_it() -> None:
    @cell
    def renamed(x, h, c):  # type: ignore[no-untyped-def]
        new = tanh(affine("h", h, c, x))
        return new, new

    assert equations(renamed.program) == ["h_t = tanh(W_h [h_{t-1}, c_{t-1}, x_t] + b_h)", "c_t = h_t"]


def test_the_input_keeps_the_name_that_the_cell_gives_it() -> None:
    @cell
    def of_u(u, x):  # type: ignore[no-untyped-def]
        return tanh(affine("x", x, u))

    assert equations(of_u.program) == ["x_t = tanh(W_x [x_{t-1}, u_t] + b_x)"]
    _agree(of_u.program, 1e-12)


def test_every_digit_of_a_number_is_printed() -> None:
    @cell
    def digits(x, h):  # type: ignore[no-untyped-def]
        return 0.123456789012 * h + tanh(affine("h", x)) * 1e-07 / 3

    assert equations(digits.program) == ["h_t = 0.123456789012 * h_{t-1} + tanh(W_h x_t + b_h) * 1e-07 / 3"]
    _agree(digits.program, 1e-15)
    latex = r"h_{t} = 0.123456789012 \cdot h_{t-1} + \tanh(W_{h} \, x_{t} + b_{h}) \cdot 1 \cdot 10^{-7} / 3"
    assert equations(digits.program, "latex") == [latex]


def test_a_long_name_stands_upright_in_latex_and_its_index_below() -> None:
    @cell
    def long_names(x, h):  # type: ignore[no-untyped-def]
        gate_of_x = parameter("alpha") * affine("in_x", x) + parameter("p_i")
        return gate_of_x * h

    assert equations(long_names.program, "latex") == [
        r"\mathrm{gate}_{of x,t} = \mathrm{alpha} \odot (W_{\mathrm{in\_x}} \, x_{t} + b_{\mathrm{in\_x}}) + p_{i}",
        r"h_{t} = \mathrm{gate}_{of x,t} \odot h_{t-1}",
    ]


def test_what_would_be_too_long_is_written_in_parts() -> None:
    def doubled(power, times):
        return doubled(power * power, times - 1) if times else power

    @cell
    def powers(x, h):
        power = doubled(affine("h", h, x), 40)
        return tanh(power)

    lines = equations(powers.program)
    assert sum(map(len, lines)) < 20_000  # and not 2 ** 40
    assert lines[0].startswith("part_")
    assert lines[-2].startswith("power_t = part_")
    assert lines[-1] == "h_t = tanh(power_t)"
    assert equations(powers.program, "latex")[0].startswith(r"\mathrm{part}")


@pytest.mark.parametrize("depth", [3, 10, 100])
def test_equations_grow_with_the_number_of_values_and_not_with_their_uses(depth: int) -> None:
    def layer(h, number, *x):
        t = sigmoid(affine(f"t{number}", h, *x))
        return t * tanh(affine(f"h{number}", h, *x)) + (1 - t) * h

    def layers(x, h, number=0):
        return layers(x, layer(h, number, *[x] * (number == 0)), number + 1) if number < depth else h

    @cell
    def highway(x, h):
        return layers(x, h)

    lines = equations(highway.program)
    gate = "sigmoid(W_t0 [h_{t-1}, x_t] + b_t0)"
    assert lines[0] == f"part_1_t = {gate} * tanh(W_h0 [h_{{t-1}}, x_t] + b_h0) + (1 - {gate}) * h_{{t-1}}"
    assert len(lines) == depth
    assert len("\n".join(lines)) < 200 * depth


def test_what_is_short_is_written_again() -> None:
    @cell
    def twice(x, h):
        return (1 - h) * affine("h", x) + tanh(1 - h)

    assert equations(twice.program) == ["h_t = (1 - h_{t-1}) * (W_h x_t + b_h) + tanh(1 - h_{t-1})"]


@pytest.mark.parametrize("name", CELLS)
def test_the_equations_of_every_cell_are_short(name: str) -> None:
    for notation in ("plain", "latex"):
        assert len("\n".join(equations(CELLS[name].program, notation))) < 2_000
