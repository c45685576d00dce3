from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from ricorda.data.labels import as_labels, find_classes, read_labels
from ricorda.errors import DataError


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ("good", "good"),
        (" good ", "good"),
        (1, "1"),
        (1.0, "1"),
        ("1.0", "1"),
        ("-2.00", "-2"),
        ("1.5", "1.5"),
        (True, "true"),
        (False, "false"),
        ("None", "None"),
        ("NA", "NA"),
        (10**30, str(10**30)),
    ],
)
def test_labels_of_a_file_are_strings_and_one_class_is_written_one_way(value: Any, label: str) -> None:
    assert as_labels([value], str) == [label]


@pytest.mark.parametrize("value", [None, "", "  ", float("nan"), "NaN", "nan", "null", 1.5, float("inf"), [1]])
def test_a_missing_label_of_a_file_is_named_with_its_place(value: Any) -> None:
    with pytest.raises(DataError, match=r"^row 7 has .*(fill it in or leave it out|use texts, whole numbers)"):
        as_labels(["good", value], lambda index: f"row {index + 6}")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["b", "a"], ["b", "a"]),
        (np.array(["b", "a"]), ["b", "a"]),
        (np.array(["b", "a"], dtype=object), ["b", "a"]),
        (pl.Series(["b", "a"]), ["b", "a"]),
        ((1, 0), [1, 0]),
        (np.array([1, 0], dtype=np.uint8), [1, 0]),
        (torch.tensor([1, 0]), [1, 0]),
        ([np.int64(1), 0], [1, 0]),
        ([True, False], [True, False]),
        (np.array([1.0, 0.0]), [1.0, 0.0]),
    ],
)
def test_labels_of_a_call_keep_their_type(given: Any, expected: list[Any]) -> None:
    labels = read_labels(given, 2)
    assert labels.tolist() == expected
    assert [type(label) for label in labels.tolist()] == [type(label) for label in expected]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("ab", "y is of type str: give a sequence"),
        (None, "y is of type NoneType: give a sequence"),
        (pl.DataFrame({"y": [1, 2]}), "y is of type DataFrame: give a sequence"),
        (["a"], "there are 2 examples and 1 labels"),
        (["a", None], r"y\[1\] is None and no label: fill it in or leave it out"),
        (["a", " "], r"y\[1\] is ' ' and no label"),
        ([1.0, float("nan")], r"y\[1\] is nan and no label"),
        ([1.0, 1.5], r"y\[1\] is 1.5 and no class: use texts, whole numbers or booleans"),
        ([1.0, float("inf")], r"y\[1\] is inf and no class"),
        ([[1], [2]], r"y\[0\] is \[1\] and no class"),
        (np.eye(2), r"y\[0\] is array\(\[1., 0.\]\) and no class"),
        (["a", 1], r"y\[1\] is 1 and y\[0\] is 'a': give labels of one type"),
        ([0, True], r"y\[1\] is True and y\[0\] is 0: give labels of one type"),
        (["a", "\ud800"], r"y\[1\] is '\\ud800' and half a surrogate pair"),
    ],
)
def test_what_is_no_label_is_named_with_its_place(given: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=f"^{sentence}"):
        read_labels(given, 2)


@pytest.mark.parametrize(
    ("classes", "labels", "found"),
    [
        (["a", "b"], ["b", "a", "c", "b "], [1, 0, -1, -1]),
        ([0, 1, 10], [10, 0, 2], [2, 0, -1]),
        ([0, 1, 10], ["10", "1.0", "ten"], [2, 1, -1]),  # labels of a file for a model trained in Python
        (["0", "1"], [1, 0, 5], [1, 0, -1]),
        ([False, True], ["true", "False", "FALSE"], [1, -1, -1]),
        ([1.0, 2.0], ["2", "2.0", "1"], [1, 1, 0]),
        ([1.0, 2.0], [2, 1], [1, 0]),
    ],
)
def test_labels_are_found_among_classes_of_any_type(classes: list[Any], labels: list[Any], found: list[int]) -> None:
    assert find_classes(np.array(labels), np.array(classes)).tolist() == found
