"""The unrolled network as a table of boxes: states from left to right, a column a step."""

from __future__ import annotations

import math
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricorda.insight.drawing import decimals
from ricorda.insight.memory.decomposition import additive_states
from ricorda.insight.unrolled.picture import rows_of
from ricorda.insight.unrolled.result import Unrolled
from ricorda.program.ir import Program
from ricorda.program.operations import OPERATIONS, is_gate

Array = NDArray[Any]

MOST_NUMBERS = 4
"""Of a value in a box: a longer one, as a state that is no state of units, has its norm there."""


def shown(number: float) -> str:
    """A number with two decimals; what is infinite as its sign."""
    return decimals(number) if math.isfinite(number) else str(number).replace("inf", "∞").replace("-", "−")


def named(name: str, step: str = "") -> str:
    """A variable's name as HTML; what follows its first underscore, and the step, stand below."""
    letter, _, rest = name.partition("_")
    below = ",".join(part for part in (rest, step) if part)
    return f"<i>{escape(letter)}</i>" + (f"<sub>{escape(below)}</sub>" if below else "")


def states_in_order(program: Program) -> list[str]:
    """The states from above to below: those that are kept first, as in a textbook."""
    kept = {program.states[place].name for place in additive_states(program)}
    names = [state.name for state in program.states][::-1]
    return [name for name in names if name in kept] + [name for name in names if name not in kept]


def cells_of(unrolled: Unrolled, last: int, words: dict[str, str]) -> str:
    """The cells of the picture's grid as HTML, row after row; steps after `last` are faint.

    Parameters
    ----------
    words : what the picture says: "before", "step" with a number to follow
    """
    program, T = unrolled.program, len(unrolled)
    states = states_in_order(program)
    outside = [] if program.output_name in states else [program.output_name]
    rows = [_head(unrolled, last, words)]
    rows += [_state(unrolled, name, last) for name in states]
    for row in rows_of(program):
        if row.name in states or row.name in outside:
            continue
        values = [_value(unrolled, row.name, row.op, row.argument, step) for step in range(T)]
        rows.append(_line(named(row.name), "", values, last, "inner"))
    for name in outside:
        values = [_numbers(unrolled.values[name][step]) for step in range(T)]
        rows.append(_line(named(name), "", values, last, "inner output"))
    return "".join(rows)


def _head(unrolled: Unrolled, last: int, words: dict[str, str]) -> str:
    steps = [f"{escape(words['step'])} {unrolled.first + step}" for step in range(len(unrolled))]
    return _line("", escape(words["before"]), steps, last, "head")


def _state(unrolled: Unrolled, name: str, last: int) -> str:
    """A state's lane: what is handed on, and how it came about where a share of the old value is kept."""
    values = []
    for step, new in enumerate(unrolled.values[name]):
        how = ""
        if name in unrolled.kept and len(new) == 1:
            share = float(unrolled.kept[name][step, 0])
            old = float((unrolled.values[name][step - 1] if step else unrolled.initial[name])[0])
            if math.isfinite(share) and math.isfinite(old):
                added = float(new[0]) - share * old
                sign = "−" if added < 0 else "+"
                how = f"<small>{shown(share)} · {_bracketed(old)} {sign} {shown(abs(added))}</small>"
        values.append(_numbers(new) + how)
    return _line(named(name), _numbers(unrolled.initial[name]), values, last, "state")


def _bracketed(number: float) -> str:
    return f"({shown(number)})" if number < 0 else shown(number)


def _value(unrolled: Unrolled, name: str, op: str, argument: str | None, step: int) -> str:
    values = unrolled.values[name][step]
    how = ""
    if argument is not None and len(values) == 1:
        symbol = OPERATIONS[op].symbol or op
        how = f"<small>{escape(symbol)}({shown(float(unrolled.values[argument][step][0]))})</small>"
    bounds = OPERATIONS[op].bounds if op in OPERATIONS else None
    kind = "gate" if is_gate(op) else "squashed" if bounds == (-1, 1) else ""
    return _numbers(values, kind) + how


def _numbers(values: Array, kind: str = "") -> str:
    """A number for each unit, with a bar behind it of a gate or a squashed value; of a long vector its norm."""
    if len(values) > MOST_NUMBERS:
        return f'<span class="numbers"><b class="number">‖·‖ = {shown(float(np.linalg.norm(values)))}</b></span>'
    parts = []
    for number in np.asarray(values, dtype=float).tolist():
        style = ""
        if kind and math.isfinite(number):
            start, end = (0.0, number) if kind == "gate" else sorted((0.5, 0.5 + number / 2))
            style = f' style="--from:{start:.1%};--to:{end:.1%}"'
        parts.append(f'<b class="number {kind}"{style}>{shown(number)}</b>')
    return f'<span class="numbers">{"".join(parts)}</span>'


def _line(name: str, before: str, values: list[str], last: int, kind: str) -> str:
    """A row: its name, what stands before the first step, and a box a step with an arrow before it."""
    arrow = "→" if "state" in kind else ""
    cells = [f'<div class="label {kind}">{name}</div>', f'<div class="before {kind}">{before}</div>']
    for step, value in enumerate(values):
        place = "now" if step + 1 == last else "later" if step + 1 > last else ""
        cells.append(f'<div class="arrow {kind} {place}">{arrow}</div>')
        cells.append(f'<div class="box {kind} {place}">{value}</div>')
    return "".join(cells)
