"""Taggers of arrays whose cells read which numbers were measured, and how long ago the last step was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_missing_numbers import decaying, waiting

import ricorda
from ricorda import ArgumentError, DataError, SequenceTagger, export
from ricorda.export.to_onnx.run import open_exported
from ricorda.insight import gates_of, gradient_flow
from ricorda.insight.passage import passage

LEARNING = {"hidden_size": 12, "num_layers": 1, "dropout": 0.1, "learning_rate": 0.02, "random_state": 0}


def sequences(count: int, missing: float = 0.3) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Three features, the last of which is the elapsed time; each step's number is the first that was measured last."""
    X, y = [], []
    for seed in range(count):
        random = np.random.default_rng(seed)
        numbers = random.normal(size=(int(random.integers(4, 11)), 3)).astype(np.float32)
        numbers[:, 2] = random.exponential(size=len(numbers))
        known = random.random((len(numbers), 2)) >= missing
        known[0] = True
        last = np.maximum.accumulate(np.where(known[:, 0], np.arange(len(numbers)), 0))
        y.append(numbers[last, 0].astype(np.float64))
        numbers[:, :2][~known] = np.nan
        X.append(numbers)
    return X, y


def signs(targets: list[np.ndarray]) -> list[list[str]]:
    return [["up" if number > 0 else "down" for number in target] for target in targets]


@pytest.fixture(scope="module")
def model() -> SequenceTagger:
    X, y = sequences(200)
    return SequenceTagger(decaying, gap=2, bidirectional=False, epochs=8, batch_size=16, **LEARNING).fit(X, signs(y))


def test_a_tagger_learns_from_numbers_that_are_missing(model: SequenceTagger) -> None:
    X, y = sequences(260)
    assert model.score(X[200:], signs(y)[200:]) > 0.85


def test_numbers_are_learned_too_and_a_validation_is_read_alike() -> None:
    X, y = sequences(60)
    model = SequenceTagger(decaying, gap=2, epochs=8, batch_size=8, **LEARNING)
    model.fit(X[:50], y[:50], validation=(X[50:], y[50:]))
    assert model.score(X[50:], y[50:]) > 0.3
    assert all(np.isfinite(said).all() for said in model.predict(X))


def test_a_model_opens_and_says_the_same(model: SequenceTagger, tmp_path: Path) -> None:
    X, _ = sequences(6)
    model.save(tmp_path / "model")
    opened = ricorda.load(tmp_path / "model")
    assert opened.predict(X) == model.predict(X)
    for one, two in zip(opened.predict_proba(X), model.predict_proba(X), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("form", ["sequence", "step"])
def test_it_runs_on_onnx_runtime(model: SequenceTagger, form: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    X, _ = sequences(6)
    export.onnx(model, tmp_path / "tagger.onnx", form=form)
    for one, two in zip(open_exported(tmp_path / "tagger.onnx").predict_proba(X), model.predict_proba(X), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)


def test_views_see_what_it_reads_beside(model: SequenceTagger) -> None:
    X, _ = sequences(1)
    seen = passage(model, X[0])
    assert seen.beside["mask"][:, 0].tolist() == (~np.isnan(X[0][:, 0])).astype(float).tolist()
    assert seen.beside["gap"].shape == (len(X[0]), 1)
    assert np.isfinite(gates_of(model, X[0]).values["z"]).all()
    assert gradient_flow(model, X).verdict


@pytest.mark.parametrize(
    ("cell", "gap", "X", "message"),
    [
        ("lstm", 2, None, "gap=2 is the feature of elapsed times, and cell lstm takes no gap"),
        (waiting, 3, None, r"X\[0\] has 3 features a step, and gap=3 counts them from 0"),
        (waiting, 0, None, r"X\[\d\] has -.* as the elapsed time of step"),
        (
            decaying,
            None,
            [["a", "b"]] * 4,
            "cell decaying reads mask and gap beside numbers, and X has lists of tokens",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_in_a_sentence(cell: Any, gap: Any, X: Any, message: str) -> None:
    numbers, _ = sequences(4, missing=0)
    X = numbers if X is None else X
    with pytest.raises((ArgumentError, DataError), match=message):
        SequenceTagger(cell, gap=gap, epochs=1).fit(X, [["up"] * (len(x) - 1) + ["down"] for x in X])
