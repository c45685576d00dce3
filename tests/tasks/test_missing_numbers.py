"""Missing numbers and elapsed times: what an estimator's cell reads beside the numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ricorda import SequenceClassifier, SequenceRegressor, affine, cell, exp, load, parameter, relu, sigmoid, tanh
from ricorda.data.beside import Beside
from ricorda.data.read import read_examples
from ricorda.errors import ArgumentError, DataError


@cell(inputs={"mask": "I", "gap": 1}, sizes={"x_last": "I"})
def decaying(x: Any, mask: Any, gap: Any, h: Any, x_last: Any) -> Any:
    x_last = mask * x + (1 - mask) * x_last
    filled = mask * x + (1 - mask) * exp(-relu(parameter("rate", size="I") * gap)) * x_last
    h = exp(-relu(affine("decay", gap))) * h
    z = sigmoid(affine("z", filled, h, mask))
    return (1 - z) * h + z * tanh(affine("h", filled, h, mask)), x_last


@cell(inputs={"gap": 1})
def waiting(x: Any, gap: Any, h: Any) -> Any:
    return exp(-relu(affine("decay", gap))) * h + tanh(affine("h", x, h))


def example(seed: int, missing: float, steps: int = 12) -> tuple[np.ndarray, int]:
    """Three features, of which the last is the elapsed time; the class is the sign of the first one's sum."""
    random = np.random.default_rng(seed)
    numbers = random.normal(size=(steps, 3)).astype(np.float32)
    numbers[:, 2] = random.exponential(size=steps)
    label = int(numbers[:, 0].sum() > 0)
    numbers[:, :2][random.random((steps, 2)) < missing] = np.nan
    return numbers, label


def examples(count: int, missing: float = 0.3) -> tuple[list[np.ndarray], list[int]]:
    pairs = [example(seed, missing) for seed in range(count)]
    return [numbers for numbers, _ in pairs], [label for _, label in pairs]


@pytest.fixture(scope="module")
def model() -> SequenceClassifier:
    X, y = examples(300)
    return SequenceClassifier(
        cell=decaying, gap=2, hidden_size=16, epochs=15, batch_size=16, learning_rate=0.01, random_state=0
    ).fit(X, y)


def test_a_classifier_learns_from_numbers_that_are_missing(model: SequenceClassifier) -> None:
    X, y = examples(500)
    assert model.score(X[300:], y[300:]) > 0.75


def test_a_model_with_second_inputs_opens_and_says_the_same(model: SequenceClassifier, tmp_path: Path) -> None:
    X, _ = examples(5)
    model.save(tmp_path / "model")
    opened = load(tmp_path / "model")
    np.testing.assert_array_equal(opened.predict_proba(X), model.predict_proba(X))
    assert opened.encoder_.beside == Beside(True, True, 2)


def test_what_stands_in_the_place_of_a_missing_number_changes_nothing(model: SequenceClassifier) -> None:
    X, _ = examples(4)
    encoded = model.encoder_.read(X)
    other = [sequence.clone() for sequence in encoded]
    for sequence in other:
        sequence[:, :2][sequence[:, 3:5] == 0] = 7.0
    assert not torch.equal(encoded[0], other[0])
    for one, two in zip(encoded, other, strict=True):
        x, inputs = model.network_.beside.read(one[:, None], model.network_.mean, model.network_.scale)
        y, others = model.network_.beside.read(two[:, None], model.network_.mean, model.network_.scale)
        assert torch.equal(x, y)
        assert all(torch.equal(inputs[name], others[name]) for name in ("mask", "gap"))
        assert x.shape[2] == inputs["mask"].shape[2] == 2
        assert inputs["gap"].shape[2] == 1


def test_moments_are_those_of_the_known_numbers(model: SequenceClassifier) -> None:
    X, y = examples(300)
    training, _ = model._split(np.array(y), model.held_out_share(300), int(np.random.RandomState(0).randint(2**31)))
    known = np.concatenate([X[row] for row in training])
    np.testing.assert_allclose(model.network_.mean[:2], np.nanmean(known[:, :2], axis=0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.network_.scale[:2], np.nanstd(known[:, :2], axis=0), rtol=1e-4)


def test_without_a_feature_of_times_steps_are_equally_far_apart() -> None:
    X, y = examples(30, missing=0)
    model = SequenceRegressor(cell=waiting, epochs=1, hidden_size=4, random_state=0).fit(X, np.array(y, dtype=float))
    _, inputs = model.network_.beside.read(torch.zeros(5, 2, 3), model.network_.mean, model.network_.scale)
    assert torch.equal(inputs["gap"], torch.ones(5, 2, 1))
    assert np.isfinite(model.predict(X)).all()


def test_a_file_has_missing_numbers_as_null(tmp_path: Path, model: SequenceClassifier) -> None:
    X, y = examples(3)
    lines = [
        json.dumps({"text": np.where(np.isnan(x), None, x.astype(object)).tolist(), "label": label})
        for x, label in zip(X, y, strict=True)
    ]
    (tmp_path / "data.jsonl").write_text("\n".join(lines), encoding="utf-8")
    read = read_examples(tmp_path / "data.jsonl", missing=True)
    np.testing.assert_allclose(model.predict_proba(read), model.predict_proba(X), rtol=1e-6)
    with pytest.raises(
        DataError, match=r"row \d of .*data.jsonl.* has NaN at step .* or choose a cell that takes a mask"
    ):
        SequenceClassifier(epochs=1).fit(read, read.labels)
    with pytest.raises(DataError, match="NaN"):
        read_examples(tmp_path / "data.jsonl")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "lstm", "gap": 2}, "gap=2 is the feature of elapsed times, and cell lstm takes no gap"),
        ({"cell": waiting, "gap": 3}, r"X\[0\] has 3 features a step, and gap=3 counts them from 0"),
        ({"cell": waiting, "gap": -1}, "gap is -1"),
        ({"cell": waiting, "gap": 0}, r"X\[0\] has -.* as the elapsed time of step"),
    ],
)
def test_a_wrong_gap_is_refused_in_a_sentence(options: dict[str, Any], message: str) -> None:
    X, y = examples(8, missing=0)
    X[0][0, 0] = -1
    with pytest.raises((ArgumentError, DataError), match=message):
        SequenceClassifier(epochs=1, **options).fit(X, y)


def test_texts_have_no_second_inputs() -> None:
    with pytest.raises(ArgumentError, match="cell decaying reads mask and gap beside numbers, and X has texts"):
        SequenceClassifier(cell=decaying, epochs=1).fit(["a b", "c d"] * 3, [0, 1] * 3)


def test_inputs_of_other_names_are_refused() -> None:
    @cell(inputs={"weather": 1})
    def other(x: Any, weather: Any, h: Any) -> Any:
        return tanh(affine("h", x, h) + weather)

    X, y = examples(8, missing=0)
    with pytest.raises(ArgumentError, match="reads weather beside its input, and estimators know mask and gap"):
        SequenceClassifier(cell=other, epochs=1).fit(X, y)
