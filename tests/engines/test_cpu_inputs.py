"""What loops read of inputs in other ways than by a product with x: torch computes it, in as few products as it can."""

from __future__ import annotations

import pytest
from engine_cases import Case, check

from ricorda import Recurrent, affine, cell, tanh
from ricorda.engines.cpu import engine as cpu
from ricorda.engines.cpu.kernels.kernels import kernels_for
from ricorda.engines.cpu.run.inputs import _groups
from ricorda.engines.cpu.words.target import host


@cell
def odd(x, h):
    a, b = affine("a", x, h), affine("b", h, x)
    c, d = affine("c", x * x, h), affine("d", tanh(x), x, h)
    e = affine("e", tanh(x), x)
    return tanh(a * tanh(b) + c + d * tanh(e))


@pytest.mark.parametrize("bias", [True, False])
def test_affines_of_the_same_inputs_are_one_product(bias: bool) -> None:
    names = Recurrent(odd, 3, 4, bias=bias).stack.names
    kernels = kernels_for(odd.program, names, host("f64"), training=True)
    assert [len(group) for group in _groups(kernels)] == [2, 1, 1, 1]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("bias", [True, False])
def test_the_loop_goes_chunk_by_chunk(bias: bool, reverse: bool) -> None:
    for I, H, lengths in ((1, 3, None), (5, 9, [40, 0, 7, *[30] * 27])):
        check(Case(odd.program, T=40, B=30, I=I, H=H, bias=bias, reverse=reverse, lengths=lengths), cpu)
