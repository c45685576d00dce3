"""Forms: how weights are made from what is learned, as texts such as `skew(0.01)`; `nn.forms` makes them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ricorda.errors import ArgumentError, CellError

RECURRENT, INPUT, BIAS, PARAMETER = "recurrent", "input", "bias", "parameter"
PARTS = (RECURRENT, INPUT, BIAS)
"""The parts of an affine: the matrices of all operands but the input, that of the input, and the bias."""

Dimensions = tuple[int, ...]


def _same(shape: Dimensions, *numbers: float) -> dict[str, Dimensions]:
    return {"": shape}


def _low_rank(shape: Dimensions, rank: float) -> dict[str, Dimensions]:
    rows, columns = shape
    return {"left_": (rows, int(rank)), "right_": (int(rank), columns)}


def _blocks(shape: Dimensions, count: float) -> dict[str, Dimensions]:
    n = int(count)
    if any(size % n for size in shape):
        raise ArgumentError(
            f"block_diagonal({n}) divides a matrix of {shape[0]} x {shape[1]}: give sizes that are multiples of {n}"
        )
    return {"": (n, *(size // n for size in shape))}


@dataclass(frozen=True)
class Form:
    """A row of the table of forms.

    Parameters
    ----------
    parts : what can have the form: parts of an affine, or "parameter"
    arguments : names of the numbers in its text
    whole : whether those are whole numbers of at least 1
    square : whether the matrix must have as many rows as columns
    tensors : from the shape of the piece, and the numbers, to the shapes of the learned tensors, by a prefix
    equation : what is made, in plain text, from a piece {W} of the learned M, and the numbers
    """

    parts: tuple[str, ...]
    equation: str
    arguments: tuple[str, ...] = ()
    whole: bool = False
    square: bool = False
    tensors: Callable[..., dict[str, Dimensions]] = _same


FORMS = {
    "fixed": Form((*PARTS, PARAMETER), "{W} never trained"),
    "number": Form((PARAMETER,), "{W}: one number for all units", tensors=lambda shape: {"": (1,)}),
    "clamp": Form((PARAMETER,), "{W} = minimum(maximum(M, {0}), {1})", ("low", "high")),
    "skew": Form((RECURRENT,), "{W} = M - M^T - {0} I", ("gamma",), square=True),
    "symmetric_mix": Form(
        (RECURRENT,), "{W} = (1 - {0}) (M + M^T) + {0} (M - M^T) - {1} I", ("beta", "gamma"), square=True
    ),
    "orthogonal": Form((RECURRENT,), "{W} = expm(M - M^T)", square=True),
    "low_rank": Form((RECURRENT, INPUT), "{W} = M N of rank {0}", ("rank",), whole=True, tensors=_low_rank),
    "block_diagonal": Form((RECURRENT,), "{W} of {0} blocks on the diagonal", ("count",), whole=True, tensors=_blocks),
}
"""Each form by its name; `nn.forms.MAKERS` has the function that makes a piece of it."""


def parse(text: str, part: str) -> tuple[str, tuple[float, ...]]:
    """The name and the numbers of a form, such as `low_rank(8)`.

    Raises
    ------
    CellError
        If no such form is known for the part, or its numbers are not what it takes.
    """
    name, numbers = split(text)
    form = FORMS.get(name)
    if form is None or part not in form.parts:
        known = ", ".join(_signature(name) for name, row in FORMS.items() if part in row.parts)
        raise CellError(f"the form of its {part} is {text!r}: give one of {known}")
    wrong = len(numbers) != len(form.arguments) or not all(map(math.isfinite, numbers))
    if wrong or (form.whole and not all(number >= 1 and number.is_integer() for number in numbers)):
        kind = "whole numbers of at least 1" if form.whole else "finite numbers"
        raise CellError(f"the form of its {part} is {text!r}: write {_signature(name)}, with {kind}")
    if name == "clamp" and numbers[0] >= numbers[1]:
        raise CellError(f"the form of its {part} is {text!r}: its first number must be below its second")
    return name, numbers


def split(text: str) -> tuple[str, tuple[float, ...]]:
    """The name and the numbers of a text such as `low_rank(8)`: "" if it is none, nan if they are no numbers."""
    match = re.fullmatch(r"\s*([a-z_]+)\s*(?:\((.*)\))?\s*", text)
    if match is None:
        return "", ()
    try:
        return match[1], tuple(map(float, match[2].split(","))) if (match[2] or "").strip() else ()
    except ValueError:
        return match[1], (math.nan,)


def canonical(form: str | Mapping[str, str], affine: bool) -> str:
    """A form as the one text that stands for it in a program.

    A text is the form of an affine's recurrent matrices; only "fixed" stands for the whole affine. A mapping has a form
    for each of some parts, and becomes `recurrent=low_rank(8); input=low_rank(8)`.

    Raises
    ------
    CellError
        If it is no form.
    """
    if not isinstance(form, (str, Mapping)):
        raise CellError(f"its form is {form!r}: give a text such as 'skew(0.01)', or a mapping of parts to texts")
    if not form:
        return ""
    if not affine:
        if not isinstance(form, str):
            raise CellError(f"its form is {form!r}, and a parameter has no parts: give a text")
        return _text(form, PARAMETER)
    parts = parts_of(form) if isinstance(form, str) else dict(form)
    for part, text in parts.items():
        if part not in PARTS or not isinstance(text, str):
            raise CellError(f"its form has {part!r}: {text!r}: give texts for {', '.join(map(repr, PARTS))}")
    texts = {part: _text(parts[part], part) for part in PARTS if part in parts}
    if texts == dict.fromkeys(PARTS, "fixed"):
        return "fixed"
    if list(texts) == [RECURRENT] and texts[RECURRENT] != "fixed":
        return texts[RECURRENT]
    return "; ".join(f"{part}={text}" for part, text in texts.items())


def parts_of(text: str) -> dict[str, str]:
    """The form of each part of an affine that has one, from a text."""
    if not text:
        return {}
    if text == "fixed":
        return dict.fromkeys(PARTS, text)
    if "=" not in text:
        return {RECURRENT: text}
    pairs = (part.partition("=") for part in text.split(";"))
    return {part.strip(): form.strip() for part, _, form in pairs}


def _text(text: str, part: str) -> str:
    name, numbers = parse(text, part)
    return f"{name}({', '.join(repr(number).removesuffix('.0') for number in numbers)})" if numbers else name


def _signature(name: str) -> str:
    arguments = FORMS[name].arguments
    return f"'{name}({', '.join(arguments)})'" if arguments else f"'{name}'"


def check_form(form: str, name: str, size: str, recurrent: Sequence[str], reads_input: bool, bias: bool) -> None:
    """Check that an affine can have a form.

    Parameters
    ----------
    form : canonical text
    name, size, bias : of the affine
    recurrent : sizes of its operands that are not the input
    reads_input : whether one is the input

    Raises
    ------
    CellError
        If it has no such part, or a matrix that would have to be square is not.
    """
    if form == "fixed":
        return
    has = {RECURRENT: bool(recurrent), INPUT: reads_input, BIAS: bias}
    for part, text in parts_of(form).items():
        if not has[part]:
            there = " and ".join(repr(own) for own in PARTS if has[own])
            raise CellError(
                f'affine("{name}", ...) has no {part} part, and the form {text!r} is for that: it has {there}, so '
                "write form={...} with those"
            )
        for operand in recurrent:
            if FORMS[parse(text, part)[0]].square and operand != size:
                raise CellError(
                    f'the form {text!r} makes square matrices, and affine("{name}", ...) makes a vector of size {size} '
                    f"from one of size {operand}"
                )
