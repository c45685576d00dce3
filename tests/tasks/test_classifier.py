"""What a classifier learns from, and which of its weights it keeps."""

import doctest
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_models import LABELS, LEARNING, READING, SIZES, TEXTS, TOKENS, series, small

import ricorda.tasks.classify.estimator
from ricorda import SequenceRegressor
from ricorda.errors import DataError, ModelFolderError


def small_regressor() -> SequenceRegressor:
    return SequenceRegressor(**{**SIZES, **READING, "random_state": 0, "device": "cpu"})


def known(model: Any, word: str) -> bool:
    return model.encoder_.tokenizer.token_to_id(word) is not None


def test_the_example_of_the_documentation_runs() -> None:
    assert doctest.testmod(ricorda.tasks.classify.estimator, raise_on_error=True) == (0, 4)


# What is learned from which part


def test_a_word_of_the_validation_part_alone_is_unknown() -> None:
    model = small().fit(TEXTS, LABELS, validation=(["funny zebra", "dull"], ["good", "bad"]))
    assert known(model, "funny")
    assert not known(model, "zebra")
    numbered = [f"{text} w{number}x" for number, text in enumerate(TEXTS)]
    split = small(validation_fraction=0.2).fit(numbered, LABELS)
    assert (split.summary_["examples"], split.summary_["validation_examples"]) == (24, 6)
    assert sum(known(split, f"w{number}x") for number in range(30)) == 24


def test_numbers_are_standardised_by_the_training_part() -> None:
    walks, rises = series()
    others = [walk * 1000 for walk in walks]
    model = small().fit(walks, rises, validation=(others, rises))
    np.testing.assert_allclose(model.network_.mean.numpy(), np.concatenate(walks).mean(0), rtol=1e-5)
    np.testing.assert_allclose(model.network_.scale.numpy(), np.concatenate(walks).std(0), rtol=1e-5)


def test_less_is_dropped_of_arrays_than_of_tokens_unless_told() -> None:
    tokens, arrays, told = (
        small(epochs=1, **more).fit(*examples).network_.dropout.p
        for examples, more in (((TOKENS, LABELS), {}), (series(), {}), (series(), {"dropout": 0.4}))
    )
    assert (tokens, arrays, told) == (0.5, 0.2, 0.4)


def test_the_scale_of_a_feature_changes_nothing() -> None:
    walks, rises = series()
    model = small().fit(walks, rises)
    exact = np.array([2.0**20, 2.0**-9])  # powers of two, with which floating-point numbers scale without rounding
    scaled = small().fit([walk.astype(np.float32) * exact for walk in walks], rises)
    assert np.array_equal(scaled.predict_proba([walk * exact for walk in walks]), model.predict_proba(walks))
    million = small().fit([walk * 1e6 for walk in walks], rises)  # not a power of two: inputs differ in their last bits
    np.testing.assert_allclose(
        million.predict_proba([walk * 1e6 for walk in walks]), model.predict_proba(walks), atol=1e-4
    )


def test_the_vocabulary_is_as_wished() -> None:
    upper = [text.upper() for text in TEXTS]
    assert known(small().fit(upper, LABELS), "funny")
    assert known(small(lowercase=False).fit(upper, LABELS), "FUNNY")
    assert small(vocab_size=5).fit(TEXTS, LABELS).encoder_.vocabulary == 5
    rare = small(min_frequency=6, validation_fraction=0).fit(TEXTS, LABELS)
    assert known(rare, "funny")  # in 6 texts
    assert not known(rare, "wise")  # in 3
    assert small(tokenizer="bpe", vocab_size=300).fit(TEXTS, LABELS).encoder_.vocabulary <= 300


def test_token_lists_are_taken_as_they_stand_whatever_the_tokenizer_for_texts() -> None:
    model = small(tokenizer="bpe", vocab_size=300).fit([[*tokens, "Mixed Case"] for tokens in TOKENS], LABELS)
    assert known(model, "Mixed Case")
    assert model.encoder_.vocabulary < 256  # of which bytes would take as many


