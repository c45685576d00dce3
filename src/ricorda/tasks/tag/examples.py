"""A user's sequences with their targets, as a tagger learns from them: checked, encoded, split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ricorda.data.batches import Rows
from ricorda.data.inputs import place_of
from ricorda.data.places import Place
from ricorda.data.tag_targets import read_step_targets, tag_numbers
from ricorda.errors import ArgumentError, DataError
from ricorda.tasks.tag.objective import Targeted
from ricorda.tasks.tag.reading import Reading, read_sequences


def split(rows: int, fraction: float, seed: int) -> tuple[Rows, Rows]:
    """Rows to train on and, at random, rows to choose the best epoch by.

    Raises
    ------
    ArgumentError
        If none is left to train on.
    """
    order = np.random.default_rng(seed).permutation(rows)
    held_out = max(1, round(fraction * rows)) if fraction else 0
    if held_out >= rows:
        raise ArgumentError(
            f"validation_fraction={fraction} of {rows} sequence{'s' * (rows > 1)} leaves none to train on: "
            "give more, others to validate on, or 0"
        )
    return np.sort(order[held_out:]), np.sort(order[:held_out])


def targeted(
    X: Any,
    y: Any,
    reading: Reading,
    classes: NDArray[Any] | None,
    outputs: int,
    names: tuple[str, str] = ("X", "y"),
) -> Targeted:
    """Examples for a model that exists, with its tags or so many numbers; `names` are the arguments' own, for messages.

    Raises
    ------
    DataError
        If an example or a target is invalid, or is none of the model's.
    """
    place = place_of(X, names[0])
    kind, inputs = read_sequences(X, place, names[0])
    target_kind, targets = read_step_targets(y, inputs, place, names[1])
    if (target_kind == "numbers") != (classes is None):
        wanted = "numbers" if classes is None else "tags"
        raise DataError(f"{names[1]} has {target_kind}, and the model was trained on {wanted}: give it those")
    if classes is None and targets[0].shape[1] != outputs:
        raise DataError(
            f"{names[1]} has {targets[0].shape[1]} numbers a step, and the model was trained on {outputs}: "
            "give it as many"
        )
    return Targeted(reading.encode(kind, inputs, place), target_tensors(targets, inputs, classes, place))


def target_tensors(
    targets: Sequence[Any], inputs: Sequence[Any], classes: NDArray[Any] | None, place: Place
) -> list[Tensor]:
    """Checked targets as the network learns them: int64 [T] for tags, float32 [T, O] for numbers."""
    arrays = targets if classes is None else tag_numbers(targets, inputs, classes, place)
    return [torch.from_numpy(array) for array in arrays]
