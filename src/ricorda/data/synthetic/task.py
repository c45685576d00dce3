"""What a synthetic task is: a paper, a definition, a measure of success, and a generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ricorda.errors import ArgumentError

Relation = Literal["classify", "regress", "tag"]


@dataclass(frozen=True)
class Generated:
    """Sequences, and what is to be predicted.

    Attributes
    ----------
    inputs : array [N, T, I] of float32, or [N, T] of symbol numbers
        The inputs; a row may be shorter than T, see `lengths`.
    targets : array [N] of float32 or class numbers, or [N, T] of tag numbers
        What is to be predicted.
    lengths : array [N]
        Steps of each row. Entries after them are -1 and mean nothing.
    """

    inputs: NDArray[Any]
    targets: NDArray[Any]
    lengths: NDArray[np.int64]


@dataclass(frozen=True)
class Drawn:
    """Examples of a synthetic task, in the form in which files are read.

    Attributes
    ----------
    inputs : list of arrays [T, I], or of token lists
        The inputs.
    targets : list of numbers, of classes, or of lists of tags
        What is to be predicted.
    """

    inputs: list[Any]
    targets: list[Any]


class Model(Protocol):
    """What the success measures need of a trained estimator of the task's relation."""

    classes_: NDArray[Any]

    def predict(self, X: Any) -> Any:
        """A number, a class, or a list of tags for each example."""

    def predict_proba(self, X: Any) -> Any:
        """For each example the probability of each class [classes], or of each tag at each step [T, tags]."""


@dataclass(frozen=True)
class Option:
    """A whole number that can be chosen in a task's name, as in `synthetic:adding?T=400`."""

    default: int
    least: int
    meaning: str
    most: int = 10_000


@dataclass(frozen=True)
class SyntheticTask:
    """A task whose examples are drawn at random.

    Attributes
    ----------
    name : str
        As in `synthetic:NAME`.
    relation : {"classify", "regress", "tag"}
        The command that learns it: `ricorda train RELATION`.
    paper, definition, success : str
        Where it comes from, what it asks, and when it counts as solved.
    symbols : tuple of str
        Names of the input's symbols; empty if the input is numbers.
    labels : tuple of str, or function
        Names of the classes or tags, or a function from the options to these names; empty if targets are numbers.
    options : mapping
        The options, by name.
    generator : callable
        (random generator, number of examples, **options) -> Generated.
    measure : callable
        (trained model, examples) -> the numbers that `success` speaks of; names of shares begin with "share".
    """

    name: str
    relation: Relation
    paper: str
    definition: str
    success: str
    options: Mapping[str, Option]
    generator: Callable[..., Generated]
    measure: Callable[[Any, Drawn], dict[str, float]]
    symbols: tuple[str, ...] = ()
    labels: tuple[str, ...] | Callable[..., tuple[str, ...]] = ()

    def generate(self, seed: int, number: int, **options: int) -> Generated:
        """Draw examples; the same seed, number and options always give the same ones.

        Parameters
        ----------
        seed : int
            Seed of the random numbers.
        number : int
            The number of examples, N.
        **options : int
            Options of the task; those that are left out have their defaults.

        Raises
        ------
        ArgumentError
            If the task has no such option, or a number is too small or too large.
        """
        if seed < 0:
            raise ArgumentError(f"seed is {seed}: give a whole number of at least 0")
        if number < 1:
            raise ArgumentError(f"number is {number}: give at least 1 example")
        return self.generator(np.random.default_rng(seed), number, **self.complete(options))

    def labels_for(self, **options: int) -> tuple[str, ...]:
        """The names of the classes or tags under these options; none if targets are numbers."""
        return self.labels(**self.complete(options)) if callable(self.labels) else self.labels

    def complete(self, chosen: Mapping[str, int]) -> dict[str, int]:
        """The options with their defaults; raises as `generate` does."""
        for name, value in chosen.items():
            option = self.options.get(name)
            if option is None:
                raise ArgumentError(
                    f"synthetic:{self.name} has no option {name!r}: choose among {', '.join(self.options) or 'none'}"
                )
            if not option.least <= value <= option.most:
                raise ArgumentError(
                    f"{name}={value} of synthetic:{self.name} is out of bounds: give {option.meaning}, "
                    f"from {option.least:,} to {option.most:,}"
                )
        return {name: chosen.get(name, option.default) for name, option in self.options.items()}


def same_lengths(number: int, steps: int) -> NDArray[np.int64]:
    """The lengths of rows that all have as many steps."""
    return np.full(number, steps, dtype=np.int64)
