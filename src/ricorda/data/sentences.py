"""Sentences and their translations, read from the arguments of a Python call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ricorda.data.inputs import place_of
from ricorda.data.pairs import as_texts
from ricorda.data.places import Place
from ricorda.errors import ArgumentError


@dataclass(frozen=True)
class Sentences:
    """Sentences, and where each one stands."""

    texts: list[str]
    place: Place

    @classmethod
    def read(cls, value: Any, argument: str = "X", place: Place | None = None) -> Sentences:
        """The sentences of an argument: a list of texts, or pairs read from a file.

        Raises
        ------
        DataError
            If there are none, or one is no text or blank.
        """
        place = place or place_of(value, argument)
        return cls(as_texts(getattr(value, "inputs", value), place, argument), place)


def read_pairs_of(X: Any, y: Any, names: tuple[str, str] = ("X", "y")) -> tuple[Sentences, Sentences]:
    """The two sides of pairs, from the arguments of a Python call.

    Parameters
    ----------
    X, y : sequence [N] of str
        Sentences and their translations; or `ricorda.data.pairs.Pairs` and its targets.
    names : the arguments' own, for messages

    Raises
    ------
    ArgumentError
        If X and y are not equally long.
    DataError
        If a text is invalid.
    """
    sources = Sentences.read(X, names[0])
    targets = Sentences.read(y, names[1], getattr(X, "place", None))
    if len(sources.texts) != len(targets.texts):
        raise ArgumentError(
            f"{names[0]} has {len(sources.texts):,} sentences and {names[1]} {len(targets.texts):,}: give pairs"
        )
    return sources, targets
