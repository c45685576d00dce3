"""The settings that a section of the benchmark gets, and the rows that it returns."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from measure import Plan, quartiles


@dataclass
class Row:
    """One line of results: the median seconds of a call for each contender, and further numbers."""

    section: str
    label: str
    seconds: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, section: str, label: str, times: dict[str, list[float]], **facts: Any) -> Row:
        """From the times of each round."""
        spread = {name: quartiles(seconds) for name, seconds in times.items()}
        rounds = min(map(len, times.values()))
        medians = {name: statistics.median(seconds) for name, seconds in times.items()}
        return cls(section, label, medians, {"rounds": rounds, "quartiles": spread, **facts})


@dataclass(frozen=True)
class Settings:
    """How this run measures."""

    threads: int
    plan: Plan
    quick: bool = False
    only: str = ""
    say: Callable[[str], None] = print

    def wants(self, section: str, label: str) -> bool:
        """Whether `--only` leaves this row in: a regular expression, searched in "section: label"."""
        return re.search(self.only, f"{section}: {label}", re.IGNORECASE) is not None

    def report(self, row: Row) -> Row:
        """Print one line of progress."""
        times = ", ".join(f"{name} {duration(seconds)}" for name, seconds in row.seconds.items())
        without = "".join(f"; without {name}: {why}" for name, why in row.facts.get("absent", {}).items())
        self.say(f"{row.section}: {row.label}: {times}{without}")
        return row

    def skip(self, section: str, label: str, why: str) -> None:
        """Say what is left out."""
        self.say(f"{section}: {label}: skipped, {why}")


def duration(seconds: float) -> str:
    """Three digits and a unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} us"
