"""Models that begin with language models: they compute at first what those compute, and later need them no more."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import numpy as np
import pytest
import torch
from command_line import SMALL, Command
from small_models import LABELS, TEXTS, TOKENS, series, small
from small_taggers import PAIRS, SENTENCES, TAGS, small_tagger

import ricorda
from ricorda import LanguageModel, SequenceRegressor
from ricorda.errors import ArgumentError, DataError, ModelFolderError, RicordaError
from ricorda.insight import compare, memory_of
from ricorda.tasks.pretrained import Pretrained
from ricorda.tasks.tag.context import Spelling

LANGUAGE: dict[str, Any] = {
    **{"hidden_size": 4, "epochs": 1, "batch_size": 8, "random_state": 0, "device": "cpu"},
    **{"validation_fraction": 0.0},
}
BOTH = {"bidirectional": True, "embedding_size": 5}


@pytest.fixture(autouse=True)
def _reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """No kernel is compiled."""
    monkeypatch.setenv("RICORDA_ENGINE", "reference")


@pytest.fixture(scope="module")
def languages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of tiny language models, by what is special about them."""
    folder = tmp_path_factory.mktemp("languages")
    words = {**LANGUAGE, "tokenizer": "word"}
    models: dict[str, tuple[dict[str, Any], Any]] = {
        "forward": ({**words, "embedding_size": 2}, TEXTS),
        "backward": ({**words, "embedding_size": 3, "reverse": True}, TEXTS),
        "larger": ({**words, "hidden_size": 5, "reverse": True}, TEXTS),
        "of_other_texts": ({**words, "reverse": True}, TEXTS[:3]),
        "gru": ({**words, "cell": "gru", "reverse": True}, TEXTS),
        "two_layers": ({**words, "embedding_size": 2, "num_layers": 2}, TEXTS),
        "two_layers_backward": ({**words, "embedding_size": 2, "num_layers": 2, "reverse": True}, TEXTS),
        "pairs": ({**LANGUAGE, "tokenizer": "bpe", "vocab_size": 270}, TEXTS),
        "music": (LANGUAGE, [[[60], [62, 64], []]] * 4),
        "characters": ({**LANGUAGE, "embedding_size": 3, "window": 9}, "the cat sleeps\nDogs sleep !\n" * 4),
        "characters_backward": ({**LANGUAGE, "window": 9, "reverse": True}, "the cat sleeps\nDogs sleep !\n" * 4),
    }
    for name, (parameters, text) in models.items():
        LanguageModel(**parameters).fit(text).save(folder / name)
    small().fit(TEXTS, LABELS).save(folder / "classifier")
    return folder


def outputs_of(model: Any, ids: list[int]) -> torch.Tensor:
    """What a language model puts out at each id, [T, H]."""
    y, _ = model.network_(torch.tensor(ids)[:, None], None)
    return y[:, 0].detach()


@pytest.mark.parametrize("layers", ["", "two_layers"])
def test_both_directions_begin_with_what_the_language_models_compute(languages: Path, layers: str) -> None:
    one, other = ("two_layers", "two_layers_backward") if layers else ("forward", "backward")
    sizes = {**BOTH, "embedding_size": 4, "num_layers": 2} if layers else BOTH
    model = small(**sizes, pretrained=[languages / other, languages / one])  # The order does not count.
    network = model.begin(TEXTS, LABELS, None)[0].module.eval()
    forward, backward = ricorda.load(languages / one), ricorda.load(languages / other)
    ids = forward.reader_.vocabulary.ids(TEXTS[0].split()).tolist()  # type: ignore[attr-defined]
    assert model.encoder_.encode("texts", [TEXTS[0]], str)[0].tolist() == ids
    y = network.recurrent(network.embedding(torch.tensor(ids)[:, None]))[0][:, 0]
    torch.testing.assert_close(y[:, :4], outputs_of(forward, ids))
    torch.testing.assert_close(y[:, 4:], outputs_of(backward, ids[::-1]).flip(0))


def test_a_direction_without_a_language_model_begins_as_ever(languages: Path) -> None:
    model = small(bidirectional=True, embedding_size=2, pretrained=str(languages / "forward"))
    layers = model.begin(TEXTS, LABELS, None)[0].module.recurrent
    weights = ricorda.load(languages / "forward").network_.recurrent.state_dict()
    assert torch.equal(layers.weight_ih_l0, weights["weight_ih_l0"])
    assert layers.weight_ih_l0_reverse.abs().min() > 0


