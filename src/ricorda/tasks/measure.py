"""What a comparison of cells measures, and how examples are held out for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ricorda.data.inputs import as_list, place_of
from ricorda.data.places import Place
from ricorda.errors import ArgumentError


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


@dataclass(frozen=True)
class Part:
    """Some of a user's examples, which still know their places."""

    inputs: list[Any]
    place: Place
    target_names: tuple[str, ...] = ()


def parts_of(X: Any, y: Any, training: Any, held_out: Any) -> tuple[Any, Any, Any]:
    """Examples and answers of the rows to train on, and as validation data those of the held-out rows.

    Raises
    ------
    ArgumentError
        If no row is held out.
    """
    if not len(held_out):
        raise ArgumentError("every example is needed to train on, each having something that no other has: give more")
    inputs, answers = as_list(getattr(X, "inputs", X)), as_list(y)
    assert inputs is not None
    assert answers is not None
    place, names = place_of(X), tuple(getattr(X, "target_names", ()))

    def part(rows: Any) -> tuple[Part, list[Any]]:
        chosen = Part([inputs[row] for row in rows], lambda index: place(int(rows[index])), names)
        return chosen, [answers[row] for row in rows]

    return *part(training), part(held_out)
