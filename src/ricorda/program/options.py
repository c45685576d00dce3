"""What a cell's function says of itself: its name, its code, and its options, the keyword-only arguments."""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Callable, Mapping
from functools import partial
from numbers import Integral, Real
from types import FunctionType
from typing import Any

from ricorda.errors import ArgumentError

_CALLED = "__call__"  # Read as a name: the question is which function it is, and not whether there is one.
Option = bool | int | float | str
"""What an option can be."""


def code_of(function: Any) -> FunctionType | None:
    """The function written in Python that a callable runs, such as a partial's or an object's; None if it has none."""
    function = _whole(function)
    if not (inspect.isfunction(function) or inspect.ismethod(function) or isinstance(function, type)):
        function = getattr(type(function), _CALLED, None)
    function = inspect.unwrap(getattr(function, "__func__", function))
    return function if inspect.isfunction(function) else None


def name_of(function: Any) -> str:
    """A function's name; that of its class if an object is called."""
    function = _whole(function)
    return str(getattr(function, "__name__", type(function).__name__))


def written(options: Mapping[str, Option]) -> str:
    """Options as they are written in a call: `dt=0.05, gamma=0.4`."""
    return ", ".join(f"{name}={value!r}" for name, value in options.items())


def defaults_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The keyword-only arguments that have defaults; what a partial sets is a default too. None if it is no cell."""
    try:
        parameters = inspect.signature(function).parameters.values() if code_of(function) else ()
    except ValueError:  # A partial sets what there is not; tracing says so.
        parameters = ()
    return {
        parameter.name: _plain(parameter.default)
        for parameter in parameters
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is not parameter.empty
    }


def options_of(function: Callable[..., Any], changed: Mapping[str, Any]) -> dict[str, Option]:
    """Every option of a function with its value.

    Parameters
    ----------
    changed : option -> value
        Those that are to differ from their defaults.

    Raises
    ------
    ArgumentError
        If the function has no such option, or a value is of another type than the default, or infinite.
    """
    defaults = defaults_of(function)
    return settled(name_of(function), defaults | defaults_of(_whole(function)), {**defaults, **changed})


def differing(function: Callable[..., Any], options: Mapping[str, Option]) -> dict[str, Option]:
    """The options that differ from the defaults in the function's text, which a partial does not change."""
    defaults = defaults_of(_whole(function))
    return {name: value for name, value in options.items() if name not in defaults or defaults[name] != value}


def settled(cell: str, defaults: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Option]:
    """Values of options as Python's own numbers and words, of the types of their defaults; raises as `options_of`."""
    for name in values:
        if name not in defaults:
            close = difflib.get_close_matches(name, defaults, n=1)
            hint = f"did you mean {close[0]}? Its" if close else "its"
            known = f"{hint} options are {written(defaults)}" if defaults else "it has none, so leave it out"
            raise ArgumentError(f"cell {cell} has no option {name}: {known}")
    return {name: _checked(cell, name, defaults, value) for name, value in values.items()}


def check_default(name: str, default: Any) -> str | None:
    """Why an argument's default makes no option of it; None if it does."""
    if isinstance(default, bool | str) or (isinstance(default, int | float) and abs(default) <= sys.float_info.max):
        return None
    return f"its option {name} has the default {default!r:.40}: give it a finite number, a text, True or False"


def _whole(function: Any) -> Any:
    """What a partial was made of; anything else as it is."""
    while isinstance(function, partial):
        function = function.func
    return function


def _plain(value: Any) -> Any:
    """A number of NumPy or torch as Python's own; anything else as it is."""
    return value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value


def _checked(cell: str, name: str, defaults: Mapping[str, Any], value: Any) -> Option:
    default, value = defaults[name], _plain(value)
    if value is default:  # It is checked when the cell is traced.
        kept: Option = value
        return kept
    number = isinstance(value, Real) and not isinstance(value, bool)
    if isinstance(default, bool):
        kind, right = "True or False", isinstance(value, bool)
    elif isinstance(default, str):
        kind, right = "a text", isinstance(value, str)
    elif isinstance(default, int):
        kind, right = "a whole number", number and isinstance(value, Integral)
    else:
        kind, right = "a finite number", number and isinstance(default, float) and abs(value) <= sys.float_info.max
    if not right:
        raise ArgumentError(
            f"option {name} of cell {cell} is {value!r:.40}: give {kind} (its options are {written(defaults)})"
        )
    own: Option = type(default)(value)
    return own