def test_the_model_opens_without_the_language_models(languages: Path, tmp_path: Path) -> None:
    shutil.copytree(languages / "forward", tmp_path / "forward")
    model = small(hidden_size=4, embedding_size=2, pretrained=tmp_path / "forward").fit(TEXTS, LABELS)
    model.save(tmp_path / "model")
    shutil.rmtree(tmp_path / "forward")
    opened = ricorda.load(tmp_path / "model")
    assert opened.pretrained == [str(tmp_path / "forward")]  # type: ignore[attr-defined]
    np.testing.assert_array_equal(opened.predict_proba(TEXTS), model.predict_proba(TEXTS))  # type: ignore[attr-defined]
    opened.save(tmp_path / "again")
    assert (tmp_path / "again" / "config.json").read_bytes() == (tmp_path / "model" / "config.json").read_bytes()


def test_sizes_that_are_not_chosen_are_those_of_the_language_model(languages: Path, tmp_path: Path) -> None:
    model = ricorda.SequenceClassifier(pretrained=str(languages / "pairs"), epochs=1, random_state=0)
    model.fit(TEXTS, LABELS).save(tmp_path)
    assert model.hidden_size == 80  # A parameter stays as it was given.
    assert ricorda.load(tmp_path)._json_parameters() | {"hidden_size": 4, "vocab_size": 270} == model._json_parameters()
    assert model.set_params(pretrained=None).fit(TEXTS, LABELS).network_.recurrent.hidden_size == 80


def test_byte_pairs_are_shown_as_parts_of_words(languages: Path) -> None:
    model = ricorda.SequenceClassifier(pretrained=str(languages / "pairs"), epochs=1, random_state=0)
    seen = memory_of(model.fit(TEXTS, LABELS), TEXTS[0])
    assert "".join(seen.texts).strip() == TEXTS[0]


@pytest.mark.parametrize("pooling", ["last", "max"])
def test_the_memory_of_such_a_model_is_exact(languages: Path, pooling: str) -> None:
    model = small(**BOTH, pooling=pooling, pretrained=[str(languages / "forward"), str(languages / "backward")])
    verdict = memory_of(model.fit(TEXTS, LABELS), TEXTS[0]).verdict
    assert verdict is not None
    assert verdict.shares is not None
    total = verdict.shares.sum(0) + verdict.rest + verdict.initial + verdict.bias
    np.testing.assert_allclose(total, verdict.scores, atol=1e-5)


def test_a_training_resumes_from_anywhere_and_with_the_same_weights_alone(languages: Path, tmp_path: Path) -> None:
    for name in ("here", "there"):
        shutil.copytree(languages / "forward", tmp_path / name)
    small(embedding_size=2, pretrained=tmp_path / "here").fit(TEXTS, LABELS, folder=tmp_path / "run")
    model = small(embedding_size=2, epochs=3, pretrained=tmp_path / "there")
    assert len(model.fit(TEXTS, LABELS, folder=tmp_path / "run", resume=True).history_) == 3
    LanguageModel(**LANGUAGE, tokenizer="word", embedding_size=2, dropout=0.5).fit(TEXTS).save(tmp_path / "there")
    with pytest.raises(ModelFolderError, match=r"has pretrained 'weights \w+' but 'weights \w+' was given"):
        model.fit(TEXTS, LABELS, folder=tmp_path / "run", resume=True)


def test_a_regressor_begins_so_too(languages: Path) -> None:
    model = SequenceRegressor(pretrained=str(languages / "forward"), epochs=1, random_state=0)
    assert model.fit(TEXTS, np.arange(30.0)).network_.recurrent.hidden_size == 4


REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "another task": (lambda at: small(pretrained=at / "classifier"), "is a model for the task 'classify': give a"),
    "music": (lambda at: small(pretrained=at / "music"), "is a model of music: give a language model of texts"),
    "the wrong direction": (lambda at: small(pretrained=at / "backward"), "reads from the end, and the new model does"),
    "twice in order": (
        lambda at: small(**BOTH, pretrained=[at / "forward", at / "two_layers"]),
        "both read in order: give one of each, the other trained with --reverse",
    ),
    "other sizes": (lambda at: small(**BOTH, pretrained=[at / "forward", at / "larger"]), "have different sizes"),
    "other tokens": (lambda at: small(**BOTH, pretrained=[at / "forward", at / "of_other_texts"]), "different tokens"),
    "other cells": (lambda at: small(**BOTH, pretrained=[at / "forward", at / "gru"]), "have different cells"),
    "another cell chosen": (lambda at: small(embedding_size=2, cell="gru", pretrained=at / "forward"), "cell is gru"),
    "another size chosen": (
        lambda at: small(hidden_size=7, embedding_size=2, pretrained=at / "forward"),
        "hidden_size is 7, and that of the pretrained model is 4: leave it out",
    ),
    "no folder": (lambda at: small(pretrained=at / "nothing"), "nothing is no folder: give the folder that"),
    "three": (lambda at: small(pretrained=[str(at)] * 3), "pretrained is .*: give the folder of a language model"),
    "no name": (lambda at: small(pretrained=5), "pretrained is 5: give the folder of a language model"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_begin_a_model_is_refused(languages: Path, case: tuple[Callable[[Path], Any], str]) -> None:
    make, message = case
    with pytest.raises(RicordaError, match=message):
        make(languages).fit(TEXTS, LABELS)


def test_examples_of_another_kind_are_refused(languages: Path) -> None:
    X, y = series()
    for examples, targets in ((TOKENS, LABELS), (X, y)):
        with pytest.raises(DataError, match="and the model was trained on texts: give it those"):
            small(embedding_size=2, pretrained=languages / "forward").fit(examples, targets)


def test_cells_are_not_compared_with_one_that_is_given(languages: Path) -> None:
    with pytest.raises(ArgumentError, match="pretrained is a model of one cell, and several are compared"):
        compare(small(pretrained=str(languages / "forward")), TEXTS, LABELS, cells=["gru", "lstm"], seeds=1)


def test_a_model_that_reads_from_the_end_scores_as_one_of_reversed_tokens() -> None:
    backward = LanguageModel(**LANGUAGE, reverse=True).fit(TOKENS)
    forward = LanguageModel(**LANGUAGE).fit([tokens[::-1] for tokens in TOKENS])
    assert backward.evaluate(TOKENS[:3]) == forward.evaluate([tokens[::-1] for tokens in TOKENS[:3]])
    assert backward.score_tokens(TOKENS[0]) == forward.score_tokens(TOKENS[0][::-1])
    with pytest.raises(ArgumentError, match="reads from the end, so that it cannot write on"):
        backward.generate()
    assert "generate" not in str(backward._card())


# Taggers


def test_a_word_has_what_the_models_put_out_at_its_ends(languages: Path) -> None:
    names = ("characters", "characters_backward")
    model = small_tagger(pretrained=[languages / name for name in names])
    network = model.begin(SENTENCES, TAGS, None)[0].module.eval()
    text = "a dog saw"
    words = network.context([model.reading_.spelling.spell(["Dogs"]), model.reading_.spelling.spell(text.split())])
    forward, backward = (ricorda.load(languages / name) for name in names)
    find = forward.reader_.vocabulary.ids  # type: ignore[attr-defined]
    in_order, from_end = (
        outputs_of(reader, find(["\n", *letters]).tolist()).half()
        for reader, letters in ((forward, text), (backward, text[::-1]))
    )
    expected = torch.cat([in_order[[1, 5, 9]], from_end[[9, 7, 3]]], dim=1)  # a, g, w; and a, d, s from the end.
    torch.testing.assert_close(words[:, 1], expected)
    assert not words[1:, 0].any()


def test_a_tagger_learns_with_them_and_opens_without_them(languages: Path, tmp_path: Path) -> None:
    shutil.copytree(languages / "characters", tmp_path / "characters")
    model = small_tagger(epochs=3, pretrained=tmp_path / "characters").fit(SENTENCES, TAGS)
    before = ricorda.load(tmp_path / "characters").network_.recurrent.state_dict()
    after = model.network_.context.readers[0].state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)
    model.save(tmp_path / "model")
    shutil.rmtree(tmp_path / "characters")
    opened: Any = ricorda.load(tmp_path / "model")
    assert (tmp_path / "model" / "context_tokenizer.json").exists()
    for one, other in zip(opened.predict_proba(SENTENCES), model.predict_proba(SENTENCES), strict=True):
        np.testing.assert_array_equal(one, other)
    assert memory_of(opened, SENTENCES[2]).remains