def test_max_length_cuts_and_without_it_a_sequence_has_a_limit() -> None:
    model = small(max_length=3).fit(TEXTS, LABELS)
    assert np.array_equal(model.predict_proba(["a warm and funny film"]), model.predict_proba(["a warm and dull"]))
    assert not np.array_equal(model.predict_proba(["a warm and"]), model.predict_proba(["a warm film"]))
    long = "film " * 10_001
    assert model.predict([long]).shape == (1,)
    whole = small().fit(TEXTS, LABELS)
    assert whole.predict([long[:-6]]).shape == (1,)
    with pytest.raises(DataError, match=r"^X\[1\] has 10,001 steps, more than 10,000: shorten it, or .* max_length"):
        whole.predict(["a film", long])
    numbers = small(max_length=2).fit([np.ones((4, 1)), np.zeros((4, 1))] * 10, [1, 0] * 10)
    assert np.array_equal(numbers.predict_proba([[1, 1, 0, 0]]), numbers.predict_proba([[1, 1, 1]]))


# Weights that are kept


def swinging(**parameters: Any) -> Any:
    """A training whose best epoch is not its last: with so large a learning rate the score goes up and down."""
    random = np.random.default_rng(4)
    held_out = [(f"{TEXTS[i]} {TEXTS[j]}", LABELS[i]) for i, j in random.integers(0, 30, (40, 2))]
    model = small(**{"learning_rate": 0.3, "epochs": 12, "clip_norm": None, "wide": False, **parameters})
    texts, labels = [text for text, _ in held_out], [label for _, label in held_out]
    return model.fit(TEXTS, LABELS, validation=(texts, labels)), texts, labels


@pytest.mark.parametrize("scoring", ["accuracy", "macro_f1"])
def test_the_weights_of_the_best_epoch_are_kept(scoring: str) -> None:
    model, texts, labels = swinging(scoring=scoring)
    scores = [epoch["score"] for epoch in model.history_]
    best = max(range(12), key=lambda epoch: (scores[epoch], -model.history_[epoch]["validation_loss"]))
    assert 0 < best < 11
    assert scores[-1] < scores[best]
    report = model.evaluate(texts, labels)
    assert getattr(report, scoring) == scores[best]
    assert report.log_loss == model.history_[best]["validation_loss"]
    assert (report.accuracy, report.macro_f1) == (model.history_[best]["accuracy"], model.history_[best]["macro_f1"])
    assert model.summary_["best"] == model.history_[best]


def test_training_stops_after_epochs_without_a_better_score() -> None:
    whole, *_ = swinging(random_state=1)
    stopped, *_ = swinging(random_state=1, patience=2)
    scores = [epoch["score"] for epoch in whole.history_]
    wanted = next(n for n in range(1, 13) if n == 12 or (n - 1) - int(np.argmax(scores[:n])) >= 2)
    assert stopped.n_iter_ == wanted < 12
    assert [epoch["score"] for epoch in stopped.history_] == scores[:wanted]


def test_without_validation_the_last_weights_are_kept() -> None:
    short, long = small(validation_fraction=0, epochs=1), small(validation_fraction=0, epochs=3)
    model = long.fit(TEXTS, LABELS)
    assert all("score" not in epoch for epoch in model.history_)
    assert model.summary_ == {**model.summary_, "examples": 30, "validation_examples": 0, "best": model.history_[-1]}
    assert not np.array_equal(short.fit(TEXTS, LABELS).predict_proba(TEXTS), model.predict_proba(TEXTS))


@pytest.mark.parametrize("kind", ["classify", "regress"])
@pytest.mark.parametrize("count", [9, 10])
def test_fewer_than_ten_examples_choose_no_epoch(kind: str, count: int) -> None:
    numbers = [float(label == "good") for label in LABELS]
    answers, model = (LABELS, small()) if kind == "classify" else (numbers, small_regressor())
    model.set_params(epochs=4, learning_rate=0.3, clip_norm=None, patience=1)
    others = [f"{text} film" for text in TEXTS[:count]]
    model.fit(TEXTS, answers, validation=(others, answers[:count]))
    assert all(("score" in epoch) == (count >= 10) for epoch in model.history_)
    assert all(math.isfinite(epoch["validation_loss"]) for epoch in model.history_)
    if count < 10:
        assert model.summary_["best"] == model.history_[-1]
        assert len(model.history_) == 4  # and no patience is lost with it


