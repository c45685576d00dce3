"""Jacobians, their products and Lyapunov exponents, against dense linear algebra and closed forms."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from test_insight_gradients import CELLS, layer_of, linear_layer, same, symmetric
from torch import Tensor

from ricorda import affine, cell, tanh
from ricorda.insight.gradients import jacobians as jacobian
from ricorda.insight.gradients.trail import trail_of
from ricorda.insight.gradients.view import gradient_flow
from ricorda.nn import Recurrent


def explicit(layer: Recurrent, x: Tensor, states: Tensor) -> Tensor:
    """The Jacobian [S, S] of one step of a row that reads x [I] and begins with a joint state [S]."""

    def step(joint: Tensor) -> Tensor:
        parts = tuple(part[None, None] for part in joint.split(layer.hidden_size))
        _, new = layer(x[None, None], parts if len(parts) > 1 else parts[0])
        return torch.cat([each[0, 0] for each in (new if isinstance(new, tuple) else (new,))])

    found: Tensor = torch.autograd.functional.jacobian(step, states)  # type: ignore[no-untyped-call]
    return found


def all_explicit(layer: Recurrent, x: Tensor) -> Tensor:
    """Of every step and row, the last step first, [T, B, S, S]."""
    count = len(layer.program.states)
    found = []
    for row in range(x.shape[1]):
        joint = torch.zeros(count * layer.hidden_size, dtype=torch.float64)
        of_row = []
        for step in x[:, row]:
            of_row.insert(0, explicit(layer, step, joint))
            parts = tuple(part[None, None] for part in joint.split(layer.hidden_size))
            _, new = layer(step[None, None], parts if count > 1 else parts[0])
            joint = torch.cat([each[0, 0] for each in (new if count > 1 else (new,))]).detach()
        found.append(torch.stack(of_row))
    return torch.stack(found, dim=1)


@pytest.mark.parametrize("of", CELLS)
def test_spectra_and_products_are_those_of_explicit_jacobians(of: Any) -> None:
    layer = layer_of(of, engine="reference")
    x = torch.randn(7, 2, 3, dtype=torch.float64)
    theirs = all_explicit(layer, x).numpy()
    flow = gradient_flow(layer, x)
    assert flow.spectra is not None
    assert flow.log10_products is not None
    values = np.linalg.svd(theirs, compute_uv=False)
    np.testing.assert_allclose(flow.spectra, values, rtol=1e-12, atol=1e-12 * values.max())
    for row in range(2):
        product = np.eye(theirs.shape[-1])
        for d in range(7):
            same(10 ** flow.log10_products[d, row], np.linalg.norm(product, 2))
            product = product @ theirs[d, row]


def test_jacobians_do_not_depend_on_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = layer_of("lstm")
    x = torch.randn(9, 3, 3, dtype=torch.float64)
    trail = trail_of(layer, x, torch.full((3,), 9), None, level=0, reverse=False, steps=9)
    whole = jacobian.jacobians(trail)
    monkeypatch.setattr(jacobian, "_AT_ONCE", 4 * 100)
    torch.testing.assert_close(jacobian.jacobians(trail), whole, rtol=1e-13, atol=1e-15)


def test_large_layers_are_followed_over_fewer_rows_then_fewer_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = layer_of("lstm")
    x = torch.randn(9, 6, 3, dtype=torch.float64)
    for largest, shape in ((10**6, (9, 4)), (2 * 9 * 100, (9, 2)), (500, (5, 1)), (1, (1, 1))):
        monkeypatch.setattr(jacobian, "LARGEST", largest)
        flow = gradient_flow(layer, x)
        assert flow.spectra is not None
        assert flow.spectra.shape == (*shape, 10)
        assert flow.output.norms.shape == (9, 6)


@pytest.mark.parametrize("largest", [0.8, 0.01, 1e-5, 30.0])
def test_products_stay_right_where_no_float_can_hold_them(largest: float) -> None:
    values = [largest, 0.4 * largest, -0.1 * largest]
    flow = gradient_flow(linear_layer(symmetric(values)), torch.zeros(251, 1, 2), steps=251)
    assert flow.log10_products is not None
    same(flow.log10_products[1:, 0], np.arange(1, 251) * math.log10(largest), 1e-12)  # -500 and beyond


def test_products_of_a_cell_that_squeezes_first_one_side_then_the_other() -> None:
    steps = torch.stack(
        [torch.diag(torch.tensor(each, dtype=torch.float64)) for each in ([1e-200, 1.0], [1.0, 1e-250])]
    )
    logs = jacobian.log_products(torch.cat([steps, steps[:1]])[:, None])
    same(logs[:, 0], [0.0, 0.0, math.log(1e-200)])


def test_exponents_of_a_linear_cell_are_the_logarithms_of_its_singular_values() -> None:
    values = [0.3, 1.1, -0.9, 0.5, -0.7]
    layer = linear_layer(symmetric(values))
    flow = gradient_flow(layer, torch.randn(60, 2, 2), seed=1)
    assert flow.exponents is not None
    theirs = np.log(np.linalg.svd(layer.weight_hh_l0.detach().numpy(), compute_uv=False))
    for row in flow.exponents:
        np.testing.assert_allclose(row, theirs, rtol=0, atol=1e-9)
    same(flow.largest_exponent, math.log(1.1), 1e-9)


def test_exponents_are_those_of_the_product_whatever_the_basis() -> None:
    layer = layer_of("gru", units=4)
    x = torch.randn(6, 2, 3, dtype=torch.float64)
    trail = trail_of(layer, x, torch.full((2,), 6), None, level=0, reverse=False, steps=6)
    steps = jacobian.jacobians(trail)
    for seed in range(3):
        found = jacobian.lyapunov_exponents(steps, torch.tensor([6, 6]), seed=seed)
        for row in range(2):
            product = np.linalg.multi_dot(list(steps[:, row].numpy()))
            theirs = np.log(np.linalg.svd(product, compute_uv=False)) / 6
            np.testing.assert_allclose(found[row], theirs, rtol=0, atol=1e-6)


def test_a_basis_along_the_axes_would_not_find_the_largest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jacobian, "LEADING", 1)
    steps = torch.diag(torch.tensor([0.1, 0.9], dtype=torch.float64)).expand(30, 1, 2, 2)
    same(jacobian.lyapunov_exponents(steps, torch.tensor([30])), [[math.log(0.9)]], 1e-9)


def test_a_cell_that_does_not_look_back() -> None:
    @cell
    def forgetful(x, h):  # type: ignore[no-untyped-def]
        return tanh(affine("h", x))

    flow = gradient_flow(forgetful, steps=5, rows=2, hidden_size=3)
    assert flow.spectra is not None
    assert flow.exponents is not None
    assert flow.shares is None
    assert not flow.spectra.any()
    assert np.isneginf(flow.exponents).all()
    assert (flow.memory_length, flow.verdict) == (1, "vanishes")
