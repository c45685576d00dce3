"""What the weights of cells start with is what their papers say."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from ricorda.nn import Recurrent

I, H = 3, 64


def start(name: str, **options: Any) -> dict[str, Tensor]:
    layer = Recurrent(name, I, H, dtype=torch.float64, **options)
    tensors = [*layer.named_parameters(), *layer.named_buffers()]
    return {key.removesuffix("_l0"): value.detach() for key, value in tensors}


def within(values: Tensor, low: float, high: float) -> None:
    """All values are between two numbers, and spread over half of what is between them."""
    assert low <= float(values.min())
    assert float(values.max()) <= high
    assert float(values.max() - values.min()) > (high - low) / 2


def test_the_irnn_starts_as_the_identity() -> None:
    of = start("irnn")
    assert torch.equal(of["weight_hh"], torch.eye(H, dtype=torch.float64))
    assert float(of["weight_ih"].abs().max()) < 0.01
    assert not of["bias_ih"].any()
    assert not of["bias_hh"].any()
    assert torch.equal(start("irnn(scale=0.5)")["weight_hh"], 0.5 * of["weight_hh"])


@pytest.mark.parametrize(("name", "numbers"), [("fastrnn", (-3.0, 3.0)), ("fastgrnn", (1.0, -4.0))])
def test_fast_cells_start_by_keeping(name: str, numbers: tuple[float, float]) -> None:
    of = start(name)
    names = ("alpha", "beta") if name == "fastrnn" else ("zeta", "nu")
    assert tuple(float(of[each]) for each in names) == numbers


@pytest.mark.parametrize(
    ("name", "gate", "gates", "bias"), [("ugrnn", 1, 2, 1.0), ("cfn", 0, 2, 1.0), ("cfn", 1, 2, -1.0)]
)
def test_gates_start_open_or_shut(name: str, gate: int, gates: int, bias: float) -> None:
    of = start(name)
    whole = of["bias_ih"].chunk(gates)[gate] + of["bias_hh"].chunk(gates)[gate]
    torch.testing.assert_close(whole, torch.full_like(whole, bias))


def test_the_slstm_s_forget_gates_start_from_3_to_6() -> None:
    of = start("slstm")
    biases = (of["bias_ih"] + of["bias_hh"]).chunk(4)[1]
    torch.testing.assert_close(biases, torch.linspace(3, 6, H, dtype=torch.float64))


def test_recurrent_weights_of_single_units_start_in_their_ranges() -> None:
    within(start("indrnn")["u"], 0, 1)
    within(start("unicornn")["w"], 0, 1)
    within(start("unicornn")["c"], -0.1, 0.1)
    assert torch.equal(start("br")["w_c"], torch.ones(H, dtype=torch.float64))


def test_linear_units_start_close_to_keeping_all() -> None:
    within(torch.exp(-torch.exp(start("lru")["nu"])), 0.9, 0.999)
    within(start("lru")["theta"], 0, 6.283)
    within(torch.exp(-8 * torch.nn.functional.softplus(start("rglru")["decay"])), 0.9, 0.999)


def test_a_reservoir_is_sparse_has_its_radius_and_is_never_trained() -> None:
    of = start("esn")
    assert not [*Recurrent("esn", I, H).parameters()]
    W = next(value for value in of.values() if value.shape == (H, H))
    assert float(torch.linalg.eigvals(W).abs().max()) == pytest.approx(0.9)
    assert float((W != 0).double().mean()) == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("name", ["star", "ligru"])
def test_recurrent_matrices_start_orthogonal(name: str) -> None:
    for W in start(name)["weight_hh"].split(H):
        torch.testing.assert_close(W @ W.T, torch.eye(H, dtype=torch.float64), atol=1e-6, rtol=0)


def test_the_sru_starts_with_variance_of_one_over_its_inputs() -> None:
    W = start("sru")["weight_ih"]
    assert float(W.abs().max()) <= math.sqrt(3 / I)
    assert float(W.var()) == pytest.approx(1 / I, rel=0.15)
