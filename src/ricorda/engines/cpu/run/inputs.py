"""Input products of cells that read a function of the input, such as `tanh(x)`: torch computes them before the loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ricorda.program.ir import INPUT_SIZE, Program, Value
from ricorda.program.operations import OPERATIONS, SCALAR
from ricorda.program.weights import Block, Layout


def input_values(program: Program, x: Tensor) -> dict[int, Tensor]:
    """The constants of a program, and the values that depend on the input x [N, I] and on no affine."""
    values: dict[int, Tensor] = {}
    for index, value in enumerate(program.values):
        if value.op == "input":
            values[index] = x
        elif value.op == "constant":
            values[index] = torch.as_tensor(value.number, dtype=x.dtype, device=x.device)
        elif is_of_input(value):
            values[index] = OPERATIONS[value.op].reference(torch, *(values[arg] for arg in value.args))
    return values


def is_of_input(value: Value) -> bool:
    """Whether a value depends on the input and on constants only, and on no affine."""
    return value.op in ("input", "constant") or value.size in (INPUT_SIZE, SCALAR)


def input_parts(
    program: Program,
    layout: Layout,
    affines: Sequence[int],
    parameters: Mapping[str, Tensor],
    values: Mapping[int, Tensor],
) -> Tensor:
    """The products of affines with values of the input, plus their biases, side by side [N, sum of sizes].

    Parameters
    ----------
    values : of `input_values`
    """

    def rows(block: Block) -> Tensor:
        return parameters[block.parameter].chunk(len(layout.shapes[block.parameter].rows))[block.position]

    parts = []
    for index in affines:
        operands = zip(layout.matrices[index], program.values[index].args, strict=True)
        products = [F.linear(values[arg], rows(block)) for block, arg in operands if arg in values]
        parts.append(sum([*products[1:], *(rows(block) for block in layout.biases[index])], start=products[0]))
    return torch.cat(parts, dim=1)
