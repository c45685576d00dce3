"""Functions of learned vectors alone are computed once a call: the same numbers, and no long function in the loops."""

from __future__ import annotations

import pytest
import torch
from engine_cases import Case, check, every_name

from ricorda import Recurrent, affine, cell, parameter, sigmoid, softplus, tanh
from ricorda.engines.cpu import engine as cpu
from ricorda.engines.cpu.run.of_parameters import _outside, outside_of_stack
from ricorda.program.ir import Program
from ricorda.program.operations import OPERATIONS


@cell
def leaky(x, h, c):
    rate = parameter("rate")
    f = sigmoid(2 * rate)
    size = softplus(rate) * parameter("scale")
    c = f * c + (1 - f) * tanh(affine("c", h, x))
    h = size * c + rate
    return h, c


@cell
def plain(x, h):
    return tanh(affine("h", h, x) + 2 * parameter("shift"))


def _long(program: Program) -> list[str]:
    return [value.op for value in program.values if value.op in OPERATIONS and OPERATIONS[value.op].long]


def test_the_fewest_vectors_stand_for_them() -> None:
    found = _outside(leaky.program)
    assert found is not None
    assert _long(found.program) == ["tanh"]
    learned = [value.name for value in found.program.values if value.op == "parameter"]
    assert len(learned) == 3  # f, from which 1 - f is made, the size, and the rate, which is also read as it is.
    assert "scale" not in learned


def test_without_a_long_function_a_program_stays_as_it_is() -> None:
    assert _outside(plain.program) is None
    stack, weights = Recurrent(plain, 3, 4).stack, [torch.zeros(1)]
    assert outside_of_stack(stack, weights) == (stack, weights)


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("bias", [True, False])
def test_results_and_gradients_are_the_reference_s(recorded: bool, bias: bool) -> None:
    program = leaky.program
    record = every_name(program) if recorded else ()
    check(Case(program, T=5, B=3, I=3, H=9, lengths=[2, 5, 0], bias=bias, record=record), cpu)


@pytest.mark.parametrize("grad", [True, False])
def test_a_stack_of_layers_in_both_directions(grad: bool) -> None:
    layer = Recurrent(leaky, 3, 5, num_layers=2, bidirectional=True, engine="cpu", dtype=torch.float64)
    other = Recurrent(leaky, 3, 5, num_layers=2, bidirectional=True, engine="reference", dtype=torch.float64)
    other.load_state_dict(layer.state_dict())
    x = torch.randn(4, 2, 3, dtype=torch.float64)
    with torch.set_grad_enabled(grad):
        ours, theirs = layer(x)[0], other(x)[0]
    torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=0.0)
    if grad:
        gradients = [
            torch.autograd.grad(y.square().sum(), list(of.parameters())) for y, of in ((ours, layer), (theirs, other))
        ]
        for own, expected in zip(*gradients, strict=True):
            torch.testing.assert_close(own, expected, atol=1e-11, rtol=0.0)


def test_what_was_learned_meanwhile_counts() -> None:
    layer, x = Recurrent(leaky, 3, 5, engine="cpu"), torch.randn(4, 2, 3)
    with torch.no_grad():
        before = layer(x)[0]
        layer.rate_l0.add_(1.0)
        after = layer(x)[0]
    assert not torch.equal(before, after)
    layer.engine = "reference"
    with torch.no_grad():
        torch.testing.assert_close(after, layer(x)[0])
