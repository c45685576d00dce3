"""One number a row that depends on a state and goes with vectors: the kernels repeat it by a product with ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from ricorda.engines import Request, reference
from ricorda.program.ir import Program, Value
from ricorda.program.operations import EXPAND


def repeats(program: Program) -> bool:
    """Whether steps of a program repeat such a number."""
    return bool(_places(program))


def by_products(request: Request) -> Request:
    """The request with an affine in the place of each repetition, whose matrix [size, 1] has ones."""
    places = _places(request.program)
    if not places:
        return request
    sizes = reference.sizes_of(request.program, request.parameters, request.states)
    ones = {
        f"weight_{_name(index)}_1": request.x.new_ones(sizes[request.program.values[index].size], 1) for index in places
    }
    return request._replace(program=_with_products(request.program), parameters={**request.parameters, **ones})


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
