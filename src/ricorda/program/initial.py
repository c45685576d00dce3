"""What weights start with, as texts such as `orthogonal` or `uniform(-1, 1)`; `nn.initialisation` draws it."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

from ricorda.errors import CellError
from ricorda.program.forms import BIAS, INPUT, PARAMETER, PARTS, RECURRENT, parts_of, split

MATRICES, VECTORS = (RECURRENT, INPUT), (BIAS, PARAMETER)
ANY = (*MATRICES, *VECTORS)


@dataclass(frozen=True)
class Start:
    """A row of the table of what weights can start with.

    Parameters
    ----------
    parts : what can start so: parts of an affine, or "parameter"
    arguments : names of the numbers in its text
    optional : how many of them, from the last, may be left out
    right : whether numbers are in order
    square : whether a recurrent matrix must have as many rows as columns
    factors : whether each factor of a matrix of low rank can be drawn so
    """

    parts: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    optional: int = 0
    right: Callable[..., bool] = lambda *numbers: True
    square: bool = False
    factors: bool = False


def _rising(low: float, high: float, *more: float) -> bool:
    return low < high


STARTS = {
    "constant": Start(ANY, ("value",)),
    "uniform": Start(ANY, ("low", "high"), right=_rising, factors=True),
    "normal": Start(ANY, ("mu", "sigma"), right=lambda mu, sigma: sigma >= 0, factors=True),
    "uniform_fan_in": Start(MATRICES, ("scale",), right=lambda scale: scale > 0, factors=True),
    "normal_fan_in": Start(MATRICES, ("scale",), right=lambda scale: scale > 0, factors=True),
    "xavier_uniform": Start(MATRICES, ("gain",), optional=1, factors=True),
    "xavier_normal": Start(MATRICES, ("gain",), optional=1, factors=True),
    "identity": Start(MATRICES, ("scale",), optional=1),
    "orthogonal": Start(MATRICES, ("gain",), optional=1),
    "sparse": Start(
        (RECURRENT,),
        ("density", "radius"),
        right=lambda density, radius: 0 < density <= 1 and radius > 0,
        square=True,
    ),
    "permutation": Start((RECURRENT,), square=True),
    "cumulative": Start((RECURRENT,), square=True),
    "rotations": Start((RECURRENT,), ("low", "high"), right=_rising, square=True),
    "legendre": Start(MATRICES, ("steps",), right=lambda steps: steps > 0),
    "ramp": Start(VECTORS, ("first", "last")),
    "chrono": Start(VECTORS, ("steps",), right=lambda steps: steps >= 2),
    "ring": Start(VECTORS, ("low", "high"), right=lambda low, high: 0 <= low < high < 1),
    "decay": Start(
        VECTORS,
        ("low", "high", "power"),
        optional=1,
        right=lambda low, high, power=1.0: 0 < low < high < 1 and power > 0,
    ),
}
"""Each by its name; `nn.initialisation.DRAWN` has the function that fills a tensor with it."""


def canonical(init: str | float | Mapping[str, object], affine: bool) -> str:
    """What weights start with, as the one text that stands for it in a program.

    Parameters
    ----------
    init : str, number, or a mapping of "recurrent", "input" and "bias" to those
        Without a mapping it is for an affine's recurrent matrices, those of all operands but the input. A number is
        that constant. "" leaves all to the layer.
    affine : bool
        Whether it is for an affine, or for a parameter.

    Raises
    ------
    CellError
        If nothing can start so.
    """
    if init == "":
        return ""
    if not affine:
        return _text(init, PARAMETER)
    parts = dict(init) if isinstance(init, Mapping) else parts_of(init) if isinstance(init, str) else {RECURRENT: init}
    for part in parts:
        if part not in PARTS:
            raise CellError(f"its init has a part {part!r}: give texts for {', '.join(map(repr, PARTS))}")
    texts = {part: _text(parts[part], part) for part in PARTS if part in parts}
    return texts[RECURRENT] if list(texts) == [RECURRENT] else "; ".join(f"{part}={texts[part]}" for part in texts)


def parse(text: str, part: str) -> tuple[str, tuple[float, ...]]:
    """The name and the numbers of a text such as `uniform(-1, 1)`.

    Raises
    ------
    CellError
        If no such name is known for the part, or its numbers are not what it takes.
    """
    name, numbers = split(text)
    start = STARTS.get(name)
    if start is None or part not in start.parts:
        known = [other for other, row in STARTS.items() if part in row.parts]
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {_signature(close[0])}? Others" if close else "what it can start with"
        raise CellError(f"the init of its {part} is {text!r:.60}: {hint} are {', '.join(map(_signature, known))}")
    least, most = len(start.arguments) - start.optional, len(start.arguments)
    if not least <= len(numbers) <= most or not all(map(math.isfinite, numbers)) or not start.right(*numbers):
        raise CellError(
            f"the init of its {part} is {text!r:.60}: write {_signature(name)} with finite numbers that are in order"
        )
    return name, numbers


def check_init(init: str, form: str, name: str, size: str, recurrent: Sequence[str], has: Mapping[str, bool]) -> None:
    """Check that an affine can start so.

    Parameters
    ----------
    init, form : canonical texts
    name, size : of the affine
    recurrent : sizes of its operands that are not the input
    has : whether it has each of `PARTS`

    Raises
    ------
    CellError
        If it has no such part, or a matrix that would have to be square is not.
    """
    forms = parts_of(form)
    for part, text in parts_of(init).items():
        start = STARTS[parse(text, part)[0]]
        if not has[part]:
            there = " and ".join(repr(part) for part in PARTS if has[part])
            raise CellError(
                f'affine("{name}", ...) has no {part} part, and the init {text!r} is for that: it has {there}, so '
                f"write init={{...}} with those"
            )
        if start.square and part == RECURRENT and any(operand != size for operand in recurrent):
            raise CellError(f'the init {text!r} is of square matrices, and affine("{name}", ...) has another')
        if forms.get(part, "").startswith("low_rank") and not start.factors:
            raise CellError(
                f'the init {text!r} is of whole matrices, and affine("{name}", ...) learns two factors: draw them by '
                "'normal(mu, sigma)' or another distribution"
            )


def _text(init: Any, part: str) -> str:
    if isinstance(init, str):
        name, numbers = parse(init, part)
    elif isinstance(init, Real) and init is not True and init is not False and math.isfinite(init):
        name, numbers = "constant", (float(init),)
    else:
        raise CellError(f"the init of its {part} is {init!r:.60}: give a finite number or a text, as 'uniform(-1, 1)'")
    return f"{name}({', '.join(repr(number).removesuffix('.0') for number in numbers)})" if numbers else name


def _signature(name: str) -> str:
    arguments = STARTS[name].arguments
    return f"'{name}({', '.join(arguments)})'" if arguments else f"'{name}'"
