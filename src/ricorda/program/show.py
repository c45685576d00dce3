"""A program's equations as text and as LaTeX, in the papers' notation: `i_t = sigmoid(W_i [h_{t-1}, x_t] + b_i)`."""

from __future__ import annotations

from typing import Literal

from ricorda.program.ir import Program, Value
from ricorda.program.operations import OPERATIONS

Notation = Literal["plain", "latex"]
_SUM, _PRODUCT = 1, 2


def equations(program: Program, notation: Notation = "plain") -> list[str]:
    """One equation for each named value, in the order of computation.

    Parameters
    ----------
    program : Program
        A traced cell.
    notation : {"plain", "latex"}
        How to write it.

    Returns
    -------
    list of str
        Such as `c_t = f_t * c_{t-1} + i_t * g_t`.
    """
    named = {index: name for name, index in program.names if not _is_preactivation(program, name, index)}
    lines = []
    for index in sorted(named):
        if program.values[index].op in ("input", "state"):
            continue  # a state that is handed on unchanged
        right, _ = _write(program, program.values[index], named, notation)
        lines.append(f"{_at_time(named[index], 't', notation)} = {right}")
    return lines


def _is_preactivation(program: Program, name: str, index: int) -> bool:
    value = program.values[index]
    return value.op == "affine" and name == f"z_{value.name}"


def _at_time(name: str, time: str, notation: Notation) -> str:
    if notation == "plain":
        return f"{name}_{time}" if time == "t" else f"{name}_{{{time}}}"
    letter, _, index = name.partition("_")
    letter = letter if len(letter) == 1 else rf"\mathrm{{{letter}}}"
    return f"{letter}_{{{index.replace('_', ' ')},{time}}}" if index else f"{letter}_{{{time}}}"


def _weight(kind: str, name: str, notation: Notation) -> str:
    if notation == "plain":
        return f"{kind}_{name}"
    name = name.replace("_", r"\_")
    name = name if len(name) == 1 else rf"\mathrm{{{name}}}"
    return f"{kind}_{{{name}}}"


def _operand(program: Program, index: int, named: dict[int, str], notation: Notation) -> tuple[str, int]:
    """An argument: its name where it has one, else its expression."""
    value = program.values[index]
    if value.op == "input":
        return _at_time("x", "t", notation), 4
    if value.op == "state":
        return _at_time(value.name, "t-1", notation), 4
    if index in named:
        return _at_time(named[index], "t", notation), 4
    return _write(program, value, named, notation)


def _write(program: Program, value: Value, named: dict[int, str], notation: Notation) -> tuple[str, int]:
    """An expression and how tightly it holds together."""
    if value.op == "constant":
        return f"{value.number:g}", 4 if value.number >= 0 else 3
    if value.op == "parameter":
        return value.name if notation == "plain" else _weight("p", value.name.removeprefix("p_"), notation), 4
    operands = [_operand(program, index, named, notation) for index in value.args]
    if value.op == "affine":
        texts = [text for text, _ in operands]
        vector = f"[{', '.join(texts)}]" if len(texts) > 1 or operands[0][1] < 4 else texts[0]
        space = " " if notation == "plain" else r" \, "
        product = f"{_weight('W', value.name, notation)}{space}{vector}"
        return (f"{product} + {_weight('b', value.name, notation)}", _SUM) if value.bias else (product, _PRODUCT)
    row = OPERATIONS[value.op]
    if row.binding < 4:
        # the right side of - and / must hold together more tightly than the sign itself
        strict = [False, value.op in ("subtract", "divide")] if row.arity == 2 else [False]
        texts = [
            f"({text})" if binding < row.binding + tight else text
            for (text, binding), tight in zip(operands, strict, strict=True)
        ]
    else:
        texts = [text for text, _ in operands]
    template = row.plain if notation == "plain" else row.latex
    if notation == "latex" and any(program.values[index].op == "constant" for index in value.args):
        template = template.replace(r"\odot", r"\,")  # a number times a vector
    return template.format(*texts), row.binding
