"""The first numbers of the weights that a cell says something about: its `init`, drawn by torch's functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ricorda.errors import ArgumentError
from ricorda.program.forms import BIAS, INPUT, PARAMETER, RECURRENT, parts_of
from ricorda.program.initial import parse
from ricorda.program.ir import Program
from ricorda.program.learned import Learned, learned
from ricorda.program.stack import Stack
from ricorda.program.weights import Block, Layout, layout


def initialise(layer: Any, program: Program, stack: Stack) -> None:
    """Give the weights of a layer that its cell says something about what they start with.

    Parameters
    ----------
    layer : has the tensors of `stack.learned` as its attributes
    program : the cell's own, without regularisers
    """
    if not any(value.init for value in program.values):
        return
    plan = learned(program, stack.bias) or layout(program, stack.bias)
    for sizes, suffixes in zip(stack.sizes, stack.suffixes, strict=True):
        for suffix in suffixes:
            for block, text, part in _declared(program, plan, stack.learned_names):
                name, numbers = parse(text, part)
                for tensor, form in _tensors(layer, plan, block, sizes, suffix):
                    _fill(tensor, DRAWN.get(f"{name} of {form}", DRAWN[name]), numbers)


def _declared(program: Program, plan: Layout | Learned, names: Collection[str]) -> Iterator[tuple[Block, str, str]]:
    """Where the weights stand that the cell says something about, what it says, and the part of an affine.

    Layer normalisation removes a bias that all units share, so a shift among the layer's names starts instead.
    """
    for index, value in enumerate(program.values):
        if value.op == "parameter" and value.init:
            yield Block(value.name, 0), value.init, PARAMETER
            continue
        for part, text in parts_of(value.init).items():
            if part != BIAS:
                parts = [INPUT if operand in program.of_input else RECURRENT for operand in value.args]
                blocks = [block for block, own in zip(plan.matrices[index], parts, strict=True) if own == part]
            else:
                shift = f"shift_{value.name}"
                blocks = [Block(shift, 0)] if shift in names else plan.biases[index]
            for number, block in enumerate(blocks):
                yield block, "constant(0)" if part == BIAS and number else text, part  # Biases are added up.


def _tensors(
    layer: Any, plan: Layout | Learned, block: Block, sizes: Mapping[str, int], suffix: str
) -> Iterator[tuple[Tensor, str]]:
    """What a layer keeps for a block of its weights, and the form in which it does."""
    if isinstance(plan, Learned) and block.parameter in plan.forms:
        for name in plan.tensors_of(block.parameter, sizes):
            yield getattr(layer, name + suffix).detach(), plan.forms[block.parameter][0]
        return
    whole = getattr(layer, block.parameter + suffix).detach()
    if block.parameter in plan.shapes:  # Shifts of layer normalisation are not the cell's own.
        rows = [sizes[row] for row in plan.shapes[block.parameter].rows]
        whole = whole[sum(rows[: block.position]) : sum(rows[: block.position + 1])]
    yield whole, ""


def _fill(weight: Tensor, draw: Callable[..., object], numbers: tuple[float, ...]) -> None:
    """Draw a tensor, or each block of a block-diagonal matrix, in float32 or better: some functions take no less."""
    if weight.is_meta:
        return
    exact = torch.promote_types(weight.dtype, torch.float32)
    for block in weight if weight.dim() == 3 else [weight]:
        drawn = torch.empty(block.shape, dtype=exact, device=block.device)
        draw(drawn, *numbers)
        block.copy_(drawn)


def _uniform_fan_in(weight: Tensor, scale: float) -> None:
    bound = math.sqrt(scale / weight.shape[1])
    nn.init.uniform_(weight, -bound, bound)


def _normal_fan_in(weight: Tensor, scale: float) -> None:
    nn.init.normal_(weight, 0.0, math.sqrt(scale / weight.shape[1]))


def _identity(weight: Tensor, scale: float = 1.0) -> None:
    nn.init.eye_(weight).mul_(scale)


def _sparse(weight: Tensor, density: float, radius: float) -> None:
    """Jaeger 2001: so many entries a column, at least one, and the largest eigenvalue scaled to a radius."""
    rows = len(weight)
    nn.init.sparse_(weight, min(1 - density, (rows - 1.5) / rows), std=1.0)  # A column of zeros could leave no cycle.
    largest = torch.linalg.eigvals(weight.double()).abs().max()
    weight.mul_(radius / largest)


def _permutation(weight: Tensor) -> None:
    weight.copy_(torch.eye(len(weight))[torch.randperm(len(weight))])


def _cumulative(weight: Tensor) -> None:
    weight.fill_(1.0).tril_()


def _rotations(weight: Tensor, low: float, high: float) -> None:
    """Henaff, Szlam, LeCun 2016: turns pairs of units by angles; an odd unit stays as it is."""
    angles = torch.empty(len(weight) // 2, dtype=weight.dtype, device=weight.device).uniform_(low, high)
    nn.init.eye_(weight)
    first = torch.arange(len(angles), device=weight.device) * 2
    weight[first, first] = weight[first + 1, first + 1] = angles.cos()
    weight[first, first + 1], weight[first + 1, first] = -angles.sin(), angles.sin()


def _logarithm_of_rotations(weight: Tensor, low: float, high: float) -> None:
    """M of W = expm(M - M^T), where W turns pairs of units."""
    angles = torch.empty(len(weight) // 2, dtype=weight.dtype, device=weight.device).uniform_(low, high)
    first = torch.arange(len(angles), device=weight.device) * 2
    nn.init.zeros_(weight)
    weight[first + 1, first] = angles


def _legendre(weight: Tensor, steps: float) -> None:
    """Voelker, Kajic, Eliasmith 2019: a window of so many steps in Legendre polynomials, held for each step.

    Raises
    ------
    ArgumentError
        If the matrix is neither square, for the memory itself, nor one column, for what is written to it.
    """
    order, columns = weight.shape
    if columns not in (order, 1):
        raise ArgumentError(
            f"the init legendre({steps:g}) is for a matrix of {order} x {order} or {order} x 1, not {order} x {columns}"
        )
    row = torch.arange(order, dtype=torch.float64, device=weight.device)[:, None]
    column = row.T
    a = (2 * row + 1) / steps * torch.where(row < column, -1.0, -((-1.0) ** (row - column)))
    b = (2 * row + 1) / steps * (-1.0) ** row
    step = torch.linalg.matrix_exp(a)
    weight.copy_(step if columns == order else torch.linalg.solve(a, (step - torch.eye(order, device=a.device)) @ b))


def _ramp(weight: Tensor, first: float, last: float) -> None:
    weight.copy_(torch.linspace(first, last, len(weight), dtype=torch.float64))


def _chrono(weight: Tensor, steps: float) -> None:
    """Tallec, Ollivier 2018."""
    weight.uniform_(1, steps - 1).log_()


def _ring(weight: Tensor, low: float, high: float) -> None:
    """Orvieto et al. 2023: p with exp(-exp(p)) the radius of points that are even over a ring."""
    weight.uniform_(low**2, high**2).sqrt_().log_().neg_().log_()


def _decay(weight: Tensor, low: float, high: float, power: float = 1.0) -> None:
    """De et al. 2024: p with exp(-power * softplus(p)) even from low to high."""
    weight.uniform_(low, high).log_().mul_(-1 / power).expm1_().log_()


DRAWN: dict[str, Callable[..., object]] = {
    "constant": nn.init.constant_,
    "uniform": nn.init.uniform_,
    "normal": nn.init.normal_,
    "uniform_fan_in": _uniform_fan_in,
    "normal_fan_in": _normal_fan_in,
    "xavier_uniform": nn.init.xavier_uniform_,
    "xavier_normal": nn.init.xavier_normal_,
    "identity": _identity,
    "orthogonal": nn.init.orthogonal_,
    "sparse": _sparse,
    "permutation": _permutation,
    "cumulative": _cumulative,
    "rotations": _rotations,
    "rotations of orthogonal": _logarithm_of_rotations,
    "legendre": _legendre,
    "ramp": _ramp,
    "chrono": _chrono,
    "ring": _ring,
    "decay": _decay,
}
"""What fills a tensor, for each row of `program.initial.STARTS`; for some another of a form that is not the weight."""
