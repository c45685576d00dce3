"""The exponential of a matrix, by products that autograd goes back through.

The derivative of torch.linalg.matrix_exp takes the exponential of a matrix twice as large, eight times the work.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ricorda.engines.obstacles import hidden

_DEGREE = 16
_LARGEST = {torch.float32: 2.2, torch.float64: 0.78}
"""The norms up to which Taylor's polynomial of this degree is exact to the last bit: Al-Mohy, Higham 2011, 'Computing
the action of the matrix exponential', table 3.1."""


def matrix_exponential(a: Tensor) -> Tensor:
    """exp(a) of a square matrix; by torch's own function where a's numbers cannot be read, or lie on another device.

    Taylor's polynomial of a / 2**n in six products (Paterson, Stockmeyer 1973, 'On the number of nonscalar
    multiplications necessary to evaluate polynomials'), squared n times.
    """
    if not a.is_cpu or a.dtype not in _LARGEST or hidden(a):
        exponential: Tensor = torch.linalg.matrix_exp(a)
        return exponential
    norm = float(torch.linalg.matrix_norm(a.detach(), 1))
    halvings = max(0, math.ceil(math.log2(norm / _LARGEST[a.dtype]))) if 0 < norm < math.inf else 0
    a = a * 0.5**halvings
    second = a @ a
    third, fourth = second @ a, second @ second
    powers = torch.stack([torch.eye(len(a), dtype=a.dtype), a, second, third])
    factors = [1 / math.factorial(k) for k in range(_DEGREE + 1)]
    rows = torch.tensor(factors[:_DEGREE], dtype=a.dtype).view(4, 4) @ powers.flatten(1)
    *lower, result = rows.view(4, *a.shape).unbind()
    result = result + factors[_DEGREE] * fourth
    for group in reversed(lower):
        result = torch.addmm(group, fourth, result)
    for _ in range(halvings):
        result = result @ result
    return result
