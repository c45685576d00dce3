"""Functions of learned vectors alone, such as sigmoid(alpha): torch computes them once a call, not at every step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from ricorda.engines import Request
from ricorda.program.ir import Program, Value
from ricorda.program.operations import OPERATIONS
from ricorda.program.saving import fewest_saved
from ricorda.program.stack import Stack
from ricorda.program.weights import layout


class _Outside(NamedTuple):
    """A program without such functions.

    Parameters
    ----------
    program : learned vectors stand in their places
    lines : of the first program: those that are computed outside, and what they are made from, in order
    names : the names of those vectors, by line of the first program
    """

    program: Program
    lines: tuple[int, ...]
    names: Mapping[int, str]


def outside(request: Request) -> Request:
    """The request with learned vectors in the places of such functions."""
    found = _outside(request.program, tuple(request.record))
    if found is None:
        return request
    bias = any(name.startswith("bias_") for name in request.parameters)
    parameters = _computed(found, request.program, request.parameters)
    names = layout(found.program, bias).shapes
    return request._replace(program=found.program, parameters={name: parameters[name] for name in names})


def outside_of_stack(stack: Stack, weights: Sequence[Tensor]) -> tuple[Stack, Sequence[Tensor]]:
    """The same of a stack and of its weights, which are by layer, direction and name."""
    found = _outside(stack.program)
    if found is None:
        return stack, weights
    other = _stack_of(stack, found.program)
    of_all: list[Tensor] = []
    for first in range(0, len(weights), len(stack.names)):
        own = dict(zip(stack.names, weights[first : first + len(stack.names)], strict=True))
        parameters = _computed(found, stack.program, own)
        of_all += [parameters[name] for name in other.names]
    return other, of_all


@lru_cache(maxsize=64)
def _stack_of(stack: Stack, program: Program) -> Stack:
    return stack.computing(program)


def _computed(found: _Outside, program: Program, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The parameters, and the vectors that stand for functions of them."""
    like = next(iter(parameters.values()))
    values: dict[int, Tensor] = {}
    for index in found.lines:
        value = program.values[index]
        match value.op:
            case "constant":
                values[index] = like.new_tensor(value.number)
            case "parameter":
                values[index] = parameters[value.name]
            case op:
                values[index] = OPERATIONS[op].reference(torch, *(values[arg] for arg in value.args))
    return {**parameters, **{name: values[index] for index, name in found.names.items()}}


@lru_cache(maxsize=256)
def _outside(program: Program, record: tuple[str, ...] = ()) -> _Outside | None:
    """What is computed outside of the loops; None if the program has no long function of learned vectors."""
    values, made = program.values, program.of_parameters
    long = {index for index in made if values[index].op in OPERATIONS and OPERATIONS[values[index].op].long}
    if not long:
        return None
    recorded = [dict(program.names)[name] for name in record]
    rest = [index for index in range(len(values)) if index not in made]
    needed = made.intersection([*recorded, *(arg for index in rest for arg in values[index].args)])
    leaves = {index for index in made if values[index].op == "parameter"}
    cut = fewest_saved({index: values[index].args for index in sorted(made)}, needed, leaves | long, program.constants)
    assert cut is not None  # Every value may be computed outside.
    names = {index: f"made {index}" for index in sorted(cut - leaves)}
    replaced = [Value("parameter", size=v.size, name=names[i]) if i in names else v for i, v in enumerate(values)]
    heads = [index for index, value in enumerate(values) if value.op in ("input", "state")]
    kept = _reached(replaced, [*heads, *program.masks, *program.outputs, program.result, *recorded])
    moved = {old: new for new, old in enumerate(kept)}
    return _Outside(
        replace(
            program,
            values=tuple(replace(replaced[old], args=tuple(moved[arg] for arg in replaced[old].args)) for old in kept),
            outputs=tuple(moved[index] for index in program.outputs),
            names=tuple((name, moved[index]) for name, index in program.names if index in moved),
        ),
        tuple(_reached(values, names)),
        names,
    )


def _reached(values: Sequence[Value], roots: Sequence[int] | Mapping[int, str]) -> list[int]:
    """The lines that others are computed from, in order."""
    reached = set(roots)
    for index in reversed(range(len(values))):
        if index in reached:
            reached.update(values[index].args)
    return sorted(reached)
