"""What a kernel is given has the shapes that it counts on: it would read and write beyond memory otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from torch import Tensor

from ricorda.engines.cpu.plans import Kernels
from ricorda.errors import ArgumentError
from ricorda.program.ir import HIDDEN_SIZE, INPUT_SIZE, PROJECTED_SIZE


def check_shapes(kernels: Kernels, parameters: Mapping[str, Tensor], x: Tensor, states: Sequence[Tensor]) -> None:
    """Hold states and parameters to the input x [T, B, I], to each other and to the cell.

    Raises
    ------
    ArgumentError
        If one has another shape.
    """
    name, shape = next(iter(kernels.layout.shapes.items()))
    H, P = parameters[name].shape[0] // len(shape.rows), states[0].shape[-1]
    found = {**parameters, **{state.name: value for state, value in zip(kernels.program.states, states, strict=True)}}
    expected = _shapes(kernels, x.shape[1], x.shape[2], H, P)
    if [value.shape for value in found.values()] == list(expected.values()) and found.keys() == expected.keys():
        return
    for name, needed in expected.items():
        if name not in found or found[name].shape != needed:
            has = f"has shape {tuple(found[name].shape)}" if name in found else "is missing"
            raise ArgumentError(f"{name} {has}, and {needed} is needed: give it in that shape")


@lru_cache(maxsize=256)
def _shapes(kernels: Kernels, B: int, I: int, H: int, P: int) -> dict[str, tuple[int, ...]]:
    sizes = {INPUT_SIZE: I, HIDDEN_SIZE: H, PROJECTED_SIZE: P}
    found = {
        name: (sum(sizes[row] for row in shape.rows), *(() if shape.columns is None else (sizes[shape.columns],)))
        for name, shape in kernels.layout.shapes.items()
    }
    return found | {state.name: (B, sizes[state.size]) for state in kernels.program.states}