def test_other_examples_to_validate_on_leave_all_to_train_on() -> None:
    model = small().fit(TEXTS, LABELS, validation=(TEXTS[:4], LABELS[:4]))
    assert (model.summary_["examples"], model.summary_["validation_examples"]) == (30, 4)
    with pytest.raises(DataError, match=r"^validation\[0\]\[1\] has the label 'ugly', which the training never saw"):
        small().fit(TEXTS, LABELS, validation=(TEXTS[:2], ["good", "ugly"]))
    with pytest.raises(DataError, match=r"^validation\[1\]\[0\] is None and no label"):
        small().fit(TEXTS, LABELS, validation=(TEXTS[:2], [None, "good"]))
    with pytest.raises(DataError, match=r"^validation\[0\]\[1\] has an empty text"):
        small().fit(TEXTS, LABELS, validation=(["a", ""], ["good", "good"]))


# Options that change the result


def test_a_class_of_more_weight_is_called_more_often() -> None:
    for wanted, other in (("good", "bad"), ("bad", "good")):
        model = small(**LEARNING, class_weight={wanted: 50.0, other: 0.02}).fit(TEXTS, LABELS)
        assert set(model.predict(["unheard of"] * 2)) == {wanted}
    weighed = small(class_weight="balanced").fit(TEXTS[:20] + TEXTS[1:9:2], LABELS[:20] + LABELS[1:9:2])
    assert weighed.history_ != small().fit(TEXTS[:20] + TEXTS[1:9:2], LABELS[:20] + LABELS[1:9:2]).history_


OTHER: dict[str, Any] = {
    "cell": "rnn",
    "num_layers": 2,
    "bidirectional": True,
    "embedding_size": 3,
    "pooling": "attention",
    "dropout": 0.1,
    "word_dropout": 0.9,
    "max_length": 2,
    "batch_size": 3,
    "learning_rate": 0.01,
    "weight_decay": 0.5,
    "warmup": 0.9,
    "clip_norm": 0.01,
    "precision": "bf16",
}


@pytest.mark.parametrize("name", OTHER)
def test_each_option_reaches_the_training(name: str) -> None:
    usual, other = (small(**each).fit(TEXTS, LABELS).predict_proba(TEXTS) for each in ({}, {name: OTHER[name]}))
    assert np.isfinite(other).all()
    assert not np.array_equal(usual, other)


# Checkpoints


def test_a_training_goes_on_with_its_own_examples_alone(tmp_path: Path) -> None:
    parts = (TEXTS[:6], LABELS[:6])
    model = small().fit(TEXTS, LABELS, validation=parts, folder=tmp_path)
    again = small().fit(TEXTS, LABELS, validation=parts, folder=tmp_path, resume=True)
    assert again.history_ == model.history_
    lines = (tmp_path / "history.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == model.history_
    other_parts = (TEXTS[1:7], LABELS[1:7])
    for X, y, validation in ((TEXTS[::-1], LABELS[::-1], parts), (TEXTS, LABELS, other_parts)):
        with pytest.raises(ModelFolderError, match="was trained on other data than were given: resume it"):
            small().fit(X, y, validation=validation, folder=tmp_path, resume=True)
    with pytest.raises(ModelFolderError, match="has hidden_size 4 but 5 was given"):
        small(hidden_size=5).fit(TEXTS, LABELS, validation=parts, folder=tmp_path, resume=True)


def test_an_interrupted_training_leaves_what_was_learned_before(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small().fit(TEXTS, LABELS)
    wanted = model.predict_proba(TEXTS)

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(torch.optim.AdamW, "step", interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(TEXTS, ["c", "d"] * 15)
    assert np.array_equal(model.predict_proba(TEXTS), wanted)
    assert model.classes_.tolist() == ["bad", "good"]
