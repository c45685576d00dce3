"""`ricorda train translate`, and predict and evaluate with its model."""

import json
from pathlib import Path

import pytest
from command_line import Command

from ricorda.tasks.translate.estimator import Translator

NUMBERS = {"one": "uno", "two": "due", "three": "tre", "four": "quattro"}
SOURCES = [f"{first} and {second}" for first in NUMBERS for second in NUMBERS]
TARGETS = [f"{NUMBERS[source.split()[2]]} e {NUMBERS[source.split()[0]]}." for source in SOURCES]
LEARNING = {
    "hidden_size": 64,
    "embedding_size": 64,
    "vocab_size": 300,
    "dropout": 0.0,
    "learning_rate": 0.01,
    "label_smoothing": 0.0,
}
TRAINING = {"epochs": 40, "batch_size": 4, "validation_fraction": 0.0, "device": "cpu"}
SMALL = ["--hidden-size", 6, "--embedding-size", 6, "--vocab-size", 300, "--epochs", 2, "--batch-size", 8]
ROWS = "".join(f"{source}\t{target}\n" for source, target in zip(SOURCES, TARGETS, strict=True))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("translator") / "model"
    Translator(**LEARNING, **TRAINING, random_state=0).fit(SOURCES, TARGETS).save(folder)
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs.tsv").write_text(ROWS, encoding="utf-8")
    (tmp_path / "named.tsv").write_text("en\tit\n" + ROWS, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "data", [["pairs.tsv"], ["named.tsv", "--source", "en", "--target", "it"], ["pairs.tsv", "pairs.tsv"]]
)
def test_it_trains_predicts_and_evaluates(ricorda_command: Command, here: Path, data: list[str]) -> None:
    trained = ricorda_command("train", "translate", *data, "--out", "model", *SMALL, "--attention", "none")
    assert (trained.code, "The model is in model" in trained.out) == (0, True), trained
    assert ricorda_command("predict", "model", "one and two").code == 0
    evaluated = ricorda_command("evaluate", "model", *data[-5:])
    if len(data) != 2:
        assert "BLEU" in evaluated.out
        assert "16 sentences, 16 references" in evaluated.out


def test_translations_are_the_same_from_every_source(ricorda_command: Command, here: Path, model: Path) -> None:
    (here / "sentences.txt").write_text("".join(f"{source}\n" for source in SOURCES), encoding="utf-8")
    expected = "".join(f"{target}\n" for target in TARGETS)
    assert ricorda_command("predict", model, *SOURCES).out == expected
    assert ricorda_command("predict", model, "--file", "sentences.txt").out == expected
    assert ricorda_command("predict", model, "--file", "pairs.tsv").out == expected
    assert ricorda_command("predict", model, "--file", "named.tsv", "--source", "en").out == expected
    assert ricorda_command("predict", model, stdin=(here / "sentences.txt").read_bytes()).out == expected


def test_the_best_translations_and_the_attention_of_the_first(
    ricorda_command: Command, here: Path, model: Path
) -> None:
    done = ricorda_command("predict", model, "one and two", "--n-best", 3, "--attention", "picture.png")
    assert done.code == 0
    assert "due e uno." in done.out
    assert len(done.out.splitlines()) > 5
    assert (here / "picture.png").read_bytes().startswith(b"\x89PNG")
    (line,) = ricorda_command(
        "predict", model, "one and two", "--beam-size", 2, "--n-best", 2, "--json"
    ).out.splitlines()
    found = json.loads(line)
    assert found["source"] == "one and two"
    assert [set(each) for each in found["translations"]] == [{"text", "score", "log_probability"}] * 2


def test_an_evaluation_as_json_has_signature_and_lengths(ricorda_command: Command, here: Path, model: Path) -> None:
    report = json.loads(ricorda_command("evaluate", model, "pairs.tsv", "--beam-size", 1, "--json").out)
    assert report["bleu"] == pytest.approx(100)
    assert report["signature"].startswith("nrefs:1|case:mixed")
    assert report["by_length"] == [{"first": 1, "last": 3, "sentences": 16, "bleu": pytest.approx(100)}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["broken.tsv"], "row 2 of broken.tsv has 1 column, with a tab between, where 2 are needed: correct the row"),
        (["empty.tsv"], "row 1 of empty.tsv, column 2, has an empty text: fill it in or leave it out"),
        (["named.tsv", "--source", "en", "--target", "de"], "named.tsv has no column 'de': choose one of 'en', 'it'"),
        (["pairs.tsv", "--source", "en"], "pairs.tsv has no column 'en': choose one of 'one and one', 'uno e uno.'"),
        (["long.tsv"], "row 1 of long.tsv has 10,000 subwords in its source, more than 250"),
        (["pairs.tsv", "--attention", "self"], "--attention is 'self': give one of multiplicative, additive or None"),
        (["pairs.tsv", "--beam-size", "0"], "--beam-size is 0: give a whole number of at least 1"),
        (["absent.tsv"], "absent.tsv does not exist"),
    ],
)
def test_mistakes_are_one_sentence_and_nothing_is_written(
    ricorda_command: Command, here: Path, arguments: list[str], message: str
) -> None:
    (here / "broken.tsv").write_text("a\tb\nc\n", encoding="utf-8")
    (here / "empty.tsv").write_text("a\t\n", encoding="utf-8")
    (here / "long.tsv").write_text("ab " * 10_000 + "\tb\n" + ROWS, encoding="utf-8")
    sentence = ricorda_command("train", "translate", *arguments, "--out", "model", *SMALL).sentence
    assert sentence.startswith(message)
    assert not (here / "model").exists()


def test_mistakes_of_predict_and_evaluate(ricorda_command: Command, here: Path, model: Path) -> None:
    (here / "broken.tsv").write_text("a\tb\nc\td\te\n", encoding="utf-8")
    assert "row 2 of broken.tsv has 3 columns" in ricorda_command("evaluate", model, "broken.tsv").sentence
    assert ricorda_command("predict", model, "").sentence.startswith("text 1 of the command line has an empty text")
    long = ricorda_command("predict", model, stdin=b"one\n" + b"ab " * 10_000 + b"\n").sentence
    assert long.startswith("line 2 of the standard input has ")
    assert long.endswith("split it into sentences")
    n_best = ricorda_command("predict", model, "one", "--n-best", 9).sentence
    assert n_best == "--n-best is 9: give a whole number from 1 to --beam-size (5)"
