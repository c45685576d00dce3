"""Cells that nobody thought of: Hypothesis writes their source, the engine runs their programs.

The same source is run once more with torch's functions, for one row and one step at a time: what comes out must agree.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_cells import BINARY, SIGNS, TWICE, UNARY, sources, traced
from torch import Tensor
from torch.autograd import gradcheck

import ricorda
from ricorda.engines import Request, reference
from ricorda.program.ir import Program
from ricorda.program.operations import OPERATIONS
from ricorda.program.weights import layout

I, H, T, B = 3, 2, 4, 3
D = torch.float64
CLOSE = {"atol": 1e-10, "rtol": 1e-10}


def random_parameters(program: Program) -> dict[str, Tensor]:
    sizes = {"I": I, "H": H}
    return {
        name: torch.randn(
            sum(sizes[row] for row in shape.rows), *([] if shape.columns is None else [sizes[shape.columns]]), dtype=D
        )
        for name, shape in layout(program).shapes.items()
    }


def _of_numbers(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda *values: function(*(torch.as_tensor(value, dtype=D) for value in values))


FUNCTIONS = {
    "sigmoid": _of_numbers(lambda a: 1 / (1 + torch.exp(-a))),
    "tanh": _of_numbers(torch.tanh),
    "relu": _of_numbers(lambda a: torch.where(a > 0, a, 0 * a)),
    "softplus": _of_numbers(lambda a: torch.logaddexp(a, torch.zeros_like(a))),
    "exp": _of_numbers(torch.exp),
    "log": _of_numbers(torch.log),
    "sqrt": _of_numbers(lambda a: a**0.5),
    "maximum": _of_numbers(lambda a, b: torch.where(a > b, a, b)),
    "minimum": _of_numbers(lambda a, b: torch.where(a < b, a, b)),
    "sin": _of_numbers(torch.sin),
    "cos": _of_numbers(torch.cos),
    "sign": _of_numbers(torch.sign),
    "hard_sigmoid": _of_numbers(lambda a: (a / 6 + 0.5).clamp(0, 1)),
    "log_sigmoid": _of_numbers(torch.nn.functional.logsigmoid),
    "sum": _of_numbers(lambda a: a.sum().expand_as(a)),
    "mean": _of_numbers(lambda a: a.mean().expand_as(a)),
    "largest": _of_numbers(lambda a: a.max().expand_as(a)),
    "softmax": _of_numbers(lambda a: a.softmax(-1)),
    "safe_sqrt": _of_numbers(torch.sqrt),
    "safe_divide": _of_numbers(torch.divide),
    "where": _of_numbers(lambda condition, a, b: torch.where(condition != 0, a, b)),
}


@dataclass
class Direct:
    """The language of cells over vectors of numbers; affines take the next rows of the weights, as documented."""

    parameters: Mapping[str, Tensor]
    taken: dict[str, int] = field(default_factory=dict)

    def rows(self, name: str) -> Tensor:
        first = self.taken.get(name, 0)
        self.taken[name] = first + H
        return self.parameters[name][first : first + H]

    def affine(self, name: str, *operands: Tensor, bias: bool = True) -> Tensor:
        result = torch.zeros(H, dtype=D)
        recurrent = 0
        for operand in operands:
            if len(operand) == I:
                weight = self.rows("weight_ih")
            else:
                recurrent += 1
                weight = self.rows("weight_hh" + (str(recurrent) if recurrent > 1 else ""))
            result = result + weight @ operand
        if bias and recurrent < len(operands):
            result = result + self.rows("bias_ih")
        if bias and recurrent:
            result = result + self.rows("bias_hh")
        return result

    def step(self, source: str, x: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        self.taken.clear()
        language: dict[str, Any] = {**FUNCTIONS, "affine": self.affine, "parameter": self.parameters.__getitem__}
        exec(source, language)
        new = language["drawn"](x, *states)
        assert {name: len(self.parameters[name]) for name in self.taken} == self.taken  # no row is left over
        return new if isinstance(new, tuple) else (new,)


@pytest.mark.parametrize("reverse", [False, True])
@settings(max_examples=80)
@given(
    source=sources(), lengths=st.none() | st.lists(st.integers(0, T), min_size=B, max_size=B), seed=st.integers(0, 99)
)
def test_the_engine_runs_a_cell_as_it_is_written(
    reverse: bool, source: str, lengths: list[int] | None, seed: int
) -> None:
    program = traced(source)
    torch.manual_seed(seed)
    parameters = random_parameters(program)
    x = torch.randn(T, B, I, dtype=D)
    states = [torch.randn(B, H, dtype=D) for _ in program.states]
    given_lengths = None if lengths is None else torch.tensor(lengths)
    run = reference.run(Request(program, parameters, x, states, given_lengths, reverse))
    direct = Direct(parameters)
    for row in range(B):
        length = T if lengths is None else lengths[row]
        current = tuple(state[row] for state in states)
        for t in reversed(range(length)) if reverse else range(length):
            new = direct.step(source, x[t, row], current)
            current = new[-len(states) :]  # An output that is no state stands before them.
            torch.testing.assert_close(run.output[t, row], new[0], **CLOSE)
        assert torch.equal(run.output[length:, row], torch.zeros(T - length, H, dtype=D))
        for ours, theirs in zip(run.states, current, strict=True):
            torch.testing.assert_close(ours[row], theirs, **CLOSE)


@settings(max_examples=10)
@given(source=sources(depth=2), reverse=st.booleans())
def test_a_cell_s_gradient_is_its_derivative(source: str, reverse: bool) -> None:
    program = traced(source)
    torch.manual_seed(1)
    parameters = random_parameters(program)
    x = torch.randn(2, 2, I, dtype=D)
    states = [torch.randn(2, H, dtype=D) for _ in program.states]
    wanted = [each.requires_grad_() for each in [*parameters.values(), x, *states]]

    def outputs(*values: Tensor) -> tuple[Tensor, ...]:
        given_parameters = dict(zip(parameters, values, strict=False))
        given_x, *given_states = values[len(parameters) :]
        lengths = torch.tensor([2, 1])
        run = reference.run(Request(program, given_parameters, given_x, given_states, lengths, reverse))
        return run.output, *run.states

    assert gradcheck(outputs, wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name in SIGNS or name in FUNCTIONS])
def test_every_operation_occurs_in_the_random_cells(name: str) -> None:
    assert {name for name in OPERATIONS if name in ricorda.__all__} == FUNCTIONS.keys() & OPERATIONS.keys()
    assert any(SIGNS.get(name, name + "(") in template for template in UNARY + TWICE + BINARY)
