"""Labels, checked: those of files become strings, those of a Python call keep their type."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricorda.data.inputs import as_list, has_surrogates
from ricorda.data.places import REPAIR, Place, UnusableError
from ricorda.errors import DataError


def as_labels(values: Sequence[Any], where: Place) -> list[str]:
    """Labels of a file as strings; 1.0 and "1.0" are "1", true is "true".

    Raises
    ------
    DataError
        If a label is missing or invalid.
    """
    labels = []
    for index, value in enumerate(values):
        try:
            labels.append(_label(value))
        except UnusableError as error:
            raise DataError(f"{where(index)} {error}") from None
    return labels


def _label(value: Any) -> str:
    if isinstance(value, str) and value.strip().lower() in ("", "nan", "null"):
        label = value.strip()
        raise UnusableError(f"has {f'the label {label!r}' if label else 'an empty label'}: {REPAIR}")
    if value is None or (isinstance(value, float) and math.isnan(value)):
        raise UnusableError(f"has {'no label' if value is None else 'the label NaN'}: {REPAIR}")
    if isinstance(value, str | int) or (isinstance(value, float) and value.is_integer()):
        return _as_in_a_file(value)
    raise UnusableError(
        f"has the label {value!r:.40}, which is no class: use texts, whole numbers or booleans as labels"
    )


def _as_in_a_file(label: str | int | float) -> str:
    if isinstance(label, str):
        label = label.strip()
        return label[: label.index(".")] if re.fullmatch(r"[+-]?[0-9]+\.0+", label) else label
    return str(label).lower() if isinstance(label, bool) else str(int(label))


def read_labels(sequence: Any, examples: int, argument: str = "y") -> NDArray[Any]:
    """The labels that an argument of a Python call holds.

    Parameters
    ----------
    sequence : sequence of str, int, bool or whole floats
        The labels.
    examples : int
        The number of examples.
    argument : str
        Its name, for messages.

    Returns
    -------
    array [examples]
        Strings, integers, booleans or floats.

    Raises
    ------
    DataError
        If there are too few or too many, or one is missing, of another type than the first, or invalid.
    """
    values = as_list(sequence)
    if values is None:
        raise DataError(
            f"{argument} is of type {type(sequence).__name__}: give a sequence with a label for each example"
        )
    labels = [label.item() if getattr(label, "ndim", None) == 0 else label for label in values]
    if len(labels) != examples:
        raise DataError(f"there are {examples} examples and {len(labels)} labels: give a label for each example")
    for index, label in enumerate(labels):
        try:
            _check_class(label)
            if type(label) is not type(labels[0]):
                raise UnusableError(f"and {argument}[0] is {labels[0]!r:.40}: give labels of one type")
        except UnusableError as error:
            raise DataError(f"{argument}[{index}] is {label!r:.40} {error}") from None
    return np.array(labels)


def _check_class(label: Any) -> None:
    blank = isinstance(label, str) and not label.strip()
    if label is None or blank or (isinstance(label, float) and math.isnan(label)):
        raise UnusableError(f"and no label: {REPAIR}")
    if not isinstance(label, str | int | float) or (isinstance(label, float) and not label.is_integer()):
        raise UnusableError("and no class: use texts, whole numbers or booleans as labels")
    if isinstance(label, str) and has_surrogates(label):
        raise UnusableError(f"and half a surrogate pair, which is no character: {REPAIR}")


def find_classes(labels: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.intp]:
    """Index of each label among the classes, -1 for one that is none of them.

    Labels and classes of different types are compared as strings, which is what a file holds.
    """
    wanted, known = labels.tolist(), classes.tolist()
    if type(wanted[0]) is not type(known[0]):
        wanted, known = [_as_in_a_file(label) for label in wanted], [_as_in_a_file(label) for label in known]
    index_of = {label: index for index, label in enumerate(known)}
    return np.array([index_of.get(label, -1) for label in wanted], dtype=np.intp)
