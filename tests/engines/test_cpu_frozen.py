"""Gradients of matrices that nothing asks for are not computed, and the others are what they would be."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ricorda.engines.cpu.run import autograd
from ricorda.nn import Recurrent


@pytest.mark.parametrize("frozen", [("weight_hh",), ("weight_ih", "bias_ih"), ("weight_ih", "weight_hh")])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_frozen_matrix_costs_nothing(cell: str, frozen: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    layer = Recurrent(cell, 5, 7, engine="cpu", dtype=torch.float64)
    x = torch.randn(30, 40, 5, dtype=torch.float64)
    layer(x)[0].square().sum().backward()
    whole = {name: parameter.grad for name, parameter in layer.named_parameters()}
    given: dict[str, bool] = {}
    computed = autograd.backward

    def spy(call: Any, *arguments: Any) -> list[torch.Tensor | None]:
        results = computed(call, *arguments)
        given.update(
            zip(call.parameters, (result is not None for result in results[-len(call.parameters) :]), strict=True)
        )
        return results

    monkeypatch.setattr(autograd, "backward", spy)
    layer.zero_grad()
    for name, parameter in layer.named_parameters():
        parameter.requires_grad_(name.removesuffix("_l0") not in frozen)
    layer(x)[0].square().sum().backward()
    for name, parameter in layer.named_parameters():
        own, matrix = name.removesuffix("_l0"), parameter.dim() == 2
        assert not matrix or given[own] == (own not in frozen)
        assert parameter.grad is None if own in frozen else torch.equal(parameter.grad, whole[name])
