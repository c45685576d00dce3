"""Calls of a whole stack with what is kept for their shape: bit by bit what the usual way gives."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import ricorda
from ricorda.engines.cpu.kernels.threads import team
from ricorda.engines.cpu.run import stack as stacks
from ricorda.engines.cpu.words.target import host
from ricorda.errors import ArgumentError

KINDS = ("RNN", "LSTM", "GRU")


def _flat(result: tuple[Any, Any]) -> list[Tensor]:
    y, state = result
    return [y, *(state if isinstance(state, tuple) else (state,))]


def _usual(layer: Any, x: Tensor, hx: Any = None) -> list[Tensor]:
    rows = x.shape[0 if layer.batch_first else 1]
    steps = x.shape[1 if layer.batch_first else 0]
    return _flat(layer(x, hx, lengths=[steps] * rows))


def _assert_same(layer: Any, x: Tensor, hx: Any = None) -> None:
    with torch.no_grad():
        expected = _usual(layer, x, hx)
        for _ in range(2):  # the second call over what the first left
            for found, value in zip(_flat(layer(x, hx)), expected, strict=True):
                assert found.shape == value.shape
                assert torch.equal(found, value)


def _gradients(layer: Any, x: Tensor, hx: Any, run: Callable[..., list[Tensor]]) -> list[Tensor]:
    states = () if hx is None else hx if isinstance(hx, tuple) else (hx,)
    asked = [x, *states, *layer.parameters()]
    for tensor in asked:
        tensor.requires_grad_()
    results = run(layer, x, hx)
    torch.manual_seed(1)
    return torch.autograd.grad(list(results), asked, [torch.randn_like(each) for each in results])


def _assert_same_gradients(layer: Any, x: Tensor, hx: Any = None) -> None:
    def short(layer: Any, x: Tensor, hx: Any) -> list[Tensor]:
        return _flat(layer(x, hx))

    expected = _gradients(layer, x, hx, _usual)
    for _ in range(2):
        for found, value in zip(_gradients(layer, x, hx, short), expected, strict=True):
            assert torch.equal(found, value)


def _calls() -> tuple[int, int]:
    """Calls that went each way, without and with a gradient."""
    infos = stacks.calls_without_gradient.cache_info(), stacks.calls_with_gradient.cache_info()
    return tuple(info.hits + info.misses for info in infos)


@given(
    kind=st.sampled_from(KINDS),
    layers=st.integers(1, 3),
    both=st.booleans(),
    batch_first=st.booleans(),
    bias=st.booleans(),
    double=st.booleans(),
    T=st.integers(1, 7),
    B=st.integers(1, 9),
    I=st.integers(1, 9),
    H=st.integers(2, 40),
    given_state=st.booleans(),
    threads=st.integers(1, 3),
)
def test_a_stack_gives_what_the_usual_way_gives(
    kind: str, layers: int, both: bool, batch_first: bool, bias: bool, double: bool,
    T: int, B: int, I: int, H: int, given_state: bool, threads: int,
) -> None:  # fmt: skip
    dtype = torch.float64 if double else torch.float32
    layer = getattr(ricorda, kind)(
        I, H, layers, bias=bias, batch_first=batch_first, bidirectional=both, dtype=dtype, engine="cpu"
    )
    x = torch.randn((B, T, I) if batch_first else (T, B, I), dtype=dtype)
    hx = None
    if given_state:
        hx = tuple(torch.randn(layers * (1 + both), B, H, dtype=dtype) for _ in range(2 if kind == "LSTM" else 1))
        hx = hx if kind == "LSTM" else hx[0]
    before, threads_before = _calls(), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        _assert_same(layer, x, hx)
        _assert_same_gradients(layer, x, hx)
    finally:
        torch.set_num_threads(threads_before)
    assert all(now > then for now, then in zip(_calls(), before, strict=True))  # and it was one


@pytest.mark.skipif(team()[0] is None, reason=team()[1])
@pytest.mark.parametrize("threads", [2, 3])
def test_two_directions_side_by_side_give_what_one_after_the_other_gives(threads: int) -> None:
    layer = ricorda.LSTM(37, 100, 2, bidirectional=True)
    x = torch.randn(33, 7, 37)
    with torch.no_grad():
        expected = _usual(layer, x)
        torch.set_num_threads(threads)
        try:
            found = _flat(layer(x))
        finally:
            torch.set_num_threads(1)
    assert stacks.calls_without_gradient(layer.stack, 33, 7, host(few=False), threads).pairs
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)


def test_other_cells_go_this_way_or_the_usual_one_alike() -> None:
    layers = [ricorda.LSTM(5, 12, 2, proj_size=3, bidirectional=True), ricorda.GRU(5, 12, 2, layer_norm=True).eval()]
    layers += [ricorda.Recurrent(cell, 5, 12, 2) for cell in ("gru", "rnn_relu", "lstm_peephole", "lstm_coupled")]
    for layer in layers:
        _assert_same(layer, torch.randn(6, 4, 5))
        _assert_same_gradients(layer, torch.randn(6, 4, 5))


def test_second_derivatives_are_those_of_the_usual_way() -> None:
    layer = ricorda.LSTM(3, 4, dtype=torch.float64)
    x = torch.randn(4, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: layer(x)[0], (x,))


@pytest.mark.parametrize("num_layers", [1, 2])
def test_states_that_go_in_and_come_out_have_their_derivatives(num_layers: int) -> None:
    layer = ricorda.LSTM(3, 4, num_layers, dtype=torch.float64)
    given = [torch.randn(num_layers, 4, 2, dtype=torch.float64).mT.requires_grad_() for _ in range(2)]
    x = torch.randn(3, 2, 3, dtype=torch.float64, requires_grad=True)

    def states(x: Tensor, h: Tensor, c: Tensor) -> Any:
        return layer(x, (h, c))[1]

    assert torch.autograd.gradcheck(states, (x, *given))
    assert torch.autograd.gradgradcheck(states, (x, *given), fast_mode=True)
    once, twice = (
        torch.autograd.grad(sum(state.square().sum() for state in states(x, *given)), (x, *given), create_graph=again)
        for again in (False, True)
    )
    for one, other in zip(once, twice, strict=True):
        torch.testing.assert_close(one, other)


def test_only_what_is_asked_for_gets_a_gradient() -> None:
    layer = ricorda.GRU(3, 4)
    layer.weight_ih_l0.requires_grad_(False)
    layer(torch.randn(4, 2, 3))[0].sum().backward()
    assert layer.weight_ih_l0.grad is None
    assert layer.weight_hh_l0.grad is not None
    layer.requires_grad_(False)
    assert not layer(torch.randn(4, 2, 3))[0].requires_grad
    assert layer(torch.randn(4, 2, 3, requires_grad=True))[0].requires_grad


def test_results_of_one_call_are_left_alone_by_the_next() -> None:
    for options in ({}, {"num_layers": 2}, {"bidirectional": True}):
        layer = ricorda.LSTM(3, 8, **options)
        with torch.no_grad():
            first = _flat(layer(torch.randn(5, 2, 3)))
            kept = [each.clone() for each in first]
            layer(torch.randn(5, 2, 3))
        assert all(torch.equal(a, b) for a, b in zip(first, kept, strict=True))


def test_new_weights_are_taken() -> None:
    layer = ricorda.GRU(3, 8)
    x = torch.randn(5, 2, 3)
    with torch.no_grad():
        before = layer(x)[0]
        layer.weight_hh_l0.data = torch.randn(24, 8)
        assert not torch.equal(layer(x)[0], before)
    _assert_same(layer, x)
    _assert_same(copy.deepcopy(layer), x)


def test_what_stands_in_the_place_of_a_weight_is_taken() -> None:
    layer = ricorda.GRU(3, 8)
    torch.nn.utils.parametrizations.weight_norm(layer, "weight_hh_l0")
    _assert_same(layer, torch.randn(5, 2, 3))
    plain = ricorda.GRU(3, 8)
    other = {name: torch.randn_like(weight) for name, weight in plain.named_parameters()}
    x = torch.randn(5, 2, 3)
    with torch.no_grad():
        found = torch.func.functional_call(plain, other, (x,))[0]
        plain.load_state_dict(other)
        assert torch.equal(found, plain(x)[0])


def test_it_serves_inside_and_outside_of_inference_mode() -> None:
    for both in (False, True):
        layer = ricorda.LSTM(4, 9, 2, bidirectional=both)
        x = torch.randn(6, 3, 4)
        with torch.inference_mode():
            first = layer(x)[0]
        layer(x)[0].sum().backward()
        with torch.no_grad():
            second = layer(x)[0]
        assert torch.equal(first, second)
        assert not second.is_inference()


def test_inputs_that_lie_otherwise_in_memory_are_read_as_they_are_meant() -> None:
    layer = ricorda.LSTM(4, 8)
    wide = torch.randn(6, 3, 8)
    _assert_same(layer, wide[:, :, ::2])
    _assert_same(layer, wide.transpose(0, 1)[:, :, 4:])
    hx = tuple(torch.randn(3, 1, 8).transpose(0, 1) for _ in range(2))
    _assert_same(layer, torch.randn(6, 3, 4), hx)
    _assert_same(layer, torch._neg_view(torch.randn(6, 3, 4)))


def test_dropout_and_masks_act_in_training_and_not_in_evaluation() -> None:
    x = torch.randn(6, 3, 4)
    for options in ({"dropout": 0.5, "num_layers": 2}, {"zoneout": 0.5}, {"weight_drop": 0.5}, {"input_dropout": 0.5}):
        layer = ricorda.LSTM(4, 8, **options)
        with torch.no_grad():
            assert not torch.equal(layer(x)[0], layer(x)[0])
            layer.eval()
            assert torch.equal(layer(x)[0], layer(x)[0])


@pytest.mark.parametrize("x", [torch.randn(5, 2, 4), torch.randn(5, 2, 3, 1), torch.randn(5, 2, 3).double()])
def test_what_is_wrong_is_said_as_ever(x: Tensor) -> None:
    with torch.no_grad(), pytest.raises(ArgumentError):
        ricorda.LSTM(3, 8)(x)


def test_a_state_of_another_shape_is_refused() -> None:
    with torch.no_grad(), pytest.raises(ArgumentError, match="initial state h has shape"):
        ricorda.GRU(3, 8)(torch.randn(5, 2, 3), torch.zeros(1, 3, 8))


def test_several_threads_at_the_same_layer_get_what_is_theirs() -> None:
    layer = ricorda.LSTM(8, 32, 2)
    inputs = [torch.randn(20, 2, 8) for _ in range(8)]
    with torch.no_grad():
        expected = [_usual(layer, x) for x in inputs]
    wrong: list[int] = []

    def work(number: int) -> None:
        with torch.no_grad():
            for _ in range(50):
                found = _flat(layer(inputs[number]))
                if not all(torch.equal(a, b) for a, b in zip(found, expected[number], strict=True)):
                    wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
