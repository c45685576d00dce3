"""Arguments and buffers that are kept from call to call leave nothing of one call in the next."""

from __future__ import annotations

import pytest
import torch

import ricorda

KINDS = ("RNN", "LSTM", "GRU")


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_of_an_input_is_left_alone_by_a_call_that_does_not_want_it(kind: str) -> None:
    layer = getattr(ricorda, kind)(3, 5, engine="cpu")
    x = torch.randn(7, 2, 3, requires_grad=True)
    (first,) = torch.autograd.grad(layer(x)[0].sum(), [x])
    before = first.clone()
    torch.autograd.grad(layer(torch.randn(7, 2, 3))[0].sum(), list(layer.parameters()))
    assert torch.equal(first, before)


@pytest.mark.parametrize("kind", KINDS)
def test_no_two_gradients_are_in_the_same_memory(kind: str) -> None:
    layer = getattr(ricorda, kind)(3, 5, engine="cpu")
    layer(torch.randn(7, 2, 3))[0].sum().backward()
    expected = {name: weight.grad.clone() for name, weight in layer.named_parameters() if weight.grad is not None}
    assert len(expected) == 4
    for name, weight in layer.named_parameters():
        assert weight.grad is not None  # asserted above
        weight.grad.add_(1.0)
        assert torch.equal(weight.grad, expected[name] + 1.0), name
