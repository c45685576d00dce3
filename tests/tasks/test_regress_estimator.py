"""What a regressor learns from, in which units, and how it says several numbers."""

import doctest
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import r2_score
from small_models import TEXTS, series

import ricorda
import ricorda.tasks.regress.estimator
from ricorda import SequenceClassifier, SequenceRegressor
from ricorda.data.held_out import split_rows
from ricorda.errors import ArgumentError, DataError

WALKS, _ = series(40)
SUMS = np.array([walk.sum() for walk in WALKS])


def small(**parameters: Any) -> SequenceRegressor:
    """A regressor that trains in some 50 ms."""
    sizes = {"hidden_size": 6, "epochs": 2, "batch_size": 8, "bidirectional": False, "embedding_size": 4}
    return SequenceRegressor(**{**sizes, "random_state": 0, "device": "cpu", **parameters})


def learning(**parameters: Any) -> SequenceRegressor:
    """One that trains long enough to know something."""
    return small(**{"epochs": 30, "learning_rate": 0.03, "validation_fraction": 0.0, "pooling": "mean", **parameters})


@pytest.fixture(scope="module")
def learned() -> SequenceRegressor:
    """A regressor that has learned sums; not to be changed."""
    return learning().fit(WALKS, SUMS)


def test_the_example_of_the_documentation_runs() -> None:
    assert doctest.testmod(ricorda.tasks.regress.estimator, raise_on_error=True) == (0, 5)


def test_what_can_be_learned_is_learned(learned: SequenceRegressor) -> None:
    assert learned.score(WALKS, SUMS) > 0.9
    assert learned.score(WALKS, SUMS) == pytest.approx(r2_score(SUMS, learned.predict(WALKS)))
    assert learned.evaluate(WALKS, SUMS).r2 == pytest.approx(learned.score(WALKS, SUMS))


# Units

ROUND_SUMS = np.round(SUMS * 2**20) / 2**20
"""To which a large offset can be added without losing a digit."""


@pytest.fixture(scope="module")
def of_round_sums() -> SequenceRegressor:
    return learning().fit(WALKS, ROUND_SUMS)


@pytest.mark.parametrize(("factor", "offset"), [(2.0**20, 0.0), (2.0**-30, 0.0), (1.0, 2.0**20), (-1.0, 0.0)])
def test_the_targets_unit_and_zero_change_nothing_but_the_unit(
    factor: float, offset: float, of_round_sums: SequenceRegressor
) -> None:
    sums = ROUND_SUMS
    model = learning().fit(WALKS, sums * factor + offset)
    found, expected = model.predict(WALKS), of_round_sums.predict(WALKS) * factor + offset
    if factor > 0:  # standardised targets are the same numbers but for the last digits; by training these grow
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3 * abs(factor) * sums.std())
    assert model.score(WALKS, sums * factor + offset) > 0.9
    assert model.scaling_.mean == pytest.approx(sums.mean() * factor + offset)
    assert model.scaling_.scale == pytest.approx(sums.std() * abs(factor))


def test_targets_are_standardised_by_the_training_part_alone() -> None:
    model = small().fit(WALKS, SUMS, validation=(WALKS, SUMS * 1000))
    assert model.scaling_.mean == pytest.approx(SUMS.mean())
    training, held_out = split_rows(40, 0.25, small().begin(WALKS, SUMS, None)[2])
    model = small(validation_fraction=0.25).fit(WALKS, SUMS)
    assert (len(training), len(held_out)) == (30, 10)
    assert model.scaling_.scale == pytest.approx(SUMS[training].std())


def test_a_constant_target_is_said() -> None:
    found = learning().fit(WALKS, [1e6] * 40).predict(WALKS)
    np.testing.assert_allclose(found, 1e6, rtol=0, atol=0.5)


# Several outputs


