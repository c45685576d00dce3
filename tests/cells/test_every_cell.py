"""Every cell against its paper's equations in NumPy, its derivatives, both engines, its saved form and its limits.

There are many cells, so each is compiled once for each type of numbers, and a test holds all that one compilation can.
"""

import importlib
import json
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from oracles.paper import Step, Weights, drawn, run
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call

from ricorda.catalogue import CELLS, FAMILIES
from ricorda.nn import Recurrent
from ricorda.program.ir import Program
from ricorda.program.show import equations

D = torch.float64
T, B, I, H = 4, 3, 2, 3
LENGTHS = [4, 2, 3]


def oracle(name: str) -> Step:
    step: Step = getattr(importlib.import_module(f"oracles.{CELLS[name].family}"), name)
    return step


def layer_of(name: str, engine: str, dtype: torch.dtype = D) -> Recurrent:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # An engine that cannot serve says so by a warning.
        return Recurrent(name, I, H, bidirectional=True, engine=engine, dtype=dtype)


def numbers(layer: Recurrent, seed: int = 0) -> tuple[list[Tensor], list[Tensor]]:
    """The inputs [T, B, size] and states [2, B, size], all of which want a gradient; a mask has zeros and ones."""
    generator = torch.Generator().manual_seed(seed)
    program, sizes = layer.program, layer.stack.sizes[0]
    x, *others = (torch.randn(T, B, sizes[one.size], generator=generator, dtype=D) for one in program.inputs)
    others = [
        (values > 0).to(D) if one.name == "mask" else values.abs() + 0.1
        for one, values in zip(program.inputs[1:], others, strict=True)
    ]
    states = [torch.randn(2, B, sizes[state.size], generator=generator, dtype=D) for state in program.states]
    return [one.requires_grad_() for one in (x, *others)], [state.requires_grad_() for state in states]


def results(
    layer: Recurrent, weights: dict[str, Tensor], inputs: list[Tensor], states: list[Tensor]
) -> tuple[Tensor, ...]:
    """The output and the final states of rows of several lengths."""
    state = tuple(states) if len(states) > 1 else states[0] if states else None
    named = {one.name: values for one, values in zip(layer.program.inputs[1:], inputs[1:], strict=True)}
    others = {"inputs": named} if named else {}
    output, final = functional_call(layer, weights, (inputs[0], state, torch.tensor(LENGTHS)), others)
    return output, *(final if isinstance(final, tuple) else (final,))


def as_a_function(layer: Recurrent) -> tuple[Any, list[Tensor]]:
    """The layer as a function of all that a gradient can be asked of, and the arguments."""
    inputs, states = numbers(layer)
    weights = {name: weight.detach().clone().requires_grad_() for name, weight in layer.named_parameters()}
    first = len(weights) + len(inputs)

    def function(*tensors: Tensor) -> tuple[Tensor, ...]:
        named = dict(zip(weights, tensors, strict=False))
        return results(layer, named, [*tensors[len(weights) : first]], [*tensors[first:]])

    return function, [*weights.values(), *inputs, *states]


def test_the_families_are_those_of_the_oracles() -> None:
    for family in FAMILIES:
        theirs = vars(importlib.import_module(f"oracles.{family}"))
        ours = {name for name, cell in CELLS.items() if cell.family == family}
        written = {
            name for name, value in theirs.items() if callable(value) and not name.startswith("_") and name in CELLS
        }
        assert ours <= written


@pytest.mark.parametrize("name", CELLS)
def test_the_equations(name: str) -> None:
    layer = drawn(layer_of(name, "reference"))
    inputs, states = numbers(layer)
    ours = results(layer, {}, inputs, states)
    given = [values.detach().numpy() for values in inputs]
    for direction, suffix in enumerate(("_l0", "_l0_reverse")):
        start = [state[direction].detach().numpy() for state in states]
        theirs = run(oracle(name), Weights(layer, suffix), given, start, LENGTHS, direction == 1)
        size = ours[0].shape[2] // 2
        compared = [ours[0][..., direction * size : (direction + 1) * size], *(final[direction] for final in ours[1:])]
        for our, their in zip(compared, theirs, strict=True):
            np.testing.assert_allclose(our.detach().numpy(), their, rtol=1e-10, atol=1e-10)
    function, arguments = as_a_function(layer)
    assert gradcheck(function, arguments, fast_mode=True)


@pytest.mark.parametrize("name", CELLS)
def test_the_cpu_engine(name: str) -> None:
    slow = drawn(layer_of(name, "reference"))
    fast = layer_of(name, "cpu")
    fast.load_state_dict(slow.state_dict())
    function, arguments = as_a_function(fast)
    expected = as_a_function(slow)[0](*arguments)
    compared = function(*arguments)
    cotangents = [torch.randn_like(value) for value in expected]
    gradients = [  # A state may be an output alone, which no step reads.
        torch.autograd.grad(values, arguments, cotangents, allow_unused=True, materialize_grads=True)
        for values in (compared, expected)
    ]
    for our, their in zip([*compared, *gradients[0]], [*expected, *gradients[1]], strict=True):
        torch.testing.assert_close(our, their, atol=1e-10, rtol=1e-10)
    assert gradcheck(function, arguments, fast_mode=True)
    assert gradgradcheck(function, arguments, fast_mode=True)


@pytest.mark.parametrize("name", CELLS)
def test_the_saved_form(name: str) -> None:
    program = CELLS[name].program
    assert Program.from_json(json.loads(json.dumps(program.to_json()))) == program
    assert sum(map(len, equations(program))) < 2000


@pytest.mark.parametrize("scale", [0.0, 300.0])
@pytest.mark.parametrize("name", CELLS)
def test_the_limits(name: str, scale: float) -> None:
    """At zero and far from it, values and gradients are finite in float32, on both engines."""
    for engine in ("reference", "cpu"):
        layer = layer_of(name, engine, torch.float32)
        inputs, _ = numbers(layer)
        scaled = [(scale * values).float().detach().requires_grad_() for values in inputs]
        values = results(layer, {}, scaled, [])  # From the states that the cell begins with.
        values = tuple(value for value in values if value.requires_grad)  # A long delay has no gradient yet.
        wanted = [*scaled, *layer.parameters()]
        gradients = torch.autograd.grad(
            values, wanted, list(map(torch.ones_like, values)), allow_unused=True, materialize_grads=True
        )
        for value in [*values, *gradients]:
            assert torch.isfinite(value).all(), engine
