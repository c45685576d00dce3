"""A line of `make check-real`, and what all its parts share."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ricorda.engines.cpu.words.target import host


class Row(NamedTuple):
    """What was asked of a task, and what came of it.

    Attributes
    ----------
    what : the task, its data and what is measured
    reached, asked : the figures, as text
    minutes : of the longest training
    holds : whether what was asked is reached
    """

    what: str
    reached: str
    asked: str
    minutes: float
    holds: bool


def there(folder: Path) -> bool:
    """Whether a data set is there; says so if not."""
    if not folder.is_dir():
        print(f"skipped: {folder} is absent", flush=True)
    return folder.is_dir()


def mean_of(numbers: Sequence[float], form: str) -> str:
    """The mean, and each of several numbers in brackets."""
    one_by_one = f" ({' '.join(format(number, form) for number in numbers)})" if len(numbers) > 1 else ""
    return format(statistics.mean(numbers), form) + one_by_one


def fast_precision() -> str:
    """The precision of training: bf16 products where the processor has them."""
    return "bf16" if host().has_bf16 else "32"