def test_a_tagger_refuses_other_tokens_and_numbers(languages: Path) -> None:
    with pytest.raises(ArgumentError, match="tokens of the kind 'bpe', and a tagger reads words character by charac"):
        small_tagger(pretrained=languages / "pairs").fit(SENTENCES, TAGS)
    X = [np.zeros((2, 3))] * 8
    with pytest.raises(ArgumentError, match="pretrained is for words, and X has numbers: leave it out"):
        small_tagger(pretrained=languages / "characters").fit(X, [[1, 2]] * 8)


@pytest.mark.parametrize("sizes", [{"layers": 10**9}, {"hidden": 0}, {"embedding": "3"}])
def test_sizes_that_no_model_has_are_refused_before_it_is_made(languages: Path, sizes: dict[str, Any]) -> None:
    spelling = Spelling.of(Pretrained.read(str(languages / "characters")))
    description = spelling.description()
    assert Spelling.restored(description, spelling.tokenizer) == replace(spelling, reader=ANY)
    description["models"][0] |= sizes
    with pytest.raises(ModelFolderError, match="its models of characters have no sizes"):
        Spelling.restored(description, spelling.tokenizer)


# The command


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Language models of one epoch, and small ones for taggers."""
    monkeypatch.setattr("ricorda.tasks.unlabelled.MOST_EPOCHS", 1)
    monkeypatch.setattr("ricorda.tasks.unlabelled.OF_CHARACTERS", {"hidden_size": 4, "embedding_size": 3})


def test_one_command_learns_the_language_first(folder: Path, ricorda_command: Command, quick: None) -> None:
    Path("more.txt").write_text("a lovely cast\nfunny, wise and warm\n" * 8, encoding="utf-8")
    options = [option for option in SMALL if option != "--one-direction"]
    command = ["train", "classify", "data.csv", "--unlabelled", "more.txt", "--out", "model", *options]
    done = ricorda_command(*command)
    assert done.code == 0, done
    assert "reads in order" in done.err
    assert "reads from the end" in done.err
    forward, backward = (ricorda.load(Path("model", "language", name)) for name in ("forward", "backward"))
    assert forward.reader_.vocabulary.find("wise") is not None  # type: ignore[attr-defined]
    assert (forward.reverse, backward.reverse) == (False, True)  # type: ignore[attr-defined]
    again = ["train", "classify", "data.csv", "--out", "other", *options]
    done = ricorda_command(*again, "--pretrained", "model/language/forward", "--pretrained", "model/language/backward")
    assert done.code == 0, done
    one, other = (ricorda.load(name).network_.state_dict() for name in ("model", "other"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert "holds a model already" in ricorda_command(*command).sentence
    assert ricorda_command(*command, "--resume", "--epochs", "3").code == 0
    said = ricorda_command(*command, "--resume", "--pretrained", "model")
    assert said.sentence == "pretrained and unlabelled are both given: choose one of them"


def test_the_tagger_s_command_does_so_too(folder: Path, ricorda_command: Command, quick: None) -> None:
    Path("tagged.txt").write_text(PAIRS, encoding="utf-8")
    Path("more.txt").write_text("dogs saw the cats\n" * 8, encoding="utf-8")
    sizes = ["--hidden-size", "4", "--layers", "1", "--epochs", "1"]
    done = ricorda_command("train", "tag", "tagged.txt", "--unlabelled", "more.txt", "--out", "model", *sizes)
    assert done.code == 0, done
    assert ricorda.load("model").network_.context.width == 8


def test_mistakes_are_told_before_a_language_is_learned(folder: Path, ricorda_command: Command) -> None:
    Path("one.csv").write_text("text,label\n" + "a film,good\n" * 8, encoding="utf-8")
    Path("more.txt").write_text("a lovely cast\n", encoding="utf-8")
    said = ricorda_command("train", "classify", "one.csv", "--unlabelled", "more.txt", "--out", "model", *SMALL)
    assert "one.csv holds one class only" in said.sentence
    said = ricorda_command("train", "classify", "data.csv", "--pretrained", "nothing", "--out", "model", *SMALL)
    assert said.sentence.startswith("nothing is no folder")
    assert not Path("model").exists()
