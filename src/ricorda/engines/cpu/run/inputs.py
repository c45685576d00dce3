"""What a loop reads of inputs in other ways than by a product with x itself: torch computes it before the loop."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from ricorda.engines.cpu.kernels.kernels import Kernels
from ricorda.engines.reference import block_of


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
    program, layout = kernels.program, kernels.layout
    parts = []
    for index in kernels.parts:
        value = program.values[index]
        if value.op != "affine":
            parts.append(values[index].expand(-1, sizes[value.size]))
            continue
        operands = zip(layout.matrices[index], value.args, strict=True)
        products = [
            F.linear(values[arg], block_of(parameters, layout, block)) for block, arg in operands if arg in values
        ]
        biases = (block_of(parameters, layout, block) for block in layout.biases[index])
        parts.append(sum([*products[1:], *biases], start=products[0]))
    return torch.cat(parts, dim=1)
