from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from ricorda.data.inputs import read_inputs
from ricorda.data.read import read_examples
from ricorda.errors import DataError

ARRAYS = [np.arange(6.0).reshape(3, 2), np.arange(4.0).reshape(2, 2)]


@pytest.mark.parametrize(
    "given",
    [
        ["a film", "two films"],
        ("a film", "two films"),
        np.array(["a film", "two films"]),
        np.array(["a film", "two films"], dtype=object),
        pl.Series(["a film", "two films"]),
    ],
    ids=lambda given: type(given).__name__,
)
def test_texts_come_from_any_sequence(given: Any) -> None:
    kind, inputs = read_inputs(given)
    assert (kind, inputs) == ("texts", ["a film", "two films"])
    assert {type(text) for text in inputs} == {str}


@pytest.mark.parametrize(
    "given",
    [
        [["a", "film"], ["two"]],
        [("a", "film"), ("two",)],
        [np.array(["a", "film"]), np.array(["two"])],
        pl.Series([["a", "film"], ["two"]]),
    ],
)
def test_token_lists_come_from_any_sequences(given: Any) -> None:
    kind, inputs = read_inputs(given)
    assert (kind, inputs) == ("tokens", [["a", "film"], ["two"]])
    assert {type(token) for tokens in inputs for token in tokens} == {str}


@pytest.mark.parametrize(
    "given",
    [
        ARRAYS,
        [array.tolist() for array in ARRAYS],
        [array.astype(int) for array in ARRAYS],
        [torch.tensor(array) for array in ARRAYS],
        [torch.tensor(array, requires_grad=True) for array in ARRAYS],
        [torch.tensor(array, dtype=torch.bfloat16) for array in ARRAYS],
        pl.Series([array.tolist() for array in ARRAYS]),
    ],
)
def test_arrays_of_different_lengths_become_float32(given: Any) -> None:
    kind, inputs = read_inputs(given)
    assert kind == "numbers"
    for array, expected in zip(inputs, ARRAYS, strict=True):
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize(
    ("given", "shape"),
    [
        (np.zeros((4, 5, 3)), (5, 3)),
        (np.zeros((4, 5)), (5, 1)),
        (torch.zeros(4, 5, 3), (5, 3)),
        (torch.zeros(4, 5), (5, 1)),
        ([[1, 2, 3]] * 4, (3, 1)),
        ([np.array([True, False])] * 4, (2, 1)),
        (pl.Series([[1.0, 2.0]] * 4), (2, 1)),
    ],
)
def test_one_array_holds_an_example_a_row(given: Any, shape: tuple[int, ...]) -> None:
    kind, inputs = read_inputs(given)
    assert kind == "numbers"
    assert [array.shape for array in inputs] == [shape] * 4


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (None, "X is of type NoneType: give a sequence of texts"),
        ("a film", "X is of type str: give a sequence of texts"),
        ({"a": "film"}, "X is of type dict: give a sequence of texts"),
        (iter(["a"]), "X is of type list_iterator: give a sequence of texts"),
        (np.array(5.0), "X is of type ndarray: give a sequence of texts"),
        (torch.tensor(5.0), "X is of type Tensor: give a sequence of texts"),
        (pl.DataFrame({"text": ["a"]}), "X is of type DataFrame: give a sequence of texts"),
        ([], "X holds no example: give at least one"),
        (np.zeros((0, 3)), "X holds no example: give at least one"),
        (np.zeros(3), r"X\[0\] has (np.float64\()?0.0\)?, which is neither text nor list"),
        ([torch.tensor(5)], r"X\[0\] has tensor\(5\), which is neither text nor list"),
        ([np.zeros((2, 3, 4))], r"X\[0\] has lists nested too deeply"),
        (["a", None], r"X\[1\] has no text: fill it in or leave it out"),
        (["a", float("nan")], r"X\[1\] has nan, which is neither text nor list"),
        (["a", b"b"], r"X\[1\] has b'b', which is neither text nor list"),
        (["a", ""], r"X\[1\] has an empty text: fill it in or leave it out"),
        (["a", " \n"], r"X\[1\] has a blank text"),
        (["a", "\ud800"], r"X\[1\] has half a surrogate pair in its text"),
        ([["a"], ["\ud800"]], r"X\[1\] has half a surrogate pair in a token"),
        (["a", ["b"]], r"X\[1\] has a token list where X\[0\] has a text: give all the same kind"),
        ([["a"], [1.0]], r"X\[1\] has a list of numbers where X\[0\] has a token list"),
        ([["a"], []], r"X\[1\] has an empty list"),
        ([["a"], ["b", ""]], r"X\[1\] has '' as token 2: make each token a string"),
        ([["a"], ["b", 3]], r"X\[1\] has 3 as token 2: make each token a string"),
        ([[1.0], [2.0, None]], r"X\[1\] has NaN at step 2, feature 1"),
        ([[1.0], [2.0, "a"]], r"X\[1\] has 'a' at step 2, which is no number"),
        ([[1.0], [2.0, 1j]], r"X\[1\] has \(2\+0j\) at step 1, which is no number|X\[1\] has 1j at step 2"),
        ([[[1, 2]], [[1, 2], [3]]], r"X\[1\] has a list of 1 at step 2 where step 1 has a list of 2"),
        ([np.ones((2, 3)), np.ones((2, 4))], r"X\[1\] has 4 features a step where X\[0\] has 3: give all the same"),
        ([np.ones((2, 3)), np.array([[1, 2, np.nan]])], r"X\[1\] has NaN at step 1, feature 3"),
        ([np.ones((2, 3)), np.array([[1, np.inf, 3]])], r"X\[1\] has inf at step 1, feature 2"),
        ([np.array([1.0, 1e39])], r"X\[0\] has 1e\+39 at step 2, feature 1"),
        ([[10**400]], r"X\[0\] has a number out of bounds"),
    ],
)
def test_what_cannot_be_is_named_with_its_place(given: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=f"^(?:{sentence})") as caught:
        read_inputs(given)
    assert "\n" not in str(caught.value)


def test_examples_of_a_file_keep_their_own_places(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("text,label\ngood,1\nbad,0\n", encoding="utf-8")
    examples = read_examples(file)
    assert read_inputs(examples) == ("texts", ["good", "bad"])
    with pytest.raises(DataError, match=f"^row 3 of {file} has an empty text"):
        read_inputs(type(examples)(["good", ""], None, str(file), places=examples.places))
