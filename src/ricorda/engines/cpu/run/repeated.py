"""One number a row that depends on a state and goes with vectors: the kernels repeat it by a product with ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from torch import Tensor

from ricorda.engines import Request, reference
from ricorda.program.ir import Program, Value
from ricorda.program.operations import EXPAND


def repeats(program: Program) -> bool:
    """Whether steps of a program repeat such a number."""
    return bool(_places(program))


def by_products(request: Request) -> Request:
    """The request with an affine in the place of each repetition, whose matrix [size, 1] has ones."""
    if not _places(request.program):
        return request
    sizes = reference.sizes_of(request.program, request.parameters, request.states)
    program, (parameters,) = with_ones(request.program, [request.parameters], [sizes])
    return request._replace(program=program, parameters=parameters)


def with_ones(
    program: Program, layers: Sequence[Mapping[str, Tensor]], sizes: Sequence[Mapping[str, int]]
) -> tuple[Program, list[Mapping[str, Tensor]]]:
    """The same for layers of a program: it, and the parameters of each with the matrices of ones."""
    places = _places(program)
    if not places:
        return program, list(layers)
    with_matrices: list[Mapping[str, Tensor]] = []
    for parameters, own in zip(layers, sizes, strict=True):
        like = next(iter(parameters.values()))
        ones = {f"weight_{_name(index)}_1": like.new_ones(own[program.values[index].size], 1) for index in places}
        with_matrices.append({**parameters, **ones})
    return _with_products(program), with_matrices


@lru_cache(maxsize=256)
def _places(program: Program) -> Sequence[int]:
    lines = enumerate(program.values)
    return tuple(index for index, value in lines if value.op == EXPAND and index not in program.of_input)


@lru_cache(maxsize=256)
def _with_products(program: Program) -> Program:
    values: Mapping[int, Value] = {
        index: Value("affine", program.values[index].args, program.values[index].size, _name(index), bias=False)
        for index in _places(program)
    }
    return replace(program, values=tuple(values.get(index, value) for index, value in enumerate(program.values)))


def _name(index: int) -> str:
    """A name that no affine of a cell has, since it is no identifier."""
    return f"repeated {index}"
