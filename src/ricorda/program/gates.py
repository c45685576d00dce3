"""Which gates of a program decide how long a state lasts: found in its equations, so in a user's own cell too."""

from __future__ import annotations

from collections.abc import Callable

from ricorda.program.ir import Program
from ricorda.program.operations import OPERATIONS, Operation, is_gate


def memory_gates(program: Program) -> dict[int, int]:
    """The affines of the gates through which a state goes on or is written to.

    A new state is a sum. A sigmoid that multiplies the old state in it keeps; one that multiplies anything else
    writes; and one that is taken from 1 does the opposite of what it says: `f * c + i * g`, `(1 - u) * a + u * n`.

    Parameters
    ----------
    program : Program
        Of any cell.

    Returns
    -------
    dict of int to int
        Of each such affine (by index) 1 if the state lasts where it is large, -1 if it lasts where it is small; empty
        if no gate keeps a state.
    """
    gates: dict[int, int] = {}
    states = [index for index, value in enumerate(program.values) if value.op == "state"]
    for state, new in zip(states, program.outputs, strict=True):
        products = [_parts(program, term, _is_product) for term in _parts(program, new, _is_sum)]
        if not any(state in product for product in products):
            continue  # It is an output like o * tanh(c).
        for product in products:
            for affine, sign in filter(None, (_gate(program, factor) for factor in product)):
                gates[affine] = sign if state in product else -sign
    return gates


def _is_sum(row: Operation) -> bool:
    return bool(row.terms) and row.commutes


def _is_product(row: Operation) -> bool:
    return bool(row.factors) and row.commutes


def _parts(program: Program, index: int, splits: Callable[[Operation], bool]) -> list[int]:
    """The terms of a sum, or the factors of a product; the value itself if it is none."""
    value = program.values[index]
    if value.op in OPERATIONS and len(value.args) > 1 and splits(OPERATIONS[value.op]):
        return [part for arg in value.args for part in _parts(program, arg, splits)]
    return [index]


def _gate(program: Program, index: int) -> tuple[int, int] | None:
    """Affine and sign of sigmoid(affine + ...), or of 1 less that; None for anything else."""
    value, sign = program.values[index], 1
    if value.op in OPERATIONS and OPERATIONS[value.op].terms == (1, -1):
        number, taken = (program.values[arg] for arg in value.args)
        if number.op == "constant":
            value, sign = taken, -1
    if not is_gate(value.op):
        return None
    affines = [term for term in _parts(program, value.args[0], _is_sum) if program.values[term].op == "affine"]
    return (affines[0], sign) if affines else None
