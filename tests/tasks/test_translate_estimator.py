"""`Translator`: what it learns, returns, keeps and refuses; BLEU and chrF against sacrebleu by hand."""

import itertools
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sacrebleu
import torch

import ricorda
from ricorda.errors import ArgumentError, DataError, ModelFolderError
from ricorda.tasks.translate.estimator import Translator
from ricorda.tasks.translate.metrics import report
from ricorda.tasks.translate.pictures import attention_picture

ENGLISH = ["one", "two", "three", "four", "five"]
ITALIAN = ["uno", "due", "tre", "quattro", "cinque"]
PAIRS = [
    (f"{ENGLISH[a]} and {ENGLISH[b]}.", f"{ITALIAN[b].capitalize()} e {ITALIAN[a]}.")
    for a, b in itertools.product(range(5), repeat=2)
]
SOURCES, TARGETS = [source for source, _ in PAIRS], [target for _, target in PAIRS]


def small(**parameters: Any) -> Translator:
    """A translator that trains in less than a second."""
    sizes: dict[str, Any] = {"hidden_size": 8, "embedding_size": 8, "vocab_size": 320, "batch_size": 8, "epochs": 2}
    return Translator(**{**sizes, "random_state": 0, "device": "cpu", **parameters})


@pytest.fixture(scope="module")
def fitted() -> Translator:
    """A translator that knows its pairs by heart."""
    torch.set_num_threads(1)
    learning = {"hidden_size": 64, "embedding_size": 64, "epochs": 30, "dropout": 0.0, "validation_fraction": 0.0}
    return small(**learning, batch_size=4, learning_rate=0.01, label_smoothing=0.0).fit(SOURCES, TARGETS)


def test_pairs_that_were_learned_are_translated_with_case_and_punctuation(fitted: Translator) -> None:
    assert fitted.predict(SOURCES) == TARGETS
    assert fitted.predict(np.array(SOURCES[:3])) == TARGETS[:3]
    assert fitted.score(SOURCES, TARGETS) == pytest.approx(100)


def test_what_is_written_holds_the_characters_of_its_examples() -> None:
    sources = [text.replace("o", "o’") for text in SOURCES[:5]]
    targets = [f"L’{text} perché▁no\u00a0!" for text in TARGETS[:5]]
    decomposed = [unicodedata.normalize("NFD", text) for text in targets]
    learning = {"hidden_size": 48, "embedding_size": 48, "dropout": 0.0, "validation_fraction": 0.0}
    model = small(**learning, epochs=60, batch_size=5, learning_rate=0.01, beam_size=1).fit(sources, decomposed)
    assert model.predict(sources) == targets
    assert model.predict([text.replace("’", "'") for text in sources]) == targets
    assert model.score(sources, decomposed) == pytest.approx(100)
    assert model.score(sources, [text.replace("’", "'") for text in targets]) < 90  # They are other characters.


def test_small_letters_are_compared_with_small_letters() -> None:
    learning = {"hidden_size": 48, "embedding_size": 48, "dropout": 0.0, "validation_fraction": 0.0, "lowercase": True}
    model = small(**learning, epochs=60, batch_size=5, learning_rate=0.01, beam_size=1).fit(SOURCES[:5], TARGETS[:5])
    result = model.evaluate(SOURCES[:5], TARGETS[:5])
    assert result.bleu == pytest.approx(100)
    assert "case:lc" in result.signature
    assert "case:lc" in result.chrf_signature
    scores, _ = model._outcomes(SOURCES[:5], TARGETS[:5])
    assert list(scores) == pytest.approx([100] * 5)


def test_the_best_translations_come_in_the_order_of_their_scores(fitted: Translator) -> None:
    (best,) = fitted.translate(SOURCES[:1], n_best=3)
    assert len(best) == 3
    assert best[0].text == TARGETS[0]
    assert best[0].score >= best[1].score >= best[2].score
    assert len({each.text for each in best}) > 1
    assert all(each.log_probability <= 0 for each in best)


def test_attention_is_a_row_for_each_token_of_the_translation(fitted: Translator) -> None:
    seen = fitted.attend(SOURCES[7])
    assert "".join(seen.source).replace("▁", " ").strip() == SOURCES[7]
    assert "".join(seen.target[:-1]).replace("▁", " ").strip() == TARGETS[7]
    assert seen.target[-1] == "</s>"
    assert seen.weights.shape == (len(seen.target), len(seen.source))
    np.testing.assert_allclose(seen.weights.sum(1), 1, rtol=1e-5)
    assert attention_picture(seen).startswith(b"\x89PNG")
    given = fitted.attend(SOURCES[7], "Uno e uno.")
    assert "".join(given.target[:-1]).replace("▁", " ").strip() == "Uno e uno."


@pytest.mark.parametrize(
    "changes",
    [
        {"cell": "gru", "attention": "additive", "num_layers": 2, "coverage_penalty": 0.1},
        {"cell": "rnn", "attention": None, "bidirectional": False, "tied_embeddings": False},
        {"input_feeding": True, "shared_vocabulary": True},
    ],
)
def test_a_model_folder_gives_the_same_translations(tmp_path: Path, changes: dict[str, Any]) -> None:
    model = small(**changes).fit(SOURCES, TARGETS)
    model.save(tmp_path / "model")
    again = ricorda.load(tmp_path / "model")
    assert isinstance(again, Translator)
    assert again.get_params() == model.get_params()
    assert again.translate(SOURCES[:4], n_best=2) == model.translate(SOURCES[:4], n_best=2)
    names = {path.name for path in (tmp_path / "model").glob("*tokenizer.json")}
    assert names == (
        {"tokenizer.json"} if model.shared_vocabulary else {"source_tokenizer.json", "target_tokenizer.json"}
    )


