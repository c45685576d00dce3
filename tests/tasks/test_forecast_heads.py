"""What a forecast says of a step: losses beside a computation by hand, quantiles in their order."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.metrics import mean_pinball_loss

from ricorda.tasks.forecast.heads import Head

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
ONE, ZERO = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_pinball_loss_is_that_of_scikit_learn() -> None:
    head = Head("quantile", "mse", LEVELS)
    said, truth = head.read(numbers(50, 5), ONE, ZERO), numbers(50, seed=1)
    expected = np.mean([mean_pinball_loss(truth, said[:, place], alpha=level) for place, level in enumerate(LEVELS)])
    assert float(head.loss(said, truth).mean()) == pytest.approx(expected, rel=1e-13)
    # By hand: two too low at 0.9, one too high at 0.9.
    by_hand = Head("quantile", "mse", (0.5, 0.9)).loss(torch.tensor([[0.0, 3.0], [0.0, 3.0]]), torch.tensor([5.0, 2.0]))
    assert by_hand.tolist() == pytest.approx([(0.5 * 5 + 0.9 * 2) / 2, (0.5 * 2 + 0.1 * 1) / 2])


def test_the_gaussian_loss_is_the_negative_log_density() -> None:
    head = Head("gaussian", "mse", LEVELS)
    output, truth = numbers(50, 2), numbers(50, seed=1) * 4
    scale, shift = ONE * -3.0, ONE * 7.0
    said = head.read(output, scale, shift)
    np.testing.assert_allclose(said[:, 0], output[:, 0] * -3 + 7, rtol=1e-14)
    np.testing.assert_allclose(said[:, 1], np.log1p(np.exp(output[:, 1].numpy())) * 3 + 1e-3, rtol=1e-13)
    expected = -norm.logpdf(truth.numpy(), said[:, 0].numpy(), said[:, 1].numpy())
    np.testing.assert_allclose(head.loss(said, truth), expected, rtol=1e-12)
    quantiles = head.quantiles(said)
    assert quantiles is not None
    np.testing.assert_allclose(quantiles, norm.ppf(LEVELS, said[:, :1].numpy(), said[:, 1:].numpy()), rtol=1e-12)
    assert torch.equal(head.point(said), said[:, 0])


@pytest.mark.parametrize(("loss", "expected"), [("mse", [4.0, 0.25]), ("mae", [2.0, 0.5])])
def test_a_number_has_a_squared_or_absolute_error(loss: str, expected: list[float]) -> None:
    head = Head("point", loss, LEVELS)
    said = head.read(torch.tensor([[1.0], [2.0]]), torch.tensor([2.0]), torch.tensor([1.0]))
    assert said.tolist() == [[3.0], [5.0]]
    assert head.loss(said, torch.tensor([5.0, 4.5])).tolist() == expected
    assert head.point(said).tolist() == [3.0, 5.0]
    assert head.quantiles(said) is None


@pytest.mark.parametrize("scale", [2.0, -2.0])  # a learned gain may be negative
def test_quantiles_never_cross(scale: float) -> None:
    head = Head("quantile", "mse", LEVELS)
    said = head.read(numbers(100, 5), ONE * scale, ONE)
    assert (said.diff(dim=-1) >= 0).all()
    assert torch.equal(head.point(said), said[:, 2])


def test_a_gaussian_s_quantiles_never_cross_and_it_is_never_certain() -> None:
    head = Head("gaussian", "mse", LEVELS)
    said = head.read(torch.tensor([[0.0, -1e3]]), torch.ones(1), torch.zeros(1))
    assert math.isfinite(float(head.loss(said, torch.tensor([0.0]))))
    quantiles = head.quantiles(said)
    assert quantiles is not None
    assert (quantiles.diff(dim=-1) > 0).all()
