"""Programs with their weights, lowered to the stages of a step, compute what the layer computes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from sized_cells import SIZED, sized_programs
from step_by_hand import ByHand

from ricorda import affine, cell, delay, exp, largest, mean, parameter, softmax, sum, tanh
from ricorda.catalogue import CELLS
from ricorda.export.stages import Product, Units
from ricorda.export.step import steps_of
from ricorda.nn import Recurrent

STEPS = 12


def compare(layer: Recurrent, tolerance: float = 1e-5) -> None:
    """A layer's outputs and final states beside those of its steps by hand."""
    torch.manual_seed(1)
    program, sizes = layer.program, layer.stack.sizes[0]
    x = torch.randn(STEPS, 1, layer.input_size)
    beside = {v.name: torch.rand(STEPS, 1, sizes[v.size]) for v in program.inputs[1:]}
    layer.engine = "reference"  # which compiles nothing
    with torch.no_grad():
        expected, finals = layer.eval()(x, inputs=beside)
    finals = finals if isinstance(finals, tuple) else (finals,)
    steps = [ByHand(directions[0]) for directions in steps_of(layer)]
    name = program.inputs[0].name
    for t in range(STEPS):
        y = x[t, 0].numpy()
        for step in steps:
            y = step({name: y, **{key: values[t, 0].numpy() for key, values in beside.items()}})
        np.testing.assert_allclose(y, expected[t, 0].numpy(), rtol=tolerance, atol=tolerance)
    for level, step in enumerate(steps):
        for state, final in zip(program.states, finals, strict=True):  # An output that is no state is kept beside them.
            values = step.states[state.name]
            np.testing.assert_allclose(values, final[level, 0, : len(values)].numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_of_the_catalogue(name: str) -> None:
    torch.manual_seed(0)
    compare(Recurrent(name, 3, 4))


@pytest.mark.parametrize("name", SIZED)
@pytest.mark.parametrize("sizes", [(3, 4), (4, 4), (1, 1), (1, 5), (6, 1)], ids=str)
def test_states_and_inputs_of_other_sizes(name: str, sizes: tuple[int, int]) -> None:
    torch.manual_seed(0)
    compare(Recurrent(SIZED[name][0], *sizes))


@cell
def swapped(x, h, c):
    """Two states that change places, each moved on by what it was."""
    return c, tanh(affine("a", x, h)) + 0.1 * tanh(c) * h


@cell
def turned(x, a, b, c):
    """Three states that go round unchanged; only the last is written to."""
    return b, c, tanh(affine("a", x, a))


@cell(sizes={"n": 1})
def spread(x, h, n):
    """A number a row that becomes all units of a state, and is made of all of them."""
    z = affine("z", h, x)
    return n + 0 * (z + h), tanh(affine("n", h, x, n, size=1))


@cell
def repeated(x, h):
    """Numbers that are the same for all units are multiplied by matrices and summed as vectors."""
    top = largest(affine("a", x, h)) - mean(h)
    return tanh(affine("b", top, x)) + sum(top) / 100 + softmax(h)


@cell
def products_of_products(x, h):
    """A product that reads another, and one that is a state as it is."""
    return affine("c", affine("b", affine("a", x, h)), x)


@cell
def remembering(x, h):
    """Delays of the input and the state, and a state that does not begin with zero."""
    return tanh(affine("a", x, delay(x, 2), delay(h, 3))) * parameter("p") + exp(-abs(h))


OWN = [swapped, turned, spread, repeated, products_of_products, remembering]


@pytest.mark.parametrize("own", OWN, ids=lambda own: own.name)
@pytest.mark.parametrize("sizes", [(3, 4), (4, 4), (1, 1), (1, 5), (6, 1)], ids=str)
def test_states_that_wait_for_each_other(own, sizes: tuple[int, int]) -> None:
    torch.manual_seed(0)
    compare(Recurrent(own, *sizes))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("lstm", {"num_layers": 3}),
        ("lstm", {"proj_size": 2, "num_layers": 2}),
        ("lstm", {"layer_norm": True, "num_layers": 2}),
        ("gru", {"layer_norm": True, "zoneout": 0.3, "bias": False}),
        ("lstm", {"zoneout": {"c": 0.2, "h": 0.1}, "weight_drop": 0.5, "recurrent_dropout": 0.5, "state_dropout": 0.2}),
        ("lstm", {"dtype": torch.float64}),
        ("lstm", {"dtype": torch.bfloat16}),
        ("antisymmetric", {"num_layers": 2}),
    ],
    ids=str,
)
def test_layers_and_their_options(name: str, options) -> None:
    torch.manual_seed(0)
    layer = Recurrent(name, 5, 4, **options)
    with torch.no_grad():
        for weight in layer.parameters():
            weight += 0.1 * torch.rand_like(weight)  # Gains of 1 and shifts of 0 would hide a missing one.
    compare(layer.float())


@settings(max_examples=12, deadline=None, derandomize=True)
@given(sized_programs())
def test_random_cells_of_several_sizes(program) -> None:
    torch.manual_seed(0)
    compare(Recurrent(program, 2, 5), 1e-4)


def test_both_directions_have_a_step_each() -> None:
    layer = Recurrent("gru", 3, 4, num_layers=2, bidirectional=True)
    levels = steps_of(layer)
    assert [[step.inputs for step in level] for level in levels] == [[{"x": 3}] * 2, [{"x": 8}] * 2]
    assert not np.array_equal(levels[0][0].stages[0].matrices[0], levels[0][1].stages[0].matrices[0])


def test_a_step_has_few_stages_and_little_memory() -> None:
    (lstm,), (gru,) = (steps_of(Recurrent(name, 3, 4))[0] for name in ("lstm", "gru"))
    assert [type(stage) for stage in lstm.stages] == [Product, Units]
    assert lstm.stages[0].matrices[0].shape == (16, 4)
    assert lstm.scratch == 16  # The gates; both states are written where they were read.
    assert [home.kind for home, _ in lstm.stages[1].stores] == ["state", "state"]
    assert lstm.operations == {"sigmoid", "tanh", "multiply", "add"}
    assert lstm.output.name == "h"
    assert [type(stage) for stage in gru.stages] == [Product, Units, Product, Units]
    assert gru.scratch == 4 * 4  # z, r, r * h, candidate: the last takes the place of r.
