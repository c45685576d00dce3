"""Long sums: their rounding grows with a block of them and with the number of blocks, not with their length."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from kernels import PROCESSORS, work_on
from torch import Tensor

from ricorda.engines.cpu.products.tile import BLOCK
from ricorda.engines.cpu.run import call
from ricorda.nn import GRU, LSTM, RNN

K = 1500


def terms(dtype: torch.dtype) -> tuple[Tensor, float]:
    """Numbers [K] of which one chain of additions loses all but the first, and the unit roundoff of their sums.

    Each of the others is a half of what rounds away from 1.
    """
    roundoff = torch.finfo(dtype).eps / 2
    return torch.cat([torch.ones(1, dtype=dtype), torch.full((K - 1,), roundoff / 2, dtype=dtype)]), roundoff


def forward_of_input(row: Tensor) -> Tensor:
    layer = relu(K, 20, row)
    return layer(row.expand(1, 3, K))[0]


def forward_of_state(row: Tensor) -> Tensor:
    layer = relu(1, K, row)
    return layer(row.new_zeros(1, 3, 1), row.expand(1, 3, K).contiguous())[0]


def gradient_of_input(row: Tensor) -> Tensor:
    layer, x = relu(20, K, row), row.new_ones(1, 3, 20).requires_grad_()
    layer(x)[0].backward(row.expand(1, 3, K))
    assert x.grad is not None
    return x.grad


def gradient_of_state(row: Tensor) -> Tensor:
    layer, h = relu(1, K, row), row.new_ones(1, 3, K).requires_grad_()
    layer(row.new_ones(1, 3, 1), h)[0].backward(row.expand(1, 3, K))
    assert h.grad is not None
    return h.grad


def gradient_of_weights(row: Tensor) -> Tensor:
    layer = relu(5, 7, row)
    layer(row.new_ones(1, K, 5))[0].backward(row[None, :, None].expand(1, K, 7))
    gradient: Tensor = layer.weight_ih_l0.grad
    return gradient


def relu(I: int, H: int, like: Tensor) -> RNN:
    layer = RNN(I, H, nonlinearity="relu", bias=False, engine="cpu", dtype=like.dtype)
    for weight in layer.parameters():
        torch.nn.init.ones_(weight)
    return layer


SUMS = (forward_of_input, forward_of_state, gradient_of_input, gradient_of_state, gradient_of_weights)


@PROCESSORS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("sums", SUMS, ids=lambda sums: sums.__name__)
def test_rounding_grows_with_the_blocks_of_a_sum(
    sums: Callable[[Tensor], Tensor], dtype: torch.dtype, cpu: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if cpu is not None:
        work_on(cpu, monkeypatch)
    row, roundoff = terms(dtype)
    exact = 1 + (K - 1) * roundoff / 2
    error = (sums(row) - exact).abs().max()
    # Each addition rounds by at most `roundoff` of what was summed, a little more than 1.
    assert error <= 1.01 * (BLOCK + -(-K // BLOCK)) * roundoff
    assert sums(row.new_ones(K)).unique().tolist() == [K]  # Nothing is summed twice.


def test_rounding_of_bf16_products() -> None:
    """Factors in pairs: a step along K adds two products."""
    row, roundoff = terms(torch.float32)
    layer = RNN(K, 20, nonlinearity="relu", bias=False, engine="cpu", precision="bf16")
    for weight in layer.parameters():
        torch.nn.init.ones_(weight)
    error = (layer(row.expand(1, 3, K))[0] - (1 + (K - 1) * roundoff / 2)).abs().max()
    assert error <= 1.01 * (2 * BLOCK + -(-K // (2 * BLOCK))) * roundoff


@pytest.mark.parametrize("cell", [RNN, LSTM, GRU])
def test_long_sums_are_the_same_to_the_bit_for_any_rows_and_threads(
    cell: type[RNN | LSTM | GRU], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call, "ALONE", 0)  # small cases go to the team too
    torch.manual_seed(0)
    layer = cell(2 * BLOCK + 5, 3 * BLOCK + 3, engine="cpu")
    x = torch.randn(3, 9, layer.input_size)
    results = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            layer.zero_grad()
            y = layer(x)[0]
            y.sum().backward()
            with torch.no_grad():
                rows = [torch.cat([layer(part)[0] for part in x.split(size, 1)], 1) for size in (1, 2, 3, 9)]
                steps = torch.stack([stream(step) for stream in [layer.stream(9)] for step in x])
            results.append([y.detach(), *rows, steps, *(weight.grad.clone() for weight in layer.parameters())])
    finally:
        torch.set_num_threads(1)
    assert all(torch.equal(value, results[0][0]) for value in results[0][1:6])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(other, results[0], strict=True))
