"""Models that begin with the vectors of a file: what they know, what they learn, and that they open without it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_models import LABELS, TEXTS, TOKENS, series, small
from small_taggers import SENTENCES, TAGS, small_tagger

import ricorda
from ricorda import SequenceRegressor, Translator
from ricorda.errors import ArgumentError, DataError, ModelFolderError
from ricorda.insight import gradient_flow, memory_of
from ricorda.tasks.embedding import EMBEDDING_SCALE
from ricorda.tasks.unlabelled import pretrain

SIZE = 5
SOURCES = [f"{first} and {second}" for first in ("one", "two", "three", "four") for second in ("one", "two", "three")]
TARGETS = [" ".join(reversed(source.split(" and "))) for source in SOURCES]


def write(path: Path, words: list[str], *, seed: int = 0, size: int = SIZE) -> dict[str, Any]:
    """A file of random vectors, and these."""
    numbers = np.random.default_rng(seed).normal(size=(len(words), size)).round(4)
    rows = zip(words, numbers, strict=True)
    path.write_text("".join(f"{word} {' '.join(map(str, row))}\n" for word, row in rows), encoding="utf-8")
    return dict(zip(words, numbers.astype(np.float32), strict=True))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Vectors of some words of all examples here, and of "superb" and "Rome", which are in none."""
    write(tmp_path / "vectors.txt", ["film", "superb", "Lovely", "dull", "the", "cat", "dogs", "Rome", "one", "two"])
    return tmp_path / "vectors.txt"


def classifier(**parameters: Any) -> Any:
    return small(**{"embedding_size": "auto", "tokenizer": "auto", **parameters}).fit(TEXTS, LABELS)


def regressor(**parameters: Any) -> Any:
    sizes: dict[str, Any] = {"hidden_size": 4, "epochs": 2, "batch_size": 8, "random_state": 0, "device": "cpu"}
    return SequenceRegressor(**{**sizes, **parameters}).fit(TEXTS, [float(len(text)) for text in TEXTS])


def tagger(**parameters: Any) -> Any:
    return small_tagger(**{"embedding_size": "auto", **parameters}).fit(SENTENCES, TAGS)


def translator(**parameters: Any) -> Any:
    sizes: dict[str, Any] = {"hidden_size": 6, "vocab_size": 320, "epochs": 2, "random_state": 0, "device": "cpu"}
    return Translator(**{**sizes, **parameters}).fit(SOURCES, TARGETS)


MODELS: dict[str, tuple[Callable[..., Any], Any]] = {
    "classify": (classifier, ["a lovely Rome", "dull"]),
    "regress": (regressor, ["a lovely Rome", "dull"]),
    "tag": (tagger, [["the", "Rome", "cat"]]),
    "translate": (translator, ["two and one"]),
}


def vector_of(model: Any, word: str) -> Any:
    """The vector of a token of a trained model; None if it is unknown."""
    tokenizer = next(iter(model._tokenizers().values()))
    id = tokenizer.token_to_id(word)
    name = "source_embedding" if model.TASK == "translate" else "embedding"
    return None if id is None else getattr(model.network_, name).weight[id].detach().numpy()


def spread(path: Path) -> float:
    """The standard deviation of the numbers of a file."""
    return float(
        np.concatenate([line.split()[1:] for line in path.read_text(encoding="utf-8").splitlines()]).astype(float).std()
    )


@pytest.mark.parametrize("task", MODELS)
def test_frozen_vectors_are_those_of_the_file_and_open_without_it(task: str, file: Path, tmp_path: Path) -> None:
    make, X = MODELS[task]
    model = make(vectors=file, freeze_vectors=True)
    word, spelled = {"tag": ("dogs", "dogs"), "translate": ("two", "▁two")}.get(task, ("lovely", "lovely"))
    line = next(line for line in file.read_text(encoding="utf-8").splitlines() if line.lower().startswith(f"{word} "))
    ours = vector_of(model, spelled)
    assert len(ours) == SIZE
    if task != "translate":  # Of pieces not all of the file is kept, so the spread is another.
        expected = np.array(line.split()[1:], dtype=float) * EMBEDDING_SCALE / spread(file)
        np.testing.assert_allclose(ours, expected, rtol=1e-5)
    np.testing.assert_allclose(np.corrcoef(ours, np.array(line.split()[1:], dtype=float))[0, 1], 1.0, rtol=1e-5)
    model.save(tmp_path / "model")
    file.unlink()
    again = ricorda.load(tmp_path / "model")
    assert again._json_parameters() == model._json_parameters()
    assert again._json_parameters()["embedding_size"] == SIZE
    assert list(model.predict(X)) == list(again.predict(X))


