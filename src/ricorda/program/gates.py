"""The gates that decide how long a state lasts, read from a program's equations; so it works for users' cells too."""

from __future__ import annotations

from collections.abc import Callable

from ricorda.program.ir import Program
from ricorda.program.operations import OPERATIONS, Operation, is_gate


def memory_gates(program: Program) -> dict[int, int]:
    """The affines of the gates that keep a state or write to it.

    A new state is a sum of products, such as `f * c + i * g` or `(1 - u) * c + u * g`. A sigmoid that multiplies the
    old state keeps it, and one that multiplies anything else writes to it. With 1 - sigmoid it is the other way round.

    Parameters
    ----------
    program : Program
        The program of any cell.

    Returns
    -------
    dict of int to int
        Index of each such affine to 1 if a large value keeps the state, to -1 if a small value does; empty if no gate
        keeps a state.
    """
    gates: dict[int, int] = {}
    states = [index for index, value in enumerate(program.values) if value.op == "state"]
    for state, new in zip(states, program.outputs, strict=True):
        products = [_parts(program, term, _is_product) for term in _parts(program, new, _is_sum)]
        if not any(state in product for product in products):
            continue  # This state is an output like o * tanh(c).
        for product in products:
            for affine, sign in filter(None, (_gate(program, factor) for factor in product)):
                gates[affine] = sign if state in product else -sign
    return gates


def _is_sum(row: Operation) -> bool:
    return bool(row.terms) and row.commutes


def _is_product(row: Operation) -> bool:
    return bool(row.factors) and row.commutes


def _parts(program: Program, index: int, splits: Callable[[Operation], bool]) -> list[int]:
    """The terms of a sum, or the factors of a product; the value itself if it is not one."""
    value = program.values[index]
    if value.op in OPERATIONS and len(value.args) > 1 and splits(OPERATIONS[value.op]):
        return [part for arg in value.args for part in _parts(program, arg, splits)]
    return [index]


def _gate(program: Program, index: int) -> tuple[int, int] | None:
    """The affine of sigmoid(affine + ...) and 1, or that of 1 - sigmoid(affine + ...) and -1; None for other values."""
    value, sign = program.values[index], 1
    if value.op in OPERATIONS and OPERATIONS[value.op].terms == (1, -1):
        number, taken = (program.values[arg] for arg in value.args)
        if number.op == "constant":
            value, sign = taken, -1
    if not is_gate(value.op):
        return None
    affines = [term for term in _parts(program, value.args[0], _is_sum) if program.values[term].op == "affine"]
    return (affines[0], sign) if affines else None
