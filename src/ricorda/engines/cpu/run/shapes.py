"""What a kernel is given has the shapes that it counts on: it would read and write beyond memory otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from torch import Tensor

from ricorda.engines.cpu.kernels.kernels import Kernels
from ricorda.errors import ArgumentError
from ricorda.program.ir import HIDDEN_SIZE, INPUT_SIZE, PROJECTED_SIZE


def check_shapes(kernels: Kernels, parameters: Mapping[str, Tensor], x: Tensor, states: Sequence[Tensor]) -> None:
    """Hold states and parameters to the input x [T, B, I], to each other and to the cell.

    Raises
    ------
    ArgumentError
        If one has another shape.
    """
    _check(kernels, x.shape[1:], tuple(parameters), tuple(value.shape for value in (*parameters.values(), *states)))


@lru_cache(maxsize=256)
def _check(kernels: Kernels, of_x: Sequence[int], names: tuple[str, ...], shapes: tuple[Sequence[int], ...]) -> None:
    """The check, taken once for each combination of shapes that passes it."""
    B, I = of_x
    states = kernels.program.states
    found = dict(zip((*names, *(state.name for state in states)), shapes, strict=True))
    name, count = kernels.of_units
    sizes = {INPUT_SIZE: I, HIDDEN_SIZE: found[name][0] // count, PROJECTED_SIZE: found[states[0].name][-1]}
    expected = {
        name: (sum(sizes[row] for row in shape.rows), *(() if shape.columns is None else (sizes[shape.columns],)))
        for name, shape in kernels.layout.shapes.items()
    }
    expected |= {state.name: (B, sizes[state.size]) for state in states}
    for name, needed in expected.items():
        if name not in found or tuple(found[name]) != needed:
            has = f"has shape {tuple(found[name])}" if name in found else "is missing"
            raise ArgumentError(f"{name} {has}, and {needed} is needed: give it in that shape")