def test_a_folder_without_one_of_its_tokenizers_does_not_open(tmp_path: Path) -> None:
    small().fit(SOURCES, TARGETS).save(tmp_path / "model")
    (tmp_path / "model" / "target_tokenizer.json").unlink()
    with pytest.raises(ModelFolderError, match=r"target_tokenizer\.json"):
        ricorda.load(tmp_path / "model")


def test_the_same_seed_gives_the_same_model_and_held_out_pairs_a_score() -> None:
    first, second = (small(validation_fraction=0.2).fit(SOURCES, TARGETS) for _ in range(2))
    assert first.translate(SOURCES) == second.translate(SOURCES)
    assert first.summary_["validation_examples"] == 5
    assert {"score", "token_accuracy", "validation_loss"} <= set(first.history_[0])
    given = small().fit(SOURCES[5:], TARGETS[5:], validation=(SOURCES[:5], TARGETS[:5]))
    assert given.summary_["validation_examples"] == 5
    assert given.summary_["examples"] == 20


def test_a_training_that_fails_leaves_the_model_as_it_was(fitted: Translator) -> None:
    before = fitted.predict(SOURCES[:2])
    with pytest.raises(DataError):
        fitted.fit([*SOURCES, "a " * 10_000], [*TARGETS, "b"])
    assert fitted.predict(SOURCES[:2]) == before


def test_references_of_one_sentence_count_together(fitted: Translator) -> None:
    others = [f"Un altro {target}" for target in TARGETS]
    result = fitted.evaluate(SOURCES + SOURCES, others + TARGETS)
    assert result.sentences == 25
    assert result.references == 50
    assert result.bleu == pytest.approx(100)
    assert fitted.evaluate(SOURCES, others).bleu < 100


def test_a_report_has_the_numbers_of_sacrebleu() -> None:
    sources = ["a b c", "a b c d e f g h", "a"]
    found = ["the cat is here", "the dog is over there now", "yes"]
    references = [["the cat is here now", "a cat is here"], ["the dog is there now"], ["yes", "yes !", "sure"]]
    result = report(sources, found, references)
    streams = [["the cat is here now", "the dog is there now", "yes"], ["a cat is here", "", "yes !"], ["", "", "sure"]]
    assert result.bleu == pytest.approx(sacrebleu.corpus_bleu(found, streams).score)
    assert result.chrf == pytest.approx(sacrebleu.corpus_chrf(found, streams).score)
    assert "nrefs:var" in result.signature
    assert "tok:13a" in result.signature
    assert [(each.first, each.last, each.sentences) for each in result.by_length] == [(1, 3, 2), (7, 9, 1)]
    alone = sacrebleu.corpus_bleu(found[1:2], [["the dog is there now"]]).score
    assert result.by_length[1].bleu == pytest.approx(alone)
    assert result.to_json()["by_length"][0]["sentences"] == 2


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"attention": "self"}, "attention is 'self': give one of multiplicative, additive or None"),
        ({"beam_size": 0}, "beam_size is 0: give a whole number of at least 1"),
        ({"length_penalty": -1}, "length_penalty is -1: give a number from 0 to 50"),
        ({"label_smoothing": 1.0}, "label_smoothing is 1.0: give a number from 0 to less than 1"),
        ({"input_feeding": 1}, "input_feeding is 1: give True or False"),
        ({"max_length": None}, "max_length is None: give a whole number"),
        ({"vocab_size": 100}, "vocab_size 100 is too small for subwords"),
        ({"validation_fraction": 0.99}, r"validation_fraction=0\.99 of 25 different sentences leaves none"),
    ],
)
def test_parameters_that_cannot_be_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        small(**parameters).fit(SOURCES, TARGETS)


def test_data_that_cannot_be_is_refused_with_its_place(fitted: Translator) -> None:
    for X, y, message in [
        (SOURCES, TARGETS[1:], "X has 25 sentences and y 24: give pairs"),
        ([*SOURCES[1:], " "], TARGETS, r"X\[24\] has a blank text"),
        (SOURCES, [*TARGETS[1:], ""], r"y\[24\] has an empty text"),
        ([*SOURCES[1:], "a " * 10_000], TARGETS, r"X\[24\] has \d\d,\d\d\d subwords in its source, more than 250"),
        ("one and two", TARGETS, "X is of type str"),
        (SOURCES, None, "y is of type NoneType"),
    ]:
        with pytest.raises((ArgumentError, DataError), match=message):
            small().fit(X, y)
    with pytest.raises(DataError, match=r"X\[1\] has 30,000 subwords in its text, more than 250: split it into sente"):
        fitted.predict(["one", "é " * 10_000])
    with pytest.raises(ArgumentError, match=r"n_best is 9: give a whole number from 1 to beam_size \(5\)"):
        fitted.translate(["one"], n_best=9)
    with pytest.raises(ArgumentError, match="beam_size is 0"):
        fitted.translate(["one"], beam_size=0)
    with pytest.raises(ArgumentError, match="validation is of type str: give a pair"):
        small().fit(SOURCES, TARGETS, validation="dev")  # type: ignore[arg-type]


def test_a_model_without_attention_has_none_to_show() -> None:
    model = small(attention=None).fit(SOURCES, TARGETS)
    with pytest.raises(ArgumentError, match="attention is None: this model has none to show"):
        model.attend("one and two.")
    small(attention=None, coverage_penalty=0.5).fit(SOURCES, TARGETS).predict(SOURCES[:1])
