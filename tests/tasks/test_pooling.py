import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ricorda.tasks.many_to_one.pooling import Pooling
from ricorda.tasks.parameters import POOLINGS

LENGTHS = torch.tensor([5, 1, 3])
T, B, H = 5, 3, 4


def outputs() -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs of a layer, zero beyond each row's length, all negative (so that a maximum with padding is wrong)."""
    random = torch.Generator().manual_seed(0)
    y = -torch.rand(T, B, H, generator=random, dtype=torch.float64)
    y[torch.arange(T)[:, None] >= LENGTHS] = 0
    return y, torch.rand(B, H, generator=random, dtype=torch.float64)


def pooling(kind: str) -> Pooling:
    torch.manual_seed(1)
    return Pooling(kind, H).double()


def expected(kind: str, module: Pooling, row: NDArray[np.float64], last: NDArray[np.float64]) -> NDArray[np.float64]:
    """The vector of one row [length, H], from the definition."""
    if kind == "last":
        return last
    if kind == "mean":
        return np.array(row.mean(0))
    if kind == "max":
        return np.array(row.max(0))
    hidden = np.tanh(row @ module.hidden.weight.detach().numpy().T + module.hidden.bias.detach().numpy())
    scores = np.exp(hidden @ module.query.weight.detach().numpy()[0])
    return np.array((scores / scores.sum()) @ row)


@pytest.mark.parametrize("kind", POOLINGS)
def test_each_row_is_pooled_over_its_own_steps(kind: str) -> None:
    (y, last), module = outputs(), pooling(kind)
    result = module(y, last, LENGTHS).detach().numpy()
    assert result.shape == (B, H)
    for row, length in enumerate(LENGTHS.tolist()):
        wanted = expected(kind, module, y[:length, row].numpy(), last[row].numpy())
        np.testing.assert_allclose(result[row], wanted, rtol=1e-13)


@pytest.mark.parametrize("kind", POOLINGS)
def test_more_padding_changes_nothing(kind: str) -> None:
    (y, last), module = outputs(), pooling(kind)
    longer = torch.cat([y, torch.zeros(7, B, H, dtype=torch.float64)])
    torch.testing.assert_close(module(longer, last, LENGTHS), module(y, last, LENGTHS), rtol=1e-13, atol=0)


@pytest.mark.parametrize("kind", POOLINGS)
def test_gradients_are_those_of_the_numbers_and_padding_has_none(kind: str) -> None:
    (y, last), module = outputs(), pooling(kind)
    alive = torch.arange(T)[:, None] < LENGTHS
    y.requires_grad_()
    last.requires_grad_()
    assert torch.autograd.gradcheck(lambda y, last: module(y * alive[:, :, None], last, LENGTHS), (y, last))
    module(y * alive[:, :, None], last, LENGTHS).sum().backward()
    if kind != "last":
        assert y.grad is not None
        assert not y.grad[~alive].any()
        assert y.grad[alive].any()