@pytest.mark.parametrize("task", MODELS)
def test_vectors_are_learned_further_unless_they_are_frozen(task: str, file: Path) -> None:
    make, _ = MODELS[task]
    spelled = {"tag": "the", "translate": "▁two"}.get(task, "film")
    learned, frozen = (vector_of(make(vectors=file, freeze_vectors=frozen), spelled) for frozen in (False, True))
    assert not np.array_equal(learned, frozen)
    np.testing.assert_allclose(learned, frozen, atol=0.2)


def test_words_are_known_that_are_rare_in_training_or_in_the_file_alone(file: Path) -> None:
    examples = [*TEXTS, "once superb"], [*LABELS, "good"]
    model = small(embedding_size="auto", tokenizer="auto", min_frequency=4, vectors=file)
    model.fit(*examples, validation=examples)
    vocabulary = model.encoder_.tokenizer.get_vocab()
    assert {"film", "superb", "lovely", "dull", "the", "rome", "one"} <= set(vocabulary)
    assert "a" in vocabulary  # It is frequent.
    assert not {"once", "wise"} & set(vocabulary)  # They are neither frequent nor in the file.
    assert model.summary_["vectors"] == {
        "file": "vectors.txt",
        "called": "words",
        "tokens": 24,
        "with_a_vector": 4,
        "share_of_running": pytest.approx(22 / 134),
        "taken_along": 6,
    }
    assert "alternatives" in model.summary_


def test_the_vocabulary_has_no_more_than_its_most(file: Path) -> None:
    model = classifier(vectors=file, vocab_size=6)
    assert model.encoder_.vocabulary == 6
    with pytest.raises(ArgumentError, match="vocab_size 2 is too small"):
        classifier(vectors=file, vocab_size=2)


def test_a_word_without_vector_begins_as_those_that_are_spelled_alike(tmp_path: Path) -> None:
    vectors = write(tmp_path / "v.txt", ["filmed", "filmic", "dull"])
    model = classifier(vectors=tmp_path / "v.txt", freeze_vectors=True)
    scale = EMBEDDING_SCALE / np.stack(list(vectors.values())).std()
    mean = (vectors["filmed"] + vectors["filmic"]) / 2
    np.testing.assert_allclose(vector_of(model, "film"), mean * scale, rtol=1e-5)
    mean = np.mean(list(vectors.values()), axis=0)
    np.testing.assert_allclose(vector_of(model, "<unk>"), mean * scale, rtol=1e-5)
    assert vector_of(model, "<pad>").tolist() == [0.0] * SIZE
    fresh = vector_of(model, "warm")
    assert 0.02 < fresh.std() < 1.0


def test_token_lists_pieces_and_characters_have_vectors_too(file: Path, tmp_path: Path) -> None:
    lists = small(embedding_size="auto", vectors=file).fit([[*tokens, "Rome"] for tokens in TOKENS], LABELS)
    assert vector_of(lists, "Rome") is not None
    pieces = classifier(vectors=file, tokenizer="bpe", vocab_size=400)
    assert pieces.summary_["vectors"]["called"] == "tokens"
    assert "taken_along" not in pieces.summary_["vectors"]
    assert vector_of(pieces, "▁film") is not None
    write(tmp_path / "characters.txt", ["a", "b", "x"])
    characters = classifier(vectors=tmp_path / "characters.txt", tokenizer="char")
    assert vector_of(characters, "x") is None
    assert vector_of(characters, "a") is not None


def test_without_vectors_nothing_is_said_of_them() -> None:
    model = classifier()
    assert "vectors" not in model.summary_
    assert {"vectors", "freeze_vectors"}.isdisjoint(model._json_parameters())
    said = model._json_parameters()
    assert (said["embedding_size"], said["tokenizer"], said["vocab_size"]) == (100, "bpe", 4_000)


