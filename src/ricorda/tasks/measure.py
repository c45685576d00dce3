"""What a comparison of cells measures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """How a task's examples are measured; the mean over them is the task's usual figure.

    Attributes
    ----------
    name : str
        Name of the mean, with its unit.
    example : str
        What an example is, and what its value means.
    higher_is_better : bool
    share : bool
        Whether the value is written in per cent.
    """

    name: str
    example: str
    higher_is_better: bool
    share: bool = False
