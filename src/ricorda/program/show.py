"""A program's equations as text and as LaTeX, in the papers' notation: `i_t = sigmoid(W_i [h_{t-1}, x_t] + b_i)`."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from ricorda.program.ir import LEAVES, MASKS, Program, Value
from ricorda.program.operations import EXPAND, OPERATIONS

Notation = Literal["plain", "latex"]
_SUM, _MATRIX_PRODUCT, _PRODUCT, _SIGN, _CALL = 1, 1.5, 2, 3, 4
"""The bindings of the operation table, and that of a matrix product: readers take W h * r for W (h * r)."""
_LONGEST = 500
"""Values of one equation, those that stand in it twice counted twice."""
_SAVED = 8
"""Values that are not written again, from which on a part that is used more than once gets a name."""


def equations(program: Program, notation: Notation = "plain") -> list[str]:
    """One equation for each named value, in the order of computation.

    Parameters
    ----------
    program : Program
        A traced cell.
    notation : {"plain", "latex"}
        The form of the result.

    Returns
    -------
    list of str
        Such as `c_t = f_t * c_{t-1} + i_t * g_t`; random masks first, as `P(mask_t = 0) = 0.1`.
    """
    named = {
        index: name
        for name, index in program.names
        if program.values[index].op not in LEAVES and not _is_preactivation(program, name, index)
    }
    new_states = list(zip(program.states, program.outputs, strict=True))
    if program.output:
        named[program.result] = program.output
    for state, index in reversed(new_states):  # A state's name is preferred to that of a variable with its value.
        if program.values[index].op not in LEAVES:
            named[index] = state.name
    _name_parts(program, named)
    lines = [_distribution(program.values[index], notation) for index in program.masks]
    for index in sorted(named):
        right, _ = _write(program, program.values[index], named, notation)
        lines.append(f"{_timed(named[index], 't', notation)} = {right}")
    for state, index in new_states:
        if named.get(index) != state.name:  # The new value is that of another state, now or in the previous step.
            right, _ = _operand(program, index, named, notation)
            lines.append(f"{_timed(state.name, 't', notation)} = {right}")
    if program.output and named.get(program.result) != program.output:  # It is a state's new value.
        right, _ = _operand(program, program.result, named, notation)
        lines.append(f"{_timed(program.output, 't', notation)} = {right}")
    return lines


def aligned(program: Program) -> str:
    """The equations in LaTeX, one below the other with their equal signs in line, for a display of its own."""
    lines = [line.replace(" = ", " &= ", 1) for line in equations(program, "latex")]
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def _name_parts(program: Program, named: dict[int, str]) -> None:
    """Name what is used more than once, and parts of what would be too long.

    A value without a name is written out wherever it is used. What stands in several places gets a name where that
    makes the text shorter, so that its length does not grow with each use of a use.
    """
    uses = Counter(arg for index in program.reaching for arg in program.values[index].args)
    sizes: list[int] = []
    taken = set(named.values())
    for index, value in enumerate(program.values):
        size = 1 + sum(sizes[arg] for arg in value.args)
        if index not in named and (size > _LONGEST or (size - 1) * (uses[index] - 1) >= _SAVED):
            number = 1 + sum(name.startswith("part_") for name in taken)
            named[index] = f"part_{number}"
            taken.add(named[index])
        sizes.append(1 if index in named else size)


def _is_preactivation(program: Program, name: str, index: int) -> bool:
    value = program.values[index]
    return value.op == "affine" and name == f"z_{value.name}"


def _mask(value: Value, notation: Notation) -> str:
    """A mask's name, with a time if each step has its own mask."""
    if value.op == "mask":
        return _timed(value.name, "t", notation)
    return value.name if notation == "plain" else _latex_name(value.name)


def _distribution(value: Value, notation: Notation) -> str:
    return f"P({_mask(value, notation)} = 0) = {_number(value.number, notation)[0]}"


