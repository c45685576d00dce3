"""A user's examples as a regressor learns from them: checked and encoded."""

from __future__ import annotations

from typing import Any

from ricorda.data.targets import read_targets
from ricorda.errors import DataError
from ricorda.tasks.encoding import Encoder
from ricorda.tasks.many_to_one.examples import Examples


def measured(X: Any, y: Any, encoder: Encoder, columns: int, names: tuple[str, str] = ("X", "y")) -> Examples:
    """Examples for a trained encoder and `columns` outputs; `names` are the arguments' own, for messages.

    Raises
    ------
    DataError
        If an example or a target is invalid, there are more or fewer numbers an example than the model gives, or
        there is one example alone.
    """
    sequences = encoder.read(X, names[0])
    targets = read_targets(y, len(sequences), names[1]).reshape(len(sequences), -1)
    if targets.shape[1] != columns:
        raise DataError(
            f"{names[1]} has {targets.shape[1]} numbers an example, and the model gives {columns}: give it as many"
        )
    if len(sequences) < 2:
        raise DataError(f"{names[0]} holds one example alone, of which there is no R2: give at least two")
    return Examples(sequences, targets)
