"""Which gates of a program decide how long a state lasts: found in its equations, so in a user's own cell too."""

from __future__ import annotations

from ricorda.program.ir import Program


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
        products = [_parts(program, term, "multiply") for term in _parts(program, new, "add")]
        if not any(state in product for product in products):
            continue  # an output like o * tanh(c)
        for product in products:
            for affine, sign in filter(None, (_gate(program, factor) for factor in product)):
                gates[affine] = sign if state in product else -sign
    return gates


def _parts(program: Program, index: int, op: str) -> list[int]:
    """The terms of a sum, or the factors of a product; a value that is none is its only one."""
    value = program.values[index]
    return [part for each in value.args for part in _parts(program, each, op)] if value.op == op else [index]


def _gate(program: Program, index: int) -> tuple[int, int] | None:
    """Affine and sign of sigmoid(affine + ...), or of 1 less that; None for anything else."""
    value, sign = program.values[index], 1
    if value.op == "subtract" and program.values[value.args[0]].op == "constant":
        value, sign = program.values[value.args[1]], -1
    if value.op != "sigmoid":
        return None
    affines = [term for term in _parts(program, value.args[0], "add") if program.values[term].op == "affine"]
    return (affines[0], sign) if affines else None