def _timed(name: str, time: str, notation: Notation) -> str:
    """A variable at a time: `z_f` at t is `z_f_t`, or `z_{f,t}`."""
    if notation == "plain":
        return f"{name}_{time}" if time == "t" else f"{name}_{{{time}}}"
    return _latex_name(name, time)


def _latex_name(name: str, *below: str) -> str:
    """A name whose part after the first underscore is a subscript."""
    letter, _, index = name.partition("_")
    letter = letter if len(letter) == 1 else rf"\mathrm{{{letter}}}"
    below = (index.replace("_", " "), *below) if index else below
    return f"{letter}_{{{','.join(below)}}}" if below else letter


def _weight(kind: str, name: str, notation: Notation) -> str:
    if notation == "plain":
        return f"{kind}_{name}"
    name = name.replace("_", r"\_")
    name = name if len(name) == 1 else rf"\mathrm{{{name}}}"
    return f"{kind}_{{{name}}}"


def _number(number: float, notation: Notation) -> tuple[str, float]:
    """A number with all its digits, and its binding."""
    text = repr(number).removesuffix(".0")
    if notation == "latex" and "e" in text:
        mantissa, exponent = text.split("e")
        return rf"{mantissa} \cdot 10^{{{int(exponent)}}}", _SIGN if number < 0 else _PRODUCT
    return text, _SIGN if text.startswith("-") else _CALL


def _operand(program: Program, index: int, named: dict[int, str], notation: Notation) -> tuple[str, float]:
    """An argument and its binding: its name if it has one, else its expression."""
    value = program.values[index]
    if value.op == EXPAND:
        return _operand(program, value.args[0], named, notation)
    if value.op == "input":
        return _timed(value.name, "t", notation), _CALL
    if value.op == "state":
        return _timed(value.name, "t-1", notation), _CALL
    if value.op in MASKS:
        return _mask(value, notation), _CALL
    if index in named:
        return _timed(named[index], "t", notation), _CALL
    return _write(program, value, named, notation)


def _write(program: Program, value: Value, named: dict[int, str], notation: Notation) -> tuple[str, float]:
    """An expression and its binding."""
    if value.op == "constant":
        return _number(value.number, notation)
    if value.op == "parameter":
        return value.name if notation == "plain" else _latex_name(value.name), _CALL
    operands = [_operand(program, index, named, notation) for index in value.args]
    if value.op == "affine":
        return _write_affine(value, operands, notation)
    row = OPERATIONS[value.op]
    texts = [
        f"({text})" if row.binding < _CALL and _needs_parentheses(value.op, place, text, binding) else text
        for place, (text, binding) in enumerate(operands)
    ]
    template = row.plain if notation == "plain" else row.latex
    if notation == "latex" and any(program.values[index].op == "constant" for index in value.args):
        template = template.replace(r"\odot", r"\cdot").replace(
            r"\oslash", "/"
        )  # A product with a number is not elementwise.
    return template.format(*texts), row.binding


def _needs_parentheses(op: str, place: int, text: str, binding: float) -> bool:
    """Whether an operand of a binding needs parentheses at its place."""
    row = OPERATIONS[op]
    inverted = row.inverts(place)
    if (inverted or place == 1) and text.startswith("-"):  # A sign must not follow an operator directly.
        return True
    associates = bool(row.terms or row.factors)
    return binding < row.binding or (binding == row.binding and (inverted or not associates))


def _write_affine(value: Value, operands: list[tuple[str, float]], notation: Notation) -> tuple[str, float]:
    texts = [text for text, _ in operands]
    vector = f"[{', '.join(texts)}]" if len(texts) > 1 or operands[0][1] < _CALL else texts[0]
    space = " " if notation == "plain" else r" \, "
    name = value.shares or value.name
    product = f"{_weight('W', name, notation)}{space}{vector}"
    return (f"{product} + {_weight('b', name, notation)}", _SUM) if value.bias else (product, _MATRIX_PRODUCT)
