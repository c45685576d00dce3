"""A user's sequences with their targets, as a tagger learns from them: checked and encoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from ricorda.data.inputs import place_of
from ricorda.data.places import Place
from ricorda.data.tag_targets import read_step_targets, tag_numbers
from ricorda.errors import DataError
from ricorda.tasks.tag.objective import Targeted
from ricorda.tasks.tag.reading import Reading, read_sequences


def targeted(
    X: Any,
    y: Any,
    reading: Reading,
    classes: NDArray[Any] | None,
    outputs: int,
    names: tuple[str, str] = ("X", "y"),
) -> Targeted:
    """Examples for a trained model, with its tags or numbers; `names` are the arguments' own, for messages.

    Raises
    ------
    DataError
        If an example or a target is invalid, or does not fit the model.
    """
    place = place_of(X, names[0])
    kind, inputs = read_sequences(X, place, names[0], missing=reading.beside.mask)
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
