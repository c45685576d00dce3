"""A user's examples, ready for training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ricorda.errors import ArgumentError
from ricorda.training.task import Task


@dataclass(frozen=True)
class Prepared:
    """A user's examples, ready for training.

    Parameters
    ----------
    learned : dict
        Fitted attributes that the network depends on, such as the classes and the tokenizer.
    task : callable
        Makes of a fresh network what the training loop needs.
    data : str
        A fingerprint of all that decides what is learned.
    examples, validation_examples : int
        The number of examples to train on and to validate with.
    afterwards : callable, optional
        Makes of the trained network more of `summary_`.
    settings : mapping
        More that a resumed training must have in common with its beginning, as JSON; it replaces parameters.
    """

    learned: dict[str, Any]
    task: Callable[[Any], Task]
    data: str
    examples: int
    validation_examples: int
    afterwards: Callable[[Any], dict[str, Any]] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def pair_of(validation: Any) -> tuple[Any, Any]:
    """Validation examples and their targets. Raises ArgumentError if they are not a pair."""
    if not isinstance(validation, tuple | list) or len(validation) != 2:
        raise ArgumentError(f"validation is of type {type(validation).__name__}: give a pair, (X, y)")
    return validation[0], validation[1]
