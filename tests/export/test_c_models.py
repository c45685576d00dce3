"""Whole models as C: what a header gives is what the model gives, and what C cannot have is refused."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from c_programs import build, need, run
from small_models import LABELS, TEXTS
from task_cases import SENTENCES, TAGS, TINY, WALKS

import ricorda
from ricorda import Forecaster, LanguageModel, SequenceClassifier, SequenceRegressor, SequenceTagger, Translator
from ricorda.errors import ArgumentError
from ricorda.nn import Recurrent

ONE_WAY = {**TINY, "bidirectional": False}
SUMS = [float(walk.sum()) for walk in WALKS]
MUSIC = [[[60, 64], [62], [], [64, 67, 71]] * 5] * 4
PAIRS = [np.column_stack([walk[:, 0], np.arange(1.0, len(walk) + 1), walk[:, 1]]) for walk in WALKS]
WAVES = np.column_stack([np.sin(np.arange(160) / 4) * 5 + 40, np.cos(np.arange(160) / 5)])
HOLES = [np.where(np.arange(len(pair))[:, None] % 3 == [0, 4, 2], np.nan, pair) for pair in PAIRS]


def classifier(**more: Any) -> SequenceClassifier:
    words = {"tokenizer": "word", "min_frequency": 1, "embedding_size": 5, "validation_fraction": 0.2}
    return SequenceClassifier(**{**ONE_WAY, **words, **more}).fit(TEXTS, LABELS)


def tagger(**more: Any) -> SequenceTagger:
    return SequenceTagger(**{**ONE_WAY, "character_hidden_size": 0, **more})


def forecaster(**more: Any) -> Forecaster:
    return Forecaster(**{**TINY, "horizon": 3, "context": 16, **more})


MODELS = {
    "texts": lambda: classifier(),
    "texts_cut": lambda: classifier(max_length=7, num_layers=2, cell="gru"),
    "texts_last": lambda: classifier(pooling="last", wide=False),
    "texts_mean": lambda: classifier(pooling="mean"),
    "texts_attention": lambda: classifier(pooling="attention"),
    "walks": lambda: SequenceClassifier(**ONE_WAY).fit(WALKS, [total > 0 for total in SUMS]),
    "sums": lambda: SequenceRegressor(**ONE_WAY).fit(WALKS, SUMS),
    "two_sums": lambda: SequenceRegressor(**ONE_WAY, pooling="mean").fit(WALKS, np.array([SUMS, SUMS]).T * [1, -9]),
    "times": lambda: SequenceRegressor(**ONE_WAY, cell="gru_d", gap=1).fit(HOLES, SUMS),
    "text_sums": lambda: SequenceRegressor(**ONE_WAY, tokenizer="word").fit(TEXTS, [len(text) for text in TEXTS]),
    "tags": lambda: tagger().fit(SENTENCES, TAGS),
    "tag_times": lambda: tagger(cell="gru_d", gap=1, num_layers=1).fit(
        HOLES, [(walk[:, :1] > 0).ravel().tolist() for walk in WALKS]
    ),
    "tag_numbers": lambda: tagger(cell="mgu").fit(WALKS, [walk * 3 + 1 for walk in WALKS]),
    "language": lambda: LanguageModel(**TINY, tokenizer="char").fit("the cat sat on the mat.\n" * 20),
    "tied": lambda: LanguageModel(**TINY, tie_embeddings=True, embedding_size=4, tokenizer="char").fit("abcd " * 60),
    "waves": lambda: forecaster().fit(WAVES[:, 0]),
    "two_waves": lambda: forecaster(patch=4, affine=True, independent=False).fit(WAVES),
    "waves_apart": lambda: forecaster(independent=True, head="quantile", patch=2).fit(WAVES),
    "waves_normal": lambda: forecaster(head="gaussian", independent=False, num_layers=2).fit(WAVES),
    "waves_bare": lambda: forecaster(normalize="series", autoregression=False, cell="gru").fit(WAVES),
    "music": lambda: LanguageModel(**TINY).fit(MUSIC),
}


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    torch.manual_seed(0)
    return {name: make() for name, make in MODELS.items()}


@pytest.fixture(scope="module")
def exported(models, tmp_path_factory) -> Path:
    """A folder with a header and a test program of each model, in float and in int8."""
    folder = tmp_path_factory.mktemp("models")
    for name, model in models.items():
        ricorda.export.c(model, folder / f"{name}.h", name=name, test=folder / f"{name}_test.c")
        small = folder / f"{name}_small.h"
        ricorda.export.c(model, small, name=f"{name}_small", int8=True, test=folder / f"{name}_small_test.c")
    return folder


@pytest.mark.parametrize("name", MODELS)
def test_a_header_gives_what_the_model_gives(exported, name: str) -> None:
    checked = ["-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    for kind, options in ((name, checked), (f"{name}_small", ["-O0"])):
        said = run([build("gcc", exported / f"{kind}_test.c", *options)])
        assert re.fullmatch(r"largest error \S+ of \S+\n", said)


def test_valgrind_finds_nothing(exported) -> None:
    need("valgrind")
    for name in ("texts", "times"):
        built = build("gcc", exported / f"{name}_test.c", "-O1", "-g", name=f"{name}_plain")
        assert "largest error" in run(["valgrind", "-q", "--error-exitcode=3", built])


def test_the_command_writes_both_files(models, tmp_path, ricorda_command) -> None:
    models["walks"].save(tmp_path / "model")
    options = ["--out", tmp_path / "out" / "walks.h", "--name", "walks", "--test", tmp_path / "check.c"]
    done = ricorda_command("export", "c", tmp_path / "model", *options)
    assert (done.code, done.err) == (0, "")
    assert '#include "out/walks.h"' in (tmp_path / "check.c").read_text(encoding="utf-8")
    assert "largest error" in run([build("gcc", tmp_path / "check.c", "-O0")])


def test_8_bits_take_a_quarter(tmp_path) -> None:
    layer = Recurrent("lstm", 64, 64)
    sizes = []
    for int8 in (False, True):
        ricorda.export.c(layer, tmp_path / "model.h", int8=int8)
        text = (tmp_path / "model.h").read_text(encoding="utf-8")
        sizes.append(int(re.search(r"Constants: ([\d,]+) bytes", text)[1].replace(",", "")))
    assert sizes[1] < 0.28 * sizes[0]  # The scales and biases of the rows stay float.


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Recurrent("lstm", 2, 3, bidirectional=True), "reads in both directions"),
        (lambda: classifier(bidirectional=True), "train it with --one-direction, or export it as ONNX"),
        (lambda: tagger(character_hidden_size=2).fit(SENTENCES, TAGS), "train it with --character-hidden-size 0"),
        (lambda: tagger(crf=True).fit(SENTENCES, TAGS), "train it with --no-crf, or export it as ONNX"),
        (lambda: Translator(**TINY).fit(["a b", "b a"] * 8, ["b a", "a b"] * 8), "the task translate"),
        (lambda: forecaster().fit(WAVES, covariates=np.arange(160.0)), "a forecaster with covariates"),
        (lambda: SequenceClassifier(), "give a ricorda.nn.Recurrent, or a trained model"),
        (lambda: torch.nn.LSTM(2, 3), "a LSTM cannot be exported"),
    ],
)
def test_what_c_cannot_have_is_refused_with_the_way_out(make, says: str, tmp_path) -> None:
    with pytest.raises(ArgumentError, match=re.escape(says)):
        ricorda.export.c(make(), tmp_path / "model.h")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["2lstm", "my-model", "float", "", "città"])
def test_a_name_that_is_none_of_c_is_refused(name: str, tmp_path) -> None:
    with pytest.raises(ArgumentError, match="give a name of C"):
        ricorda.export.c(Recurrent("rnn", 1, 1), tmp_path / "model.h", name=name)


def test_a_path_that_cannot_be_written_is_one_sentence(models, tmp_path, ricorda_command) -> None:
    models["walks"].save(tmp_path / "model")
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = ricorda_command("export", "c", tmp_path / "model", "--out", tmp_path / "file" / "model.h")
    assert "is a file where a folder is needed" in done.sentence
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "model"]


def test_words_of_c_and_letters_that_c_has_not_are_no_trouble(tmp_path) -> None:
    def odd(x, double, ħ, s, v1):
        return (
            ricorda.tanh(ricorda.affine("float", x, double)),
            ħ * 0.5 + double,
            s * 0.5 + ricorda.parameter("int") * ħ,
            s - v1 * 0.5,
        )

    torch.manual_seed(0)
    layer = Recurrent(odd, 2, 3)
    ricorda.export.c(layer, tmp_path / "odd.h", test=tmp_path / "odd.c")
    run([build("gcc", tmp_path / "odd.c", "-O1")])
