"""The exponential of a matrix is torch's, and so are its derivatives, where its numbers can be read and where not."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.func import vmap

from ricorda.nn.exponential import matrix_exponential

D = torch.float64


def skew(n: int, norm: float) -> Tensor:
    m = torch.randn(n, n, dtype=D)
    a = m - m.T
    return a * (norm / float(torch.linalg.matrix_norm(a, 1)))


@pytest.mark.parametrize("dtype", [torch.float32, D])
@pytest.mark.parametrize("norm", [1e-3, 0.5, 0.77, 0.79, 2.19, 2.21, 9.0, 70.0, 600.0])
def test_it_is_exact_to_its_own_rounding(norm: float, dtype: torch.dtype) -> None:
    a = skew(24, norm).to(dtype)
    exact = torch.linalg.matrix_exp(a.to(D)) if dtype != D else turned(a)
    eps = torch.finfo(dtype).eps
    # The argument's own rounding counts as often as its norm says, a sum of n numbers rounds n times: in both ways.
    bound = eps * (24 + 2 * norm)
    assert float((matrix_exponential(a).to(D) - exact).abs().max()) < bound


def turned(a: Tensor) -> Tensor:
    """The exponential of a skew matrix from its eigenvalues, which are imaginary."""
    angles, vectors = torch.linalg.eigh(1j * a)
    return (vectors * torch.exp(-1j * angles) @ vectors.mH).real


def test_other_matrices_and_those_of_zeros() -> None:
    a = torch.randn(5, 5, dtype=D)
    torch.testing.assert_close(matrix_exponential(a), torch.linalg.matrix_exp(a), atol=1e-12, rtol=1e-12)
    assert torch.equal(matrix_exponential(torch.zeros(3, 3)), torch.eye(3))
    ill = torch.full((2, 2), math.nan)
    assert bool(matrix_exponential(ill).isnan().all())


def test_its_derivatives() -> None:
    for norm in (0.4, 5.0):
        a = skew(4, norm).requires_grad_()
        assert gradcheck(matrix_exponential, a)
        assert gradgradcheck(matrix_exponential, a)


def test_a_gradient_is_torch_s() -> None:
    a = skew(30, 12.0).requires_grad_()
    seed = torch.randn(30, 30, dtype=D)
    ours, theirs = (torch.autograd.grad(of(a), a, seed)[0] for of in (matrix_exponential, torch.linalg.matrix_exp))
    torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=1e-11)


def test_where_numbers_cannot_be_read() -> None:
    several = torch.stack([skew(4, norm) for norm in (0.1, 3.0)])
    torch.testing.assert_close(vmap(matrix_exponential)(several), torch.linalg.matrix_exp(several))
    assert matrix_exponential(torch.empty(3, 3, device="meta")).shape == (3, 3)
