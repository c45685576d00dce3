"""The classic cells against their papers in double precision, their derivatives, and their records."""

import pytest
import torch
from oracles.classic import CLASSIC, ROWS, STEPS, weights_of
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from ricorda import affine, cell, tanh
from ricorda.engines import Request, reference
from ricorda.nn import Recurrent
from ricorda.program.ir import Program
from ricorda.program.weights import layout

CLOSE = {"atol": 1e-10, "rtol": 0.0}
D = torch.float64


@cell
def two_operands(x, h, c):
    """A cell with a matrix for each of two states in one affine."""
    c = 0.5 * c + tanh(affine("c", h, x, c))
    return tanh(affine("h", x, c, h, bias=False)), c


@pytest.mark.parametrize("name", CLASSIC)
def test_a_cell_is_its_paper_s_equations(name: str) -> None:
    layer = Recurrent(name, 3, 4, bidirectional=True, dtype=D)
    x = torch.randn(7, 5, 3, dtype=D)
    states = [torch.randn(2, 5, 4, dtype=D) for _ in CLASSIC[name].program.states]
    output, final = layer(x, tuple(states) if len(states) > 1 else states[0])
    finals = final if isinstance(final, tuple) else (final,)
    for direction, suffix in enumerate(("_l0", "_l0_reverse")):
        weights = weights_of(layer, name, suffix)
        current = tuple(state[direction] for state in states)
        for t in range(7) if direction == 0 else reversed(range(7)):
            current = STEPS[name](weights, x[t], *current)
            torch.testing.assert_close(output[t, :, 4 * direction : 4 * direction + 4], current[0], **CLOSE)
        for ours, theirs in zip(finals, current, strict=True):
            torch.testing.assert_close(ours[direction], theirs, **CLOSE)


PROGRAMS: dict[str, Program] = {
    **{name: each.program for name, each in CLASSIC.items()},
    "lstm, projected": CLASSIC["lstm"].projected_program,
    "two operands": two_operands.program,
}
SIZES = {"I": 3, "H": 3, "P": 2}


def arguments(program: Program, seed: int = 0) -> tuple[list[str], list[Tensor]]:
    """Parameters, input [3, 2, I] and states, all of which want a gradient."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {
        name: [sum(SIZES[row] for row in shape.rows), *([] if shape.columns is None else [SIZES[shape.columns]])]
        for name, shape in layout(program).shapes.items()
    }
    sizes = [*shapes.values(), [3, 2, 3], *([2, SIZES[state.size]] for state in program.states)]
    return [*shapes], [torch.randn(size, dtype=D, generator=generator).requires_grad_() for size in sizes]


def function(program: Program, names: list[str], *, reverse: bool, lengths: list[int] | None):
    def run(*tensors: Tensor) -> tuple[Tensor, ...]:
        weights = dict(zip(names, tensors, strict=False))
        x, *states = tensors[len(names) :]
        rows = None if lengths is None else torch.tensor(lengths)
        result = reference.run(Request(program, weights, x, states, rows, reverse))
        return result.output, *result.states

    return run


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_gradient_is_that_of_finite_differences(name: str, reverse: bool) -> None:
    names, tensors = arguments(PROGRAMS[name])
    assert gradcheck(function(PROGRAMS[name], names, reverse=reverse, lengths=[3, 1]), tensors)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_second_gradient_is_that_of_finite_differences(name: str) -> None:
    names, tensors = arguments(PROGRAMS[name])
    assert gradgradcheck(function(PROGRAMS[name], names, reverse=False, lengths=[2, 3]), tensors)


@pytest.mark.parametrize("name", CLASSIC)
def test_every_named_value_is_recorded_for_every_layer_step_and_direction(name: str) -> None:
    program = CLASSIC[name].program
    layer = Recurrent(name, 3, 4, num_layers=2, bidirectional=True, dtype=D)
    x = torch.randn(5, 2, 3, dtype=D)
    names = [each for each, _ in program.names]
    output, _, records = layer(x, record=names)
    assert set(records) == set(names)
    for values in records.values():
        assert values.shape == (2, 2, 5, 2, 4)
    first = program.states[0].name
    torch.testing.assert_close(records[first][1, 0], output[..., :4], **CLOSE)
    torch.testing.assert_close(records[first][1, 1], output[..., 4:], **CLOSE)

    entering = x
    for level in range(2):
        for direction, suffix in enumerate((f"_l{level}", f"_l{level}_reverse")):
            weights = weights_of(layer, name, suffix)
            state = tuple(torch.zeros(2, 4, dtype=D) for _ in program.states)
            for t in range(5) if direction == 0 else reversed(range(5)):
                for affine_name in ROWS[name][0].split():
                    if "U" + affine_name in weights and affine_name != "a":
                        z = entering[t] @ weights["W" + affine_name].T + state[0] @ weights["U" + affine_name].T
                        z = z + weights["b" + affine_name]
                        torch.testing.assert_close(records["z_" + affine_name][level, direction, t], z, **CLOSE)
                state = STEPS[name](weights, entering[t], *state)
                for declared, value in zip(program.states, state, strict=True):
                    torch.testing.assert_close(records[declared.name][level, direction, t], value, **CLOSE)
        entering = torch.cat([records[first][level, 0], records[first][level, 1]], dim=-1)


def test_gates_are_recorded_after_their_activation_and_preactivations_before() -> None:
    _, _, records = Recurrent("lstm", 3, 4)(torch.randn(5, 2, 3), record=("i", "z_i", "g", "z_g"))
    torch.testing.assert_close(records["i"], torch.sigmoid(records["z_i"]))
    torch.testing.assert_close(records["g"], torch.tanh(records["z_g"]))
