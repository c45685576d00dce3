"""Rows to train on, and rows held out to choose the best epoch by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import train_test_split

from ricorda.data.batches import Rows
from ricorda.errors import ArgumentError


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
        if len(np.unique(targets[training])) == len(counts):
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
