"""The language model as its users meet it."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ricorda
from ricorda.errors import ArgumentError, DataError, ModelFolderError
from ricorda.tasks.language.estimator import LanguageModel

TEXT = "the cat sat on the mat\nà la carte\n" * 60
SIZES: dict[str, Any] = {"hidden_size": 16, "embedding_size": 8, "window": 20, "batch_size": 4, "epochs": 3}
PIECES = [[[60, 64], [62, 65], [64], [67, 71]] * 4] * 8
DOCUMENTS = ["aaaa", "bbbb"] * 10
VECTORS = [[1.0, 0.0], [0.0, 1.0]] * 10
TOKENS = [["start", "go"], ["start", "go", "stop"]] * 10


def small(**parameters: Any) -> LanguageModel:
    return LanguageModel(**{**SIZES, "random_state": 0, "device": "cpu", **parameters})


@pytest.fixture(scope="module")
def fitted() -> LanguageModel:
    return small(epochs=20, learning_rate=0.02, dropout=0.0).fit(TEXT)


def test_it_learns_to_write(fitted: LanguageModel) -> None:
    assert "".join(fitted.generate("the ", length=18, temperature=0)) == "cat sat on the mat"
    assert fitted.evaluate(TEXT).nats < 0.15


@pytest.mark.parametrize("tokenizer", ["char", "bpe", "word"])
def test_perplexity_and_bits_are_those_of_the_tokens_scores(tokenizer: str) -> None:
    model = small(tokenizer=tokenizer).fit(TEXT)
    text = "the cat\nà la mat\n"
    scores = [score for _, score in model.score_tokens(text)]
    found = model.evaluate(text)
    assert found.steps == len(scores)
    assert found.nats == pytest.approx(-np.mean(scores), rel=1e-6)
    assert found.perplexity == pytest.approx(math.exp(-np.mean(scores)), rel=1e-6)
    # a character is one of the text, however many of them make a token
    assert found.bits_per_character == pytest.approx(-sum(scores) / math.log(2) / len(text), rel=1e-6)
    assert model.score(text) == -found.nats


def test_the_probabilities_of_all_next_tokens_sum_to_one() -> None:
    model = small(tokenizer="word", epochs=1).fit(TEXT)
    vocabulary = model.reader_.vocabulary
    assert vocabulary is not None
    words = [vocabulary.token(id) for id in range(1, len(vocabulary))]
    scores = [model.score_tokens("the " + word.replace("<eos>", "\n"))[1][1] for word in words]
    assert 0.9 < sum(map(math.exp, scores)) < 1  # but for the unknown


def test_scored_tokens_are_the_text() -> None:
    for tokenizer in ("char", "bpe"):
        model = small(tokenizer=tokenizer, epochs=1).fit(TEXT)
        assert "".join(token for token, _ in model.score_tokens("the cat\n")) == "the cat\n"


def test_evaluation_carries_the_state_through(fitted: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fitted.evaluate(TEXT)
    monkeypatch.setattr("ricorda.tasks.language.scoring.AT_ONCE", 37)
    assert fitted.evaluate(TEXT).nats == pytest.approx(whole.nats, rel=1e-6)


def test_the_last_validation_s_figure_is_that_of_the_end_of_the_text() -> None:
    model = small(epochs=1, validation_fraction=0.2).fit(TEXT)
    end = TEXT[int(len(TEXT) * 0.8) :]
    assert model.history_[0]["validation_loss"] == pytest.approx(model.evaluate(end).nats, rel=1e-6)
    assert model.summary_["validation_examples"] == len(end)


@pytest.mark.parametrize(
    ("X", "options"),
    [
        (TEXT, {}),
        (TEXT, {"tokenizer": "bpe", "tie_embeddings": True, "lowercase": True}),
        (TEXT, {"tokenizer": "word", "cell": "gru", "num_layers": 2, "zoneout": 0.1, "weight_drop": 0.1}),
        (DOCUMENTS, {"embedding_dropout": 0.1, "state_dropout": 0.1, "input_dropout": 0.1}),
        (TOKENS, {"tie_embeddings": True, "embedding_size": 16}),
        (PIECES, {"cell": "rnn"}),
    ],
)
def test_a_folder_opens_as_the_same_model(tmp_path: Path, X: Any, options: dict[str, Any]) -> None:
    model = small(epochs=1, **options).fit(X)
    model.save(tmp_path / "model")
    again = ricorda.load(tmp_path / "model")
    assert isinstance(again, LanguageModel)
    assert again.evaluate(X) == model.evaluate(X)
    assert list(again.generate(length=8, seed=3)) == list(model.generate(length=8, seed=3))
    assert again.get_params()["tokenizer"] == model.tokenizer


def test_a_changed_folder_is_refused(tmp_path: Path) -> None:
    from ricorda.tasks.folder import CONFIG

    small(epochs=1).fit(TEXT).save(tmp_path / "model")
    config = tmp_path / "model" / CONFIG
    config.write_text(
        config.read_text(encoding="utf-8").replace('"kind": "stream"', '"kind": "music"'), encoding="utf-8"
    )
    with pytest.raises(ModelFolderError):
        ricorda.load(tmp_path / "model")


def test_the_same_seed_trains_the_same_model() -> None:
    first, second = (small(dropout=0.3, weight_drop=0.2).fit(TEXT) for _ in range(2))
    assert first.evaluate(TEXT) == second.evaluate(TEXT)


# One to many


def test_a_vector_begins_a_sequence(tmp_path: Path) -> None:
    model = small(epochs=40, learning_rate=0.02, dropout=0.0).fit(DOCUMENTS, condition=VECTORS)
    assert "".join(model.generate(temperature=0, condition=[1, 0])) == "aaaa"
    assert "".join(model.generate(temperature=0, condition=np.array([0.0, 1.0]))) == "bbbb"
    assert model.evaluate(["aaaa"], condition=[[1, 0]]).nats < model.evaluate(["aaaa"], condition=[[0, 1]]).nats
    model.save(tmp_path / "model")
    again: Any = ricorda.load(tmp_path / "model")
    assert "".join(again.generate(temperature=0, condition=[0, 1])) == "bbbb"
    with pytest.raises(ArgumentError, match="a condition of 2 numbers: give one"):
        model.generate()
    with pytest.raises(ArgumentError, match="3 numbers, and the model was trained on 2"):
        model.generate(condition=[1, 2, 3])
    with pytest.raises(ArgumentError, match="vectors of 2 numbers as condition, and none were given"):
        model.evaluate(DOCUMENTS)


def test_documents_with_conditions_of_their_own_validate() -> None:
    model = small().fit(DOCUMENTS, condition=VECTORS, validation=(DOCUMENTS[:2], VECTORS[:2]))
    assert model.summary_["validation_examples"] == 10
    with pytest.raises(ArgumentError, match="validation is no pair"):
        small().fit(DOCUMENTS, condition=VECTORS, validation=DOCUMENTS)
    with pytest.raises(ArgumentError, match="condition has 1 numbers, and the model was trained on 2"):
        small().fit(DOCUMENTS, condition=VECTORS, validation=(DOCUMENTS[:1], [[1.0]]))


def test_documents_of_one_token_are_learned() -> None:
    model = small(epochs=30, learning_rate=0.02).fit(["a", "b"] * 8, condition=[[1.0], [0.0]] * 8)
    assert "".join(model.generate(temperature=0, condition=[1.0])) == "a"


# Music


def test_music_is_learned_and_written() -> None:
    model = small(hidden_size=32, epochs=150, batch_size=2, learning_rate=0.02, dropout=0.0).fit(PIECES)
    whole = list(model.generate(length=16, temperature=0))
    assert whole == PIECES[0]
    assert list(model.generate(PIECES[0][:5], length=2, temperature=0)) == PIECES[0][5:7]
    assert model.score_tokens(PIECES[0])[0][0] == "60 64"


def test_the_loss_of_music_is_the_sum_over_the_keys() -> None:
    model = small(epochs=1).fit(PIECES)
    from ricorda.data.music import roll_of

    roll = torch.from_numpy(roll_of(PIECES[0])).float()
    with torch.no_grad():
        before = torch.cat([torch.zeros(1, 88), roll[:-1]])
        outputs, _ = model.network_(before[:, None], None)
        p = torch.sigmoid(model.network_.output(outputs[:, 0]).double())
    nats = -(roll * p.log() + (1 - roll) * (1 - p).log()).sum(1)
    assert model.evaluate(PIECES[:1]).nats == pytest.approx(float(nats.mean()), rel=1e-5)
    assert model.evaluate(PIECES[:1]).perplexity is None


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ([[[60], [109]]], "step 2 of piece 1 of X has the note 109: give MIDI numbers from 21 to 108"),
        ([[[60]], []], "piece 2 of X has no step"),
        ([[[60], 61]], "step 2 of piece 1 of X is 61: give a list of MIDI note numbers"),
        ([[[60], ["C"]]], "has the note 'C'"),
    ],
)
def test_music_that_cannot_be_is_said(pieces: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        small().fit(pieces)


# Mistakes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokenizer": "syllable"}, "tokenizer is 'syllable': give one of char, bpe, word"),
        ({"window": 0}, "window is 0: give a whole number of at least 1"),
        ({"optimizer": "adam"}, "optimizer is 'adam': choose one of adamw, sgd"),
        ({"schedule": "step"}, "schedule is 'step': choose one of linear, cosine, constant"),
        ({"zoneout": 1.0}, "zoneout is 1.0: give a number from 0 to less than 1"),
        ({"tie_embeddings": True, "adaptive_softmax": True}, "both on: choose one"),
        ({"adaptive_softmax": True}, "adaptive_softmax is for at least 20 tokens"),
        ({"vocab_size": 1}, "vocab_size is 1: give at least 3"),
    ],
)
def test_parameters_that_cannot_be_are_said(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        small(**options).fit(TEXT)


def test_too_little_text_is_said() -> None:
    with pytest.raises(DataError, match="too few for 4 parallel rows: give more text, or a smaller batch_size"):
        small(validation_fraction=0.0).fit("abc")
    with pytest.raises(DataError, match="leaves nothing to train on or to validate"):
        small().fit(["one document"])
    with pytest.raises(DataError, match="X is empty"):
        small().fit("")


def test_text_shorter_than_a_window_is_learned() -> None:
    assert len(small(validation_fraction=0.0, window=1000).fit("ab\n" * 10).history_) == 3


def test_arguments_of_generation_are_checked_at_once(fitted: LanguageModel) -> None:
    with pytest.raises(DataError, match="prompt has '☂' as character 3"):
        fitted.generate("th☂")
    for options, message in [
        ({"length": 0}, "length is 0"),
        ({"temperature": -0.5}, "temperature is -0.5"),
        ({"seed": -1}, "seed is -1"),
        ({"condition": [1.0]}, "no condition"),
    ]:
        with pytest.raises(ArgumentError, match=message):
            fitted.generate(**options)
    with pytest.raises(ArgumentError, match="prompt is of type list: give a text"):
        fitted.generate(["t"])


def test_what_is_read_must_be_of_the_trainings_kind(fitted: LanguageModel) -> None:
    with pytest.raises(DataError, match="X is a list of texts, and the model was trained on a text"):
        fitted.evaluate(["a"])
    with pytest.raises(DataError, match="X has '☂' as character 5, which the training text never had"):
        fitted.evaluate("the ☂")


def test_a_fit_that_fails_leaves_the_model_as_it_was(fitted: LanguageModel) -> None:
    before = fitted.evaluate(TEXT)
    with pytest.raises(DataError):
        fitted.fit("a")
    assert fitted.evaluate(TEXT) == before
