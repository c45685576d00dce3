"""What a loop reads of inputs in other ways than by a product with x itself: torch computes it before the loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ricorda.engines.cpu.kernels.kernels import Kernels
from ricorda.program.weights import Block


def input_parts(
    kernels: Kernels, parameters: Mapping[str, Tensor], values: Mapping[int, Tensor], sizes: Mapping[str, int]
) -> Tensor:
    """What the loop reads of inputs, side by side [N, sum of sizes], in the order of `Kernels.parts`.

    Of an affine these are its products with values of the inputs, plus its biases.

    Parameters
    ----------
    values : of `reference.values_of_inputs`
    sizes : the numbers behind the program's sizes
    """
    program = kernels.program
    parts = [_products(kernels, parameters, values, group) for group in _groups(kernels)]
    others = [index for index in kernels.parts if program.values[index].op != "affine"]
    parts += [values[index].expand(-1, sizes[program.values[index].size]) for index in others]
    return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]


class _Affine(NamedTuple):
    """What an affine takes of inputs: the operands, the blocks of the matrices that multiply them, and its biases."""

    operands: tuple[int, ...]
    matrices: tuple[Block, ...]
    biases: tuple[Block, ...]

    def follows(self, before: _Affine) -> bool:
        """Whether it takes the same, and its weights stand below those of the other."""
        blocks = [(*one.matrices, *one.biases) for one in (before, self)]
        below = [Block(block.parameter, block.position + 1) for block in blocks[0]]
        return self.operands == before.operands and list(blocks[1]) == below


@lru_cache(maxsize=256)
def _groups(kernels: Kernels) -> Sequence[Sequence[_Affine]]:
    """The affines among the parts, in order; those of a group are one product."""
    program, layout = kernels.program, kernels.layout
    groups: list[list[_Affine]] = []
    for index in kernels.parts:
        if program.values[index].op != "affine":
            continue
        blocks = zip(program.values[index].args, layout.matrices[index], strict=True)
        operands, matrices = zip(*((arg, block) for arg, block in blocks if arg in program.of_input), strict=True)
        affine = _Affine(operands, matrices, tuple(layout.biases[index]))
        if groups and affine.follows(groups[-1][-1]):
            groups[-1].append(affine)
        else:
            groups.append([affine])
    return groups


def _products(
    kernels: Kernels, parameters: Mapping[str, Tensor], values: Mapping[int, Tensor], group: Sequence[_Affine]
) -> Tensor:
    """The products of a group's affines with inputs plus their biases, side by side."""
    first = group[0]
    biases = [_rows(kernels, parameters, block, len(group)) for block in first.biases]
    bias = sum(biases[1:], start=biases[0]) if biases else None
    weights = [_rows(kernels, parameters, block, len(group)) for block in first.matrices]
    total = F.linear(values[first.operands[0]], weights[0], bias)
    for operand, weight in zip(first.operands[1:], weights[1:], strict=True):
        total = total + F.linear(values[operand], weight)
    return total


def _rows(kernels: Kernels, parameters: Mapping[str, Tensor], first: Block, count: int) -> Tensor:
    """The rows of so many blocks of a parameter."""
    blocks = len(kernels.layout.shapes[first.parameter].rows)
    whole = parameters[first.parameter]
    height = len(whole) // blocks
    return whole if count == blocks else whole.narrow(0, first.position * height, count * height)
