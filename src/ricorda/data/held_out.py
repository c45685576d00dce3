"""What is trained on, and what is held out to choose the best epoch by: rows, or the last steps of series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from ricorda.data.batches import Rows
from ricorda.data.inputs import as_list, place_of
from ricorda.data.places import Place
from ricorda.data.series import Series
from ricorda.errors import ArgumentError, DataError


def split_rows(count: int, fraction: float, seed: int, kind: str = "example", *, least: int = 1) -> tuple[Rows, Rows]:
    """Hold out rows at random: at least `least`, or none if the fraction is 0; `kind` is what a row is called.

    Raises
    ------
    ArgumentError
        If no row is left to train on.
    """
    held_out = max(least, round(fraction * count)) if fraction else 0
    if held_out >= count:
        raise ArgumentError(
            f"validation_fraction={fraction} of {count} {kind}{'s' * (count != 1)} leaves "
            f"{'none' if least == 1 else 'too few'} to train on: give more {kind}s, others to validate on, or 0"
        )
    rows = np.random.default_rng(seed).permutation(count)
    return np.sort(rows[held_out:]), np.sort(rows[:held_out])


def split_by_class(targets: Rows, fraction: float, seed: int) -> tuple[Rows, Rows]:
    """Hold out as large a part of each class as possible; the only example of a class is trained on.

    Raises
    ------
    ArgumentError
        If too few rows are left to train on.
    """
    rows = np.arange(len(targets))
    if not fraction:
        return rows, rows[:0]
    counts = np.bincount(targets)
    single = counts[targets] == 1
    candidates, classes = rows[~single], int(np.count_nonzero(counts > 1))
    held_out = max(1, round(fraction * len(rows)))
    if held_out < len(candidates):
        stratified = classes <= held_out <= len(candidates) - classes
        training, kept = train_test_split(
            candidates, test_size=held_out, random_state=seed, stratify=targets[candidates] if stratified else None
        )
        training = np.concatenate([training, rows[single]])
        if len(np.unique(targets[training])) == np.count_nonzero(counts):  # Another shard may have further classes.
            return np.sort(training), np.sort(kept)
    raise ArgumentError(
        f"validation_fraction={fraction} of {len(rows)} examples of {len(counts)} classes leaves too few to train on: "
        "give more examples, others to validate on, or 0"
    )


def split_by_sentence(sentences: Sequence[str], fraction: float, seed: int) -> tuple[Rows, Rows]:
    """Hold out a part of the different sentences, each with all its rows.

    Raises
    ------
    ArgumentError
        If no sentence is left to train on.
    """
    rows = np.arange(len(sentences))
    if not fraction:
        return rows, rows[:0]
    distinct, sentence_of = np.unique(np.array(sentences, dtype=object), return_inverse=True)
    held_out = max(1, round(fraction * len(distinct)))
    if held_out >= len(distinct):
        raise ArgumentError(
            f"validation_fraction={fraction} of {len(distinct)} different sentences leaves none to train on: "
            "give more pairs, others to validate on, or 0"
        )
    kept = np.random.default_rng(seed).permutation(len(distinct)) < held_out
    return rows[~kept[sentence_of]], rows[kept[sentence_of]]


def split_in_time(
    parts: Sequence[Series], fraction: float, context: int, steps: int, *, horizon: int, reach: int
) -> tuple[list[Series], list[Series]]:
    """Split each series in time: the steps to train on, and those after them to choose the best epoch by.

    Parameters
    ----------
    fraction : float
        Share of a series' steps that is kept apart: at least one horizon, unless it is 0.
    context, steps : int
        The lengths of a window's parts.
    horizon : int
        Steps of a forecast.
    reach : int
        Steps before the held-out ones that their forecasts are made from.

    Raises
    ------
    ArgumentError, DataError
        If a series is too short to be split.
    """
    training, held_out = [], []
    for part in parts:
        require_steps(part, context, steps)
        kept = max(horizon, round(fraction * len(part))) if fraction else 0
        if len(part) - kept < max(context + steps, reach + 1 if kept else 0):
            raise ArgumentError(
                f"validation_fraction={fraction} takes {kept} of the {len(part)} steps of {part.source}, which leaves "
                f"too few for a context of {context} and the {steps} after it: give a longer series, a smaller context "
                "or horizon, or 0"
            )
        training.append(part.part(0, len(part) - kept))
        if kept:
            held_out.append(part.part(len(part) - kept - reach, len(part)))
    return training, held_out


def require_steps(series: Series, context: int, steps: int) -> None:
    """Raise DataError if a series is too short for one window."""
    if len(series) < context + steps:
        raise DataError(
            f"{series.source} has {len(series)} steps, too few for a context of {context} and the {steps} after it: "
            "give a longer series, or a smaller context or horizon"
        )


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