def test_a_refit_without_vectors_forgets_their_size(file: Path) -> None:
    model = classifier(vectors=file)
    model.set_params(vectors=None).fit(TEXTS, LABELS)
    assert model.network_.embedding.embedding_dim == 100


@pytest.mark.parametrize("task", MODELS)
def test_another_size_is_refused(task: str, file: Path) -> None:
    make, _ = MODELS[task]
    assert make(vectors=file, embedding_size=SIZE)._json_parameters()["embedding_size"] == SIZE
    with pytest.raises(ArgumentError, match=f"embedding_size is 7, and .*vectors.txt has vectors of {SIZE} numbers"):
        make(vectors=file, embedding_size=7)


def test_vectors_of_no_use_are_refused(file: Path) -> None:
    walks, rises = series()
    with pytest.raises(ArgumentError, match=r"vectors is '.*', and the examples are numbers"):
        small(embedding_size="auto", vectors=file).fit(walks, rises)
    with pytest.raises(ArgumentError, match=r"vectors is '.*', and the examples are numbers"):
        small_tagger(embedding_size="auto", vectors=file).fit(walks, [np.arange(len(walk)) % 2 for walk in walks])
    with pytest.raises(ArgumentError, match="pretrained has an embedding of its own, and so has vectors"):
        classifier(vectors=file, pretrained="language")
    with pytest.raises(ArgumentError, match="unlabelled trains an embedding, and vectors is another"):
        pretrain(small(vectors=file), TEXTS, TEXTS, file.parent / "model", resume=False, overwrite=False)
    with pytest.raises(ArgumentError, match="shared_vocabulary is on"):
        translator(vectors=file, shared_vocabulary=True)
    with pytest.raises(DataError, match="a vector for none of the"):
        small(embedding_size="auto", vectors=file).fit(["uno", "due"] * 15, LABELS)
    for wrong in ("", 3):
        with pytest.raises(ArgumentError, match=f"vectors is {wrong!r}"):
            classifier(vectors=wrong)
    with pytest.raises(ArgumentError, match="freeze_vectors is on, and there are no vectors"):
        classifier(freeze_vectors=True)
    with pytest.raises(ArgumentError, match="freeze_vectors is 1"):
        classifier(vectors=file, freeze_vectors=1)


def test_a_training_resumes_with_the_same_vectors_wherever_they_are(file: Path, tmp_path: Path) -> None:
    how: dict[str, Any] = {"embedding_size": "auto", "tokenizer": "auto", "freeze_vectors": True}
    whole = small(**how, vectors=file, epochs=4).fit(TEXTS, LABELS)
    small(**how, vectors=file, epochs=2).fit(TEXTS, LABELS, folder=tmp_path / "run")
    moved = file.rename(tmp_path / "moved.txt")
    resumed = small(**how, vectors=str(moved), epochs=4)
    resumed.fit(TEXTS, LABELS, folder=tmp_path / "run", resume=True)
    assert resumed.predict_proba(TEXTS).shape == whole.predict_proba(TEXTS).shape
    assert torch.equal(resumed.network_.embedding.weight, whole.network_.embedding.weight)
    with pytest.raises(ModelFolderError, match="freeze_vectors True but None was given"):
        small(**{**how, "freeze_vectors": False}, vectors=moved, epochs=5).fit(
            TEXTS, LABELS, folder=tmp_path / "run", resume=True
        )
    write(moved, ["film", "superb", "Lovely", "dull", "the", "cat", "dogs", "Rome", "one", "two"], seed=1)
    with pytest.raises(ModelFolderError, match=r"has vectors 'numbers .*' was given"):
        small(**how, vectors=moved, epochs=5).fit(TEXTS, LABELS, folder=tmp_path / "run", resume=True)


def test_models_with_frozen_vectors_can_be_inspected(file: Path) -> None:
    model = classifier(vectors=file, freeze_vectors=True)
    assert memory_of(model, "a lovely film").columns()
    json.dumps(gradient_flow(model, TEXTS[:2], jacobians=False, steps=3).to_json())
    watched = small(embedding_size="auto", vectors=file, freeze_vectors=True)
    assert watched.fit(TEXTS, LABELS, watch_gradients=1).gradient_flow_ is not None