def test_several_outputs_have_names_units_and_reports_of_their_own(tmp_path: Any) -> None:
    targets = np.stack([SUMS, [1000 * len(walk) for walk in WALKS]], axis=1)
    model = learning().fit(WALKS, targets)
    found = model.predict(WALKS)
    assert found.shape == (40, 2)
    assert model.target_names_ == ["y1", "y2"]
    report = model.evaluate(WALKS, targets)
    for column, each in enumerate(report.outputs):
        assert each.r2 == pytest.approx(r2_score(targets[:, column], found[:, column]))
    assert report.outputs[1].mae > 10 * report.outputs[0].mae
    model.save(tmp_path)
    again: Any = ricorda.load(tmp_path)
    assert np.array_equal(again.predict(WALKS), found)
    assert "`y2` (mean 5" in (tmp_path / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("shape", [(40,), (40, 1)])
def test_predictions_have_the_targets_shape(shape: tuple[int, ...]) -> None:
    targets = SUMS.reshape(shape)
    model = small().fit(WALKS, targets)
    assert model.predict(WALKS[:3]).shape == (3, *shape[1:])
    assert model.target_names_ == ["y"]


def test_each_output_weighs_as_much_in_the_loss() -> None:
    """One that cannot be learned does not keep the network from the other, however large its unit."""
    noise = np.random.default_rng(0).normal(size=40) * 1e6
    found = learning().fit(WALKS, np.stack([noise, SUMS], axis=1)).predict(WALKS)
    assert r2_score(SUMS, found[:, 1]) > 0.8


# What is read


def test_absolute_errors_mind_outliers_less() -> None:
    targets = SUMS.copy()
    targets[::10] += 500
    ordinary = np.arange(40) % 10 != 0
    errors = {}
    for loss in ("mse", "mae"):
        found = learning(loss=loss, hidden_size=2).fit(WALKS, targets).predict(WALKS)
        errors[loss] = np.abs(found - targets)[ordinary].mean()
    assert errors["mae"] < errors["mse"] / 2


@pytest.mark.parametrize("kind", ["float32 [N, T, I]", "uint8 [N, T]", "torch [N, T, I]", "lists"])
def test_arrays_of_all_kinds_are_read_alike(kind: str) -> None:
    whole: NDArray[Any] = np.random.default_rng(0).integers(0, 255, (20, 6, 1))
    given: Any = {
        "float32 [N, T, I]": whole.astype(np.float32),
        "uint8 [N, T]": whole[:, :, 0].astype(np.uint8),
        "torch [N, T, I]": torch.from_numpy(whole),
        "lists": whole.tolist(),
    }[kind]
    sums = whole.sum((1, 2))
    expected = small().fit(list(whole.astype(float)), sums).predict(list(whole.astype(float)))
    assert np.array_equal(small().fit(given, sums).predict(given), expected)
    labels = sums > sums.mean()
    classifier = SequenceClassifier(hidden_size=3, epochs=1, random_state=0, device="cpu")
    assert classifier.fit(given, labels).predict_proba(given).shape == (20, 2)


def test_texts_and_tokens_are_read() -> None:
    lengths = [float(len(text.split())) for text in TEXTS]
    model = learning(tokenizer="word", min_frequency=1).fit(TEXTS, lengths)
    assert model.score(TEXTS, lengths) > 0.9
    tokens = [text.split() for text in TEXTS]
    assert learning(min_frequency=1).fit(tokens, lengths).score(tokens, lengths) > 0.9
    with pytest.raises(DataError, match="and the model was trained on texts: give it those"):
        model.predict(WALKS)


def test_bf16_products_learn_the_same(learned: SequenceRegressor) -> None:
    model = learning(precision="bf16").fit(WALKS, SUMS)
    assert model.score(WALKS, SUMS) == pytest.approx(learned.score(WALKS, SUMS), abs=0.05)


# What cannot be


@pytest.mark.parametrize(
    ("X", "y", "sentence"),
    [
        (WALKS, SUMS[:-1], "there are 40 examples and 39 targets: give one for each example"),
        (WALKS[:2], [1.0, float("nan")], "y[1] has nan, which is no finite number: fill it in or leave it out"),
        (WALKS[:2], [1.0, "a"], "y[1] has 'a', which is no number: write one, with a decimal point"),
        ([], [], "X holds no example: give at least one"),
        (
            WALKS[:2],
            [1.0, 2.0],
            "validation_fraction=0.1 of 2 examples leaves too few to train on: give more examples, others to validate "
            "on, or 0",
        ),
    ],
)
def test_examples_that_cannot_be_are_refused_in_a_sentence(X: Any, y: Any, sentence: str) -> None:
    with pytest.raises((ArgumentError, DataError)) as refused:
        small(validation_fraction=0.1).fit(X, y)
    assert str(refused.value) == sentence


def test_other_examples_must_have_as_many_targets(learned: SequenceRegressor) -> None:
    twice = np.stack([SUMS, SUMS], axis=1)
    with pytest.raises(DataError, match="y has 2 numbers an example, and the model gives 1: give it as many"):
        learned.evaluate(WALKS, twice)
    with pytest.raises(DataError, match=r"validation\[1\] has 2 numbers an example, and the model gives 1"):
        small().fit(WALKS, SUMS, validation=(WALKS, twice))
    with pytest.raises(DataError, match="X holds one example alone, of which there is no R2: give at least two"):
        learned.evaluate(WALKS[:1], SUMS[:1])
    with pytest.raises(ArgumentError, match="validation is of type list: give a pair"):
        small().fit(WALKS, SUMS, validation=[1, 2, 3])
    with pytest.raises(ArgumentError, match="loss is 'huber': give one of mse, mae"):
        small(loss="huber").fit(WALKS, SUMS)
