"""The targets of a sequence's steps: tags, or numbers; recognised and checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ricorda.data.inputs import as_inputs, as_list, has_surrogates
from ricorda.data.labels import find_classes
from ricorda.data.places import REPAIR, Place
from ricorda.errors import DataError

TargetKind = Literal["tags", "numbers"]


def read_step_targets(
    targets: Any, inputs: Sequence[Any], place: Place, argument: str = "y"
) -> tuple[TargetKind, list[Any]]:
    """The tags or numbers in an argument of a Python call, for each input as many as it has steps.

    Texts, whole numbers and booleans are tags. Other numbers are numbers, and so are whole ones in arrays [T, O].

    Parameters
    ----------
    targets : sequence of lists of tags, or of arrays [T] or [T, O]; or an array [N, T, O]
        The targets of the inputs.
    inputs : sequence
        The inputs, checked.
    place : callable
        Says where an input stands.
    argument : str
        The name of `targets`, for messages.

    Raises
    ------
    DataError
        If there are too few or too many, in all or for one input, or one is neither tag nor number or of another kind.
    """
    values = as_list(targets)
    if values is None:
        raise DataError(f"{argument} is of type {type(targets).__name__}: give a sequence with the tags of each input")
    if len(values) != len(inputs):
        raise DataError(f"there are {len(inputs)} inputs and {len(values)} lists of tags: give one for each input")
    lists = [_plain(value) for value in values]
    types: set[type] = set()
    for index, (tags, steps) in enumerate(zip(lists, inputs, strict=True)):
        if tags is None:
            raise DataError(
                f"{argument}[{index}] is {values[index]!r:.40}: give a list of tags, one for each step of its input"
            )
        if len(tags) != len(steps):
            raise DataError(
                f"{place(index)} has {len(steps)} steps and {len(tags)} tags: give each step, a word of a text, a tag"
            )
        types.update(map(type, tags))
    if types <= {float, int, bool, list} and types & {float, list}:
        _, numbers = as_inputs(values, lambda index: f"{argument}[{index}]")
        return "numbers", numbers
    if len(types) == 1 and types <= {str, int, bool}:
        if types == {str}:
            _check_texts(lists, place)
        return "tags", [tags for tags in lists if tags is not None]
    raise DataError(_mixed(lists, place))


def classes_of(tags: Sequence[list[Any]]) -> NDArray[Any]:
    """The different tags, sorted; raises DataError if there is only one."""
    classes = np.unique(np.array([tag for sequence in tags for tag in sequence]))
    if len(classes) < 2:
        raise DataError(f"all steps have one tag only ({classes[0].item()!r}): give examples of at least two")
    return classes


def tag_numbers(tags: Sequence[list[Any]], inputs: Sequence[Any], classes: NDArray[Any], place: Place) -> list[Any]:
    """The number of each tag among the classes, an int64 array [T] for each list.

    Raises
    ------
    DataError
        If a tag is not among the classes.
    """
    ends = np.cumsum([len(sequence) for sequence in tags])
    numbers = find_classes(np.array([tag for sequence in tags for tag in sequence]), classes).astype(np.int64)
    unknown = np.flatnonzero(numbers < 0)
    if len(unknown):
        first, known = int(unknown[0]), classes.tolist()
        index = int(np.searchsorted(ends, first, side="right"))
        step = first - int(ends[index] - len(tags[index]))
        word = f" ({inputs[index][step]!r:.40})" if isinstance(inputs[index][step], str) else ""
        more = f" and {len(known) - 40} more" if len(known) > 40 else ""
        raise DataError(
            f"{place(index)} has the tag {tags[index][step]!r:.40} at step {step + 1}{word}, which the training never "
            f"saw: leave the sequence out, or use one of {', '.join(map(str, known[:40]))}{more}"
        )
    return np.split(numbers, ends[:-1])


def _plain(value: Any) -> list[Any] | None:
    if isinstance(value, str):
        return None
    plain = value.tolist() if hasattr(value, "tolist") else as_list(value)
    if not isinstance(plain, list):
        return None
    return [entry.tolist() if hasattr(entry, "tolist") else entry for entry in plain]


def _check_texts(lists: Sequence[list[str] | None], place: Place) -> None:
    for tag in {tag for tags in lists for tag in tags or []}:
        if not tag.strip() or has_surrogates(tag):
            index = next(number for number, tags in enumerate(lists) if tags and tag in tags)
            step = (lists[index] or []).index(tag) + 1
            raise DataError(f"{place(index)} has {tag!r:.40} as the tag of step {step}: {REPAIR}")


def _mixed(lists: Sequence[list[Any] | None], place: Place) -> str:
    """Why these are neither tags nor numbers: the sentence names the first value of another type than the first one."""
    steps = [(index, step, tag) for index, tags in enumerate(lists) for step, tag in enumerate(tags or [], 1)]
    kind = type(steps[0][2])
    if kind not in (str, int, bool, float, list):
        return (
            f"{place(0)} has {steps[0][2]!r:.40} as the tag of step 1: give texts or whole numbers as tags, or numbers"
        )
    index, step, tag = next(step for step in steps if type(step[2]) is not kind)
    return (
        f"{place(index)} has {tag!r:.40} as the tag of step {step}, and the first tag of all is {steps[0][2]!r:.40}: "
        "give tags of one type"
    )
