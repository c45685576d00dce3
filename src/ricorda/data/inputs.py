"""The kinds of input, one for each example: texts, lists of tokens, or arrays of numbers; recognised and checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ricorda.data.places import REPAIR, Place, UnusableError
from ricorda.errors import DataError

Kind = Literal["texts", "tokens", "numbers"]
KINDS: Mapping[Kind, str] = {"texts": "texts", "tokens": "lists of tokens", "numbers": "arrays of numbers"}
Numbers = NDArray[np.float32]
Inputs = list[str] | list[list[str]] | list[Numbers]
ONE_OF = {"texts": "a text", "tokens": "a token list", "numbers": "a list of numbers"}


def place_of(argument_value: Any, argument: str = "X") -> Place:
    """Where examples stand: as their own source says (`row 7 of reviews.csv`), or else in an argument (`X[6]`)."""
    place: Place = getattr(argument_value, "place", None) or (lambda index: f"{argument}[{index}]")
    return place


def read_inputs(examples: Any, argument: str = "X", *, missing: bool = False) -> tuple[Kind, list[Any]]:
    """The inputs that an argument of a Python call holds; see `as_inputs`.

    Parameters
    ----------
    examples : sequence, array [N, T] or [N, T, I], or `ricorda.data.read.Examples`
        The examples.
    argument : str
        Its name, for messages.
    missing : bool
        Whether numbers may be missing.
    """
    place = place_of(examples, argument)
    values = as_list(getattr(examples, "inputs", examples))
    if values is None:
        raise DataError(
            f"{argument} is of type {type(examples).__name__}: give a sequence of texts, of token lists, "
            "or of arrays of numbers [T] or [T, I]"
        )
    if not values:
        raise DataError(f"{argument} holds no example: give at least one")
    column = getattr(examples, "column", "")
    return as_inputs(values, in_column(place, column), missing=missing)


def in_column(place: Place, column: str) -> Place:
    """Where the values of a column stand, if there is one."""
    return lambda index: place(index) + (f", column {column!r}," if column else "")


def as_list(sequence: Any) -> list[Any] | None:
    """The members of a list, tuple, array, tensor or column; None for anything else, such as a whole table."""
    if isinstance(sequence, str | bytes | dict | set) or hasattr(sequence, "columns"):
        return None
    try:
        len(sequence)  # An iterator has no length, and would be empty the second time.
        return list(sequence)
    except TypeError:
        return None


def as_inputs(values: Sequence[Any], where: Place, *, missing: bool = False) -> tuple[Kind, list[Any]]:
    """Texts, token lists, or arrays float32 [T, I]; all must be of the first one's kind.

    Parameters
    ----------
    values : sequence
        The examples; at least one.
    where : callable
        Says where an example stands.
    missing : bool
        Whether a number may be NaN, which means that it was not measured.

    Raises
    ------
    DataError
        If an example is empty, of another kind than the first, no text or number, not finite, or has another number
        of features than the first.
    """
    first: Kind | None = None
    inputs: list[Any] = []
    for index, value in enumerate(values):
        try:
            kind = _kind(value)
            first = first or kind
            if kind != first:
                raise UnusableError(f"has {ONE_OF[kind]} where {where(0)} has {ONE_OF[first]}: give all the same kind")
            inputs.append(_array(value, missing) if kind == "numbers" else _CHECKS[kind](value))
            if kind == "numbers" and inputs[-1].shape[1] != inputs[0].shape[1]:
                raise UnusableError(
                    f"has {inputs[-1].shape[1]} features a step where {where(0)} has {inputs[0].shape[1]}: "
                    "give all the same features"
                )
        except UnusableError as error:
            raise DataError(f"{where(index)} {error}") from None
    assert first is not None  # There is at least one example.
    return first, inputs


def _kind(value: Any) -> Kind:
    if isinstance(value, str):
        return "texts"
    single = getattr(value, "ndim", 1) == 0  # The __len__ of an array of one number raises.
    if hasattr(value, "__len__") and not single and not isinstance(value, bytes | dict | set):
        if len(value):
            return "tokens" if isinstance(next(iter(value)), str) else "numbers"
        raise UnusableError(f"has an empty list: {REPAIR}")
    if value is None:
        raise UnusableError(f"has no text: {REPAIR}")
    raise UnusableError(
        f"has {value!r:.40}, which is neither text nor list: give texts, lists of tokens or "
        "lists of numbers, or choose another column with --text"
    )


def _text(value: str) -> str:
    if not value.strip():
        raise UnusableError(f"has {'a blank' if value else 'an empty'} text: {REPAIR}")
    if has_surrogates(value):
        raise UnusableError(f"has half a surrogate pair in its text, which is no character: {REPAIR}")
    return str(value)  # NumPy has strings of its own.


def _tokens(value: Sequence[Any]) -> list[str]:
    for position, token in enumerate(value, 1):
        if not isinstance(token, str) or not token:
            raise UnusableError(f"has {token!r:.40} as token {position}: make each token a string that is not empty")
    joined = "".join(value)
    if not joined.strip():
        raise UnusableError(f"has blank tokens alone: {REPAIR}")
    if has_surrogates(joined):
        raise UnusableError(f"has half a surrogate pair in a token, which is no character: {REPAIR}")
    return list(map(str, value))


def has_surrogates(text: str) -> bool:
    """Whether a string holds surrogates, which no UTF-8 file can hold, but the arguments of a command may."""
    return not text.isascii() and re.search(r"[\ud800-\udfff]", text) is not None


def _array(value: Any, missing: bool) -> Numbers:
    """A float32 array [T, I] from T numbers (I = 1) or T lists of I numbers."""
    if hasattr(value, "detach"):  # NumPy takes a tensor only without gradient and from the CPU.
        value = value.detach().cpu()
        value = value.double() if value.is_floating_point() else value  # NumPy has no bfloat16.
    elif hasattr(value, "to_list"):  # The lists of a table's column would be objects to NumPy.
        value = value.to_list()
    try:
        numbers: NDArray[Any] = np.asarray(value)
        if numbers.dtype.kind not in "biufO":
            raise ValueError
        numbers = numbers.astype(np.float64)
    except (ValueError, TypeError, OverflowError):
        raise UnusableError(_why_no_array(value)) from None
    if numbers.ndim == 1:
        numbers = numbers[:, None]
    if numbers.ndim != 2 or not numbers.size:
        what = "empty lists" if not numbers.size else "lists nested too deeply"
        raise UnusableError(f"has {what}: write T numbers, or T lists of as many numbers each")
    with np.errstate(over="ignore"):
        array = numbers.astype(np.float32)
    bad = np.argwhere(np.isinf(array) if missing else ~np.isfinite(array))
    if len(bad):
        step, feature = bad[0]
        number = str(numbers[step, feature]).replace("nan", "NaN")
        other = ", or choose a cell that takes a mask" if number == "NaN" else ""
        raise UnusableError(
            f"has {number} at step {step + 1}, feature {feature + 1} (both counted from 1): "
            f"replace it by a finite number or delete the row{other}"
        )
    return array


def _why_no_array(value: Any) -> str:
    for step, entry in enumerate(value, 1):
        if _shape(entry) != _shape(value[0]):
            return (
                f"has {_shape(entry)} at step {step} where step 1 has {_shape(value[0])}: "
                "give all steps as many numbers"
            )
        for number in entry if isinstance(entry, list) else [entry]:
            if not isinstance(number, int | float):
                return f"has {number!r:.40} at step {step}, which is no number: write real numbers alone"
    return "has a number out of bounds: write finite numbers"


def _shape(entry: Any) -> str:
    if isinstance(entry, list):
        return f"a list of {len(entry)}"
    return "null" if entry is None else "one value"


_CHECKS: dict[Kind, Callable[[Any], Any]] = {"texts": _text, "tokens": _tokens}
