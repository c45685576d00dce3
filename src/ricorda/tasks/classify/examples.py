"""A user's examples as a classifier learns from them: encoded, and weighed by class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricorda.data.inputs import place_of
from ricorda.data.labels import find_classes, read_labels
from ricorda.errors import ArgumentError, DataError
from ricorda.tasks.encoding import Encoder
from ricorda.tasks.many_to_one.examples import Examples


def labelled(X: Any, y: Any, encoder: Encoder, classes: NDArray[Any], names: tuple[str, str] = ("X", "y")) -> Examples:
    """Examples for a trained encoder and known classes; `names` are the arguments' own, for messages.

    Raises
    ------
    DataError
        If an example is invalid, or a label is not among the classes.
    """
    place = place_of(X, names[0])
    sequences = encoder.read(X, names[0])
    labels = read_labels(y, len(sequences), names[1])
    targets = find_classes(labels, classes)
    unknown = np.flatnonzero(targets < 0)
    if len(unknown):
        first, known = int(unknown[0]), classes.tolist()
        more = f" and {len(known) - 20} more" if len(known) > 20 else ""
        raise DataError(
            f"{place(first)} has the label {labels[first].item()!r}, which the training never saw: leave it out, "
            f"or use one of {', '.join(map(repr, known[:20]))}{more}"
        )
    return Examples(sequences, targets)


def class_weights(
    weighting: str | dict[Any, float] | None, counts: NDArray[np.intp], classes: NDArray[Any]
) -> NDArray[np.float64] | None:
    """The weight of each class's examples in the loss; None if all are equal.

    Parameters
    ----------
    weighting : "balanced", dict or None
        As `SequenceClassifier` takes it; "balanced" is N / (classes * examples of the class).
    counts : array [classes]
        Examples of each class.

    Raises
    ------
    ArgumentError
        If there is a weight for a label that is not a class.
    """
    if weighting is None:
        return None
    if not isinstance(weighting, dict):
        return np.asarray(counts.sum() / (len(classes) * np.maximum(counts, 1)), dtype=np.float64)
    names = classes.tolist()
    for label in weighting:
        if label not in names:
            known = ", ".join(map(repr, names[:20]))
            raise ArgumentError(f"class_weight has a weight for {label!r}, which is no label of y: use {known}")
    return np.array([float(weighting.get(label, 1.0)) for label in names])
