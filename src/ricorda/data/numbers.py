"""Numbers as a file holds them: written as text, or as its format has them."""

from __future__ import annotations

from typing import Any

TRUTH = {"true": 1.0, "false": 0.0}
"""What a text means that says whether something holds, in small letters."""


def as_number(value: Any) -> float:
    """A number of a file.

    Raises
    ------
    ValueError, TypeError
        If it is none. An underscore is no part of a number, which it is for Python: `2020_1` is not 20,201.
    OverflowError
        If it is a whole number that no float can hold.
    """
    if isinstance(value, str):
        if "_" in value:
            raise ValueError(value)
    elif hasattr(value, "__len__"):
        raise TypeError(value)  # NumPy takes a list of one number for a number.
    return float(value)
