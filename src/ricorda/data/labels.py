"""Labels, checked: those of files become strings, those of a Python call keep their type."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricorda.data.places import REPAIR, Place, UnusableError
from ricorda.errors import DataError


def as_labels(values: Sequence[Any], where: Place) -> list[str]:
    """Labels of a file as strings; 1.0 and "1.0" are "1", true is "true".

    Raises
    ------
    DataError
        If one is missing or no class.
    """
    labels = []
    for index, value in enumerate(values):
        try:
            labels.append(_label(value))
        except UnusableError as error:
            raise DataError(f"{where(index)} {error}") from None
    return labels


def _label(value: Any) -> str:
    if isinstance(value, str):
        label = value.strip()
        if label.lower() in ("", "nan", "null"):
            raise UnusableError(f"has {f'the label {label!r}' if label else 'an empty label'}: {REPAIR}")
        return label[: label.index(".")] if re.fullmatch(r"[+-]?[0-9]+\.0+", label) else label
    if value is None or (isinstance(value, float) and math.isnan(value)):
        raise UnusableError(f"has {'no label' if value is None else 'the label NaN'}: {REPAIR}")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    raise UnusableError(
        f"has the label {value!r:.40}, which is no class: use texts, whole numbers or booleans as labels"
    )


def read_labels(given: Any, examples: int, argument: str = "y") -> NDArray[Any]:
    """The labels that an argument of a Python call holds.

    Parameters
    ----------
    given : sequence of str, int, bool or whole floats
        The labels.
    examples : int
        How many there must be.
    argument : str
        Its name.

    Returns
    -------
    array [examples]
        Of strings, integers, booleans or floats.

    Raises
    ------
    DataError
        If there are too few or too many, or one is missing, of another type than the first, or no class at all.
    """
    if isinstance(given, str | bytes | dict) or not hasattr(given, "__len__") or not hasattr(given, "__iter__"):
        raise DataError(f"{argument} is of type {type(given).__name__}: give a sequence with a label for each example")
    labels = [label.item() if isinstance(label, np.generic) else label for label in given]
    if len(labels) != examples:
        raise DataError(f"there are {examples} examples and {len(labels)} labels: give a label for each example")
    for index, label in enumerate(labels):
        where = f"{argument}[{index}]"
        if label is None or label == "" or (isinstance(label, float) and math.isnan(label)):
            raise DataError(f"{where} is {label!r}, a missing label: {REPAIR}")
        if not isinstance(label, str | int | float) or (isinstance(label, float) and not label.is_integer()):
            raise DataError(
                f"{where} is {label!r:.40}, which is no class: use texts, whole numbers or booleans as labels"
            )
        if type(label) is not type(labels[0]):
            raise DataError(f"{where} is {label!r:.40} and {argument}[0] is {labels[0]!r:.40}: give labels of one type")
    return np.array(labels)
