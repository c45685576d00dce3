"""Rules for the values of parameters, each as a test and in words. Only the standard library is imported here."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from os import PathLike, fspath
from typing import Any

from ricorda.errors import ArgumentError


@dataclass(frozen=True)
class Rule:
    """The values that a parameter may have, as a test and in words; None is allowed too if it is `optional`."""

    holds: Callable[[Any], bool]
    words: str
    optional: bool = False

    def check(self, name: str, value: Any) -> None:
        """Raise ArgumentError if a value breaks the rule."""
        if not (self.optional and value is None) and not self.holds(value):
            raise ArgumentError(f"{name} is {value!r}: give {self.words}")


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a value is a finite number."""
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


def one_of(*choices: str, optional: bool = False) -> Rule:
    """A rule that allows some words, and None if it is `optional`."""
    words = f"one of {', '.join(choices)}" + " or None" * optional
    return Rule(lambda value: isinstance(value, str) and value in choices, words, optional)


def is_seed(value: Any) -> bool:
    """Whether a value seeds random numbers."""
    if is_whole(value):
        return bool(0 <= value < 2**32)
    return type(value).__name__ == "RandomState"  # NumPy's class; NumPy is not imported here.


Folders = str | PathLike[str] | Sequence[str | PathLike[str]]


def folders_of(folders: Folders) -> list[str]:
    """One folder or several as a list of texts."""
    return [fspath(name) for name in ([folders] if isinstance(folders, str | PathLike) else folders)]


def are_folders(value: Any) -> bool:
    """Whether a value names one folder or two."""
    names = value if isinstance(value, list | tuple) else [value]
    return len(names) in (1, 2) and all(isinstance(name, str | PathLike) and str(name) for name in names)


COUNT = Rule(lambda value: is_whole(value) and value >= 1, "a whole number of at least 1")
OPTIONAL_COUNT = Rule(COUNT.holds, f"{COUNT.words}, or leave it out", optional=True)
NUMBER = Rule(is_number, "a number")
SHARE = Rule(lambda value: is_number(value) and 0 <= value < 1, "a number from 0 to less than 1")
FLAG = Rule(lambda value: isinstance(value, bool), "True or False")

AUTO = "auto"
"""What a parameter is given whose number is to follow the data."""


ENOUGH_TO_CHOOSE = 1_000
"""Examples of which an automatic part is held out: accuracy on a tenth of them is known within ten points."""


def or_auto(rule: Rule) -> dict[str, Any]:
    """The rule of a parameter that may be left to the data, and what reads its option."""

    def read(text: str) -> Any:
        try:
            return int(text) if rule is COUNT else float(text)
        except ValueError:
            return text

    return {"rule": Rule(lambda value: rule.holds(value) or value == AUTO, f"{rule.words}, or {AUTO}"), "read": read}
