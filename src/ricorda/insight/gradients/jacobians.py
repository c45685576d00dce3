"""Jacobians of a cell's steps: their spectra, their products over time, and Lyapunov exponents.

The joint state s_t is all states of one layer and direction side by side (an LSTM's h_t and c_t: 2 H numbers). The
Jacobian of a step, J_t = ds_t / ds_{t-1} [S, S], says what a small change of the state becomes a step later, and its
transpose what becomes of a gradient a step earlier; the gradient over d steps is ds_T / ds_{T-d} = J_T ... J_{T-d+1}
(Pascanu, Mikolov, Bengio 2013, "On the difficulty of training recurrent neural networks").
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from ricorda.insight.gradients.trail import Trail
from ricorda.program.learned import recurrent_matrices, without_forms

MOST_ROWS = 4
"""The most rows whose Jacobians are computed."""
LARGEST = 2**26
"""The most numbers in all Jacobians together (512 MB); larger layers are followed less far back."""
LEADING = 16
"""The number of Lyapunov exponents that are computed, the largest ones."""

_AT_ONCE = 2**22
"""Numbers in the Jacobians of one chunk."""
_WALKED, _SETTLED = 1_000, 1e-9
"""The most steps over which the exponents are refined, and the change below which they count as settled."""


def jacobians(trail: Trail) -> Tensor:
    """The Jacobian of each step, [D, R, S, S], of the first rows of a trail; the identity where a row has no step.

    Entry d maps s_{T-d-1} to s_{T-d}. One step of the reference engine computes a whole chunk: each of its rows is a
    step and row of the trail, and the vector-Jacobian products are taken side by side.
    """
    entering = torch.cat(trail.states, dim=2)
    S = entering.shape[2]
    steps = max(1, min(len(trail), LARGEST // S**2))
    rows = max(1, min(MOST_ROWS, entering.shape[1], LARGEST // (steps * S**2)))
    x, states = trail.inputs[:steps, :rows].flatten(0, 1), entering[:steps, :rows].flatten(0, 1)
    size = max(1, _AT_ONCE // S**2)
    parts = [_jacobian(trail, *part) for part in zip(torch.split(x, size), torch.split(states, size), strict=True)]
    matrices = torch.cat(parts).reshape(steps, rows, S, S)
    return torch.where(trail.present[:steps, :rows, None, None], matrices, torch.eye(S, dtype=matrices.dtype))


def _jacobian(trail: Trail, x: Tensor, states: Tensor) -> Tensor:
    """The Jacobians [n, S, S] of steps that read x [n, I] and begin with joint states [n, S]."""
    n, S = states.shape
    entering = states.detach().requires_grad_()
    sizes = [state.shape[2] for state in trail.states]
    leaving = torch.cat(trail.step(x, torch.split(entering, sizes, dim=1)), dim=1)
    if not leaving.requires_grad:  # The cell does not read its state.
        return states.new_zeros(n, S, S)
    units = torch.eye(S, dtype=states.dtype)[:, None].expand(S, n, S)
    (jacobian,) = torch.autograd.grad(leaving, entering, units, is_grads_batched=True)
    return jacobian.transpose(0, 1)


def spectra(steps: Tensor) -> Tensor:
    """The singular values [D, R, S] of the Jacobians of steps, the largest first."""
    return torch.stack([torch.linalg.svdvals(step) for step in steps])


def log_products(steps: Tensor) -> Tensor:
    """The logarithm of the largest singular value of ds_T / ds_{T-d}, [D, R]: it bounds the gradient d steps back.

    The product is scaled to norm 1 after each factor, and the logarithms of the scales are added up, so that 1e-400 is
    as exact as 1e-4; -inf only where the product is zero.
    """
    product = torch.eye(steps.shape[-1], dtype=steps.dtype).expand_as(steps[0])
    log = steps.new_zeros(steps.shape[1])
    logs = [log]
    for step in steps[:-1]:
        product = product @ step
        norm = torch.linalg.matrix_norm(product, 2)
        log = log + norm.log()
        product = product / norm.where(norm > 0, 1.0)[:, None, None]
        logs.append(log)
    return torch.stack(logs)


def lyapunov_exponents(steps: Tensor, lengths: Tensor, *, seed: int = 0) -> Tensor:
    """The largest finite-time Lyapunov exponents [R, K], nats a step, the largest first.

    They are ln(singular value of ds_T / ds_{T-D}) / D: the mean rate at which a small change of the state grows (above
    0: chaos, and gradients that explode) or shrinks over a row's D steps, in the K directions of most growth. By the QR
    method (Benettin et al. 1980; for recurrent networks Engelken, Wolf, Abbott 2023, Vogt et al. 2022): an orthonormal
    basis is multiplied by each step's Jacobian and made orthonormal again, and the logarithms of the stretching factors
    are added up. The basis then goes back through the transposed Jacobians and forth again until the exponents settle,
    which makes them those of the product itself, whatever the first basis. This ends after some 1,000 steps: exponents
    too close to each other to settle by then are right to 0.0002. Directions that shrink below some 1e-16 of a step's
    largest singular value show rounding errors only.

    Parameters
    ----------
    steps : Tensor [D, R, S, S]
        The Jacobians, the last step's first; the identity where a row has no step.
    lengths : Tensor [R]
        The number of steps of each row, at most D.
    seed : int
        The seed of the first basis.
    """
    D, R, S, _ = steps.shape
    K = min(S, LEADING)
    generator = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(R, S, K, generator=generator, dtype=steps.dtype)).Q
    exponents = steps.new_full((R, K), math.nan)
    for _ in range(2 + _WALKED // D):
        logs = steps.new_zeros(R, K)
        for step in reversed(steps.unbind()):
            basis, triangle = torch.linalg.qr(step @ basis)
            logs = logs + triangle.diagonal(dim1=-2, dim2=-1).abs().log()
        before, exponents = exponents, logs / lengths[:, None]
        if torch.isclose(exponents, before, rtol=0, atol=_SETTLED).all():
            break
        for step in steps:
            basis = torch.linalg.qr(step.mT @ basis).Q
    return exponents.sort(dim=1, descending=True).values


def weight_gradients(trail: Trail, direction: Tensor) -> Iterator[tuple[dict[str, Tensor], float]]:
    """The part of each step in the gradient of the recurrent weights, the last step first.

    The loss is the sum over rows of v . h_T. Its gradient goes back from step to step, and dL/dW is the sum of what is
    yielded here. One step is held at a time, so memory does not grow with their number.

    Parameters
    ----------
    trail : Trail
    direction : Tensor [B, size]
        The direction v of the output.

    Yields
    ------
    gradients : dict of Tensor
        The gradient of each recurrent matrix (`weight_hh`, and others if the cell has them), to be multiplied by
        exp(scale).
    scale : float
        The natural logarithm of the factor, so that 1e-400 does not become 0.
    """
    names = recurrent_matrices(without_forms(trail.program))
    weights = {name: trail.parameters[name].clone().requires_grad_() for name in names}
    arriving = [torch.zeros_like(state[0]) for state in trail.states]
    scale = 0.0
    for d, present in enumerate(trail.present):
        entering = [state[d].clone().requires_grad_() for state in trail.states]
        run = trail.run(trail.inputs[d], entering, {**trail.parameters, **weights})
        leaving = [(run.output[0], direction)] * (d == 0) + [*zip(run.states, arriving, strict=True)]
        reached = [(new, gradient * present[:, None]) for new, gradient in leaving if new.requires_grad]
        leaves = [*entering, *weights.values()]
        if reached:
            outputs, gradients = zip(*reached, strict=True)
            # Detached, as older versions of torch let the zeros that they materialise require a gradient.
            found = torch.autograd.grad(outputs, leaves, gradients, materialize_grads=True)
            leaf_gradients = tuple(gradient.detach() for gradient in found)
        else:
            leaf_gradients = tuple(map(torch.zeros_like, leaves))
        yield dict(zip(weights, leaf_gradients[len(entering) :], strict=True)), scale
        arriving = list(leaf_gradients[: len(entering)])
        largest = max(float(gradient.abs().max()) for gradient in arriving)
        if largest > 0:
            arriving = [gradient / largest for gradient in arriving]
            scale += math.log(largest)


def weight_shares(trail: Trail, direction: Tensor) -> Tensor | None:
    """The share of each step in the gradient of the recurrent weights, [D], by the Frobenius norms of their parts.

    None if the cell has no recurrent matrix, or nothing reaches it.
    """
    logs = []
    for gradients, scale in weight_gradients(trail, direction):
        square = sum(float(gradient.square().sum()) for gradient in gradients.values())
        logs.append(math.log(square) / 2 + scale if square > 0 else -math.inf)
    shares = torch.tensor(logs, dtype=torch.float64).softmax(dim=0)
    return None if torch.isnan(shares).any() else shares
