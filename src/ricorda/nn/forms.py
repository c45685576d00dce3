"""The weights that engines take, made from what a layer learns, by torch operations that gradients go through."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from ricorda.nn.exponential import matrix_exponential
from ricorda.program.stack import Stack

Drop = Callable[[dict[str, Tensor]], dict[str, Tensor]]


def register(layer: Any, stack: Stack, device: torch.device | str | None, dtype: torch.dtype | None) -> None:
    """Give a layer the tensors that its stack lists: parameters, and buffers for what is never trained."""
    for name, shape in stack.learned.items():
        weight = torch.empty(shape, device=device, dtype=dtype)
        if name in stack.fixed:
            layer.register_buffer(name, weight)
        else:
            layer.register_parameter(name, nn.Parameter(weight))


def weights_of(layer: Any, stack: Stack, level: int, suffix: str, drop: Drop | None = None) -> dict[str, Tensor]:
    """The weights of one layer in one direction, as engines take them.

    Parameters
    ----------
    layer : has the tensors of `stack.learned` as its attributes
    level, suffix : number of the layer, and the end of its tensors' names
    drop : what is done to weights before rows that several affines share are repeated
    """
    learned = {name: getattr(layer, name + suffix) for name in stack.learned_names}
    if not stack.recipes:
        return learned if drop is None else drop(learned)
    recipe = stack.recipes[level]
    pieces = {
        name: MAKERS[form](shape, *map(learned.__getitem__, tensors), *numbers) if form else learned[name]
        for name, form, numbers, tensors, shape in recipe.pieces
    }
    if drop is not None:
        pieces = drop(pieces)
    return {name: _rows(pieces, blocks) for name, blocks in recipe.weights}


def all_weights_of(layer: Any, stack: Stack) -> dict[str, Any]:
    """The weights of all layers and directions by full name; None for one that is no plain parameter of the layer."""
    if not stack.recipes:
        return {name: layer._parameters.get(name) for name in stack.shapes}
    if any(name not in layer._parameters and name not in layer._buffers for name in stack.learned):
        return dict.fromkeys(stack.shapes)
    return {
        name + suffix: weight
        for level, suffixes in enumerate(stack.suffixes)
        for suffix in suffixes
        for name, weight in weights_of(layer, stack, level, suffix).items()
    }


def trained(layer: Any, stack: Stack) -> list[list[nn.Parameter]]:
    """The parameters of each layer and direction."""
    return [
        [getattr(layer, name + suffix) for name in stack.learned_names if name + suffix not in stack.fixed]
        for suffix in chain.from_iterable(stack.suffixes)
    ]


def draw(layer: Any, stack: Stack, bound: float, normalising: Collection[str]) -> None:
    """Give what a layer learns its first numbers: uniform ones, with which weights vary like U(-bound, bound).

    Parameters
    ----------
    normalising : names of the gains, which start with 1, and of the shifts of layer normalisation, which start with 0
    """
    factors = {
        name: piece.numbers[0]
        for piece in (stack.recipes[0].pieces if stack.recipes else ())
        if piece.form == "low_rank"
        for name in piece.tensors
    }
    for name in stack.learned:
        weight, own = getattr(layer, name), name.rpartition("_l")[0]
        if own in normalising:
            nn.init.constant_(weight, 1.0 if own.startswith("gain_") else 0.0)
            continue
        # The variance of a product of factors is rank * (limit^2 / 3)^2.
        limit = (3 * bound**2 / factors[own]) ** 0.25 if own in factors else bound
        nn.init.uniform_(weight, -limit, limit)


def _rows(pieces: Mapping[str, Tensor], blocks: Sequence[tuple[str, int, int]]) -> Tensor:
    """Blocks one below the other; a block is a piece's name, the number of its blocks, and the block's own number."""
    rows = [pieces[name] if count == 1 else pieces[name].chunk(count)[number] for name, count, number in blocks]
    return torch.cat(rows) if len(rows) > 1 else rows[0]


class _Clamp(torch.autograd.Function):
    """A number kept within bounds; beyond one, only a gradient that leads back passes.

    The usual clamp has no gradient there, and a number that a step has carried over a bound would never move again.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(u: Tensor, low: float, high: float) -> Tensor:
        return u.clamp(low, high)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float, float], output: Tensor) -> None:
        u, ctx.low, ctx.high = inputs
        ctx.save_for_backward(u)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (u,), (gradient,) = ctx.saved_tensors, gradients
        leads_out = ((u < ctx.low) & (gradient > 0)) | ((u > ctx.high) & (gradient < 0))
        return gradient.masked_fill(leads_out, 0.0), None, None


def _clamp(shape: Any, u: Tensor, low: float, high: float) -> Tensor:
    clamped: Tensor = _Clamp.apply(u, low, high)  # type: ignore[no-untyped-call]
    return clamped


def _skew(shape: Any, m: Tensor, gamma: float) -> Tensor:
    """Chang, Chen, Haber, Chi 2019, 'AntisymmetricRNN'."""
    return m - m.T - gamma * _identity(m)


def _symmetric_mix(shape: Any, m: Tensor, beta: float, gamma: float) -> Tensor:
    """Erichson, Azencot, Queiruga, Hodgkinson, Mahoney 2021, 'Lipschitz recurrent neural networks'."""
    return (1 - beta) * (m + m.T) + beta * (m - m.T) - gamma * _identity(m)


def _orthogonal(shape: Any, m: Tensor) -> Tensor:
    """Lezcano-Casado, Martinez-Rubio 2019, 'Cheap orthogonal constraints in neural networks'."""
    return matrix_exponential(m - m.T)


def _block_diagonal(shape: Any, blocks: Tensor, count: float) -> Tensor:
    whole: Tensor = torch.block_diag(*blocks.unbind())  # type: ignore[no-untyped-call]
    return whole


def _identity(m: Tensor) -> Tensor:
    return torch.eye(len(m), dtype=m.dtype, device=m.device)


MAKERS: dict[str, Callable[..., Tensor]] = {
    "fixed": lambda shape, tensor: tensor,
    "number": lambda shape, number: number.repeat(shape[0]),
    "clamp": _clamp,
    "skew": _skew,
    "symmetric_mix": _symmetric_mix,
    "orthogonal": _orthogonal,
    "low_rank": lambda shape, left, right, rank: left @ right,
    "block_diagonal": _block_diagonal,
}
"""A piece of each form of `program.forms.FORMS`, from its shape, its learned tensors and the numbers of the form."""
