"""Each mistake gets one sentence with its place and the way out, exit code 2, and leaves the model that was there."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import SMALL, TABLE, Command, files
from failing_disk import Disk, forbidden, full
from small_models import LABELS, TEXTS, series, small

import ricorda

WALKS, RISES = series()
TRAIN = ["train", "classify", "data.csv", "--out", "model", "--overwrite", *SMALL]
EVALUATE = ["evaluate", "model", "data.csv"]
PREDICT = ["predict", "model", "--file", "data.csv"]


@pytest.fixture(scope="session")
def saved_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("saved") / "model"
    small().fit(TEXTS, LABELS).save(folder)
    return files(folder)


@pytest.fixture
def model(folder: Path, saved_files: dict[str, bytes]) -> Iterator[Path]:
    """The folder of a model of texts, of which every byte must be the same in the end."""
    (folder / "model").mkdir()
    for name, content in saved_files.items():
        (folder / "model" / name).write_bytes(content)
    yield folder / "model"
    assert files(folder / "model") == saved_files


def numbers(**change: Any) -> str:
    """JSON lines of walks, with one of them changed."""
    rows: list[dict[str, Any]] = [
        {"text": walk.tolist(), "label": str(rise)} for walk, rise in zip(WALKS, RISES, strict=True)
    ]
    rows[6].update(change)
    return "".join(json.dumps(row) + "\n" for row in rows)


def table(row: str | bytes) -> bytes:
    """The table with another third row."""
    lines = TABLE.encode().splitlines()
    lines[2] = row.encode() if isinstance(row, str) else row
    return b"\n".join(lines) + b"\n"


LONG = "word " * 200_000
"""A text of 1 MB."""


@pytest.mark.parametrize("arguments", [TRAIN, EVALUATE, PREDICT], ids=lambda arguments: arguments[0])
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "data.csv is empty: give a file with a header and rows"),
        ("text,label\n", "data.csv has a header but no rows: add rows"),
        ("words,label\na,b\n", "data.csv has no column 'text': choose one of 'words', 'label' with --text"),
        (table(",bad"), "row 3 of data.csv, column 'text', has an empty text: fill it in or leave it out"),
        (table('"  ",bad'), "row 3 of data.csv, column 'text', has a blank text: fill it in or leave it out"),
        (table("a,bad,film"), "row 3 of data.csv has 3 fields where the header has 2 fields: correct the row"),
        (table('"a,bad'), "row 3 of data.csv is broken"),
        (table(b"caff\xe8,bad"), "row 3 of data.csv is not UTF-8 text (byte 0xe8 behind 'caff'): convert the file"),
        (TABLE.encode("utf-16"), "row 1 of data.csv is UTF-16, not UTF-8: convert the file"),
        (table(f"{LONG},bad"), "row 3 of data.csv has 200,000 steps, more than 10,000: shorten it, or train with"),
    ],
    ids=["empty", "header", "column", "empty text", "blank", "fields", "quote", "latin1", "utf-16", "1 MB"],
)
def test_data_that_cannot_be_used(
    model: Path, ricorda_command: Command, arguments: list[str], content: str | bytes, sentence: str
) -> None:
    Path("data.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    found = ricorda_command(*arguments).sentence
    assert found.startswith(sentence)
    assert ": " in found


@pytest.mark.parametrize("arguments", [TRAIN, EVALUATE], ids=lambda arguments: arguments[0])
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("text\na\n", "data.csv has no column 'label': choose one of 'text' with --label"),
        (table("a film,"), "row 3 of data.csv, column 'label', has an empty label: fill it in or leave it out"),
        (table("a film,NaN"), "row 3 of data.csv, column 'label', has the label 'NaN': fill it in or leave it out"),
    ],
    ids=["column", "empty", "NaN"],
)
def test_labels_that_cannot_be_used(
    model: Path, ricorda_command: Command, arguments: list[str], content: str | bytes, sentence: str
) -> None:
    Path("data.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    assert ricorda_command(*arguments).sentence == sentence


def test_a_file_that_is_missing(model: Path, ricorda_command: Command) -> None:
    for command in (["train", "classify"], ["evaluate", "model"], ["predict", "model", "--file"]):
        out = ["--out", "model", "--overwrite"] if command[0] == "train" else []
        assert ricorda_command(*command, "dat.csv", *out).sentence == "dat.csv does not exist: did you mean data.csv?"
    sentence = ricorda_command(*TRAIN, "--valid", "no/dev.csv").sentence
    assert sentence == "no/dev.csv does not exist, nor does its folder no: check the path"
    for command in (["evaluate", "none", "data.csv"], ["predict", "none", "a film"], ["info", "none"]):
        sentence = ricorda_command(*command).sentence
        assert sentence == "none is no folder: give the folder that `ricorda train ... --out` wrote"


def test_one_class_only(model: Path, ricorda_command: Command) -> None:
    Path("data.csv").write_text("text,label\na film,good\nanother,good\n", encoding="utf-8")
    sentence = ricorda_command(*TRAIN).sentence
    assert sentence == "data.csv holds one class only ('good'): give examples of at least two"


def test_a_label_that_the_training_never_saw(model: Path, ricorda_command: Command) -> None:
    Path("data.csv").write_bytes(table("a film,ugly"))
    way_out = "leave it out, or use one of 'bad', 'good'"
    wanted = f"row 3 of data.csv has the label 'ugly', which the training never saw: {way_out}"
    assert ricorda_command(*EVALUATE).sentence == wanted
    Path("train.csv").write_text(TABLE, encoding="utf-8")
    train = ["train", "classify", "train.csv", "--valid", "data.csv", "--out", "model", "--overwrite", *SMALL]
    assert ricorda_command(*train).sentence == wanted


def test_a_text_of_a_megabyte_is_cut_when_asked(folder: Path, ricorda_command: Command) -> None:
    Path("data.csv").write_bytes(table(f"{LONG},bad"))
    assert "train with --max-length, the number of steps" in ricorda_command(*TRAIN).sentence
    assert ricorda_command(*TRAIN, "--max-length", 50).code == 0
    assert ricorda_command(*PREDICT).code == 0
    # what stands in for an unreadable argument of the command line
    assert ricorda_command("predict", "model", "a film", "caf\udce9").sentence.startswith(
        "text 2 of the command line has half a surrogate pair in its text"
    )


@pytest.mark.parametrize("arguments", [TRAIN, EVALUATE, PREDICT], ids=lambda arguments: arguments[0])
@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([[1.0, float("nan")]], "has NaN at step 1, feature 2 (both counted from 1): replace it by a finite number"),
        ([[1.0, 2.0], [float("-inf"), 1.0]], "has -inf at step 2, feature 1 (both counted from 1): replace it by a"),
        ([[1.0, 2.0, 3.0]], "has 3 features a step where row 1 of data.jsonl, column 'text', has 2: give all the same"),
        ([[1.0, 2.0], [1.0]], "has a list of 1 at step 2 where step 1 has a list of 2: give all steps as many numbers"),
        (
            "a text",
            "has a text where row 1 of data.jsonl, column 'text', has a list of numbers: give all the same kind",
        ),
        ([], "has an empty list: fill it in or leave it out"),
        (None, "has no text: fill it in or leave it out"),
    ],
    ids=["NaN", "infinite", "features", "ragged", "text", "empty", "null"],
)
def test_numbers_that_cannot_be_used(
    folder: Path, ricorda_command: Command, arguments: list[str], value: Any, sentence: str
) -> None:
    small().fit(WALKS, RISES).save("model")
    before = files(folder / "model")
    Path("data.jsonl").write_text(numbers(text=value), encoding="utf-8")
    arguments = ["data.jsonl" if each == "data.csv" else each for each in arguments]
    assert ricorda_command(*arguments).sentence.startswith(f"row 7 of data.jsonl, column 'text', {sentence}")
    assert files(folder / "model") == before


def test_other_features_or_another_kind_than_the_model_was_trained_on(folder: Path, ricorda_command: Command) -> None:
    small().fit(WALKS, RISES).save("model")
    Path("three.jsonl").write_text(json.dumps({"text": [[1, 2, 3]]}), encoding="utf-8")
    sentence = ricorda_command("predict", "model", "--file", "three.jsonl").sentence
    assert sentence == "row 1 of three.jsonl has 3 features a step, and the model was trained on 2: give it as many"
    sentence = ricorda_command("predict", "model", "a film").sentence
    assert sentence == "text 1 of the command line has a text, and the model was trained on numbers: give it those"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--hidden-size", "-5"], "--hidden-size is -5: give a whole number of at least 1"),
        (["--layers", "0"], "--layers is 0: give a whole number of at least 1"),
        (["--embedding-size", "-1"], "--embedding-size is -1: give a whole number of at least 1"),
        (["--vocab-size", "-1"], "--vocab-size is -1: give a whole number of at least 1"),
        (["--vocab-size", "2"], "--vocab-size 2 is too small for the word tokenizer: give at least 3"),
        (["--min-frequency", "99"], "no token of the texts reaches --min-frequency 99: give a smaller one, or more"),
        (["--max-length", "-1"], "--max-length is -1: give a whole number of at least 1, or leave it out"),
        (["--batch-size", "0"], "--batch-size is 0: give a whole number of at least 1"),
        (["--epochs", "-3"], "--epochs is -3: give a whole number of at least 1"),
        (["--patience", "0"], "--patience is 0: give a whole number of at least 1"),
        (["--dropout", "1.5"], "--dropout is 1.5: give a number from 0 to less than 1"),
        (["--learning-rate", "nan"], "--learning-rate is nan: give a number"),
        (["--learning-rate", "-1"], "--learning-rate is -1.0: give a number above 0"),
        (["--warmup", "2"], "--warmup is 2.0: give a number from 0 and below 1"),
        (["--validation-fraction", "0.99"], "--validation-fraction=0.99 of 30 examples of 2 classes leaves too few"),
        (["--seed", "-1"], "--seed is -1: give a whole number from 0 to 4294967295"),
        (["--pooling", "min"], "--pooling is 'min': give one of last, mean, max, attention"),
        (["--tokenizer", "sentence"], "--tokenizer is 'sentence': give one of word, bpe, char"),
        (["--scoring", "f1"], "--scoring is 'f1': give one of accuracy, macro_f1"),
        (["--class-weight", "even"], "--class-weight is 'even': give 'balanced'"),
        (["--device", "tpu"], "--device is 'tpu': choose auto, cpu, cuda"),
        (["--precision", "8"], "--precision is '8': choose one of 32, bf16"),
        (["--hidden-size", str(10**8)], "--hidden-size 100000000 and --embedding-size 4 make a network larger than"),
        (["--cell", "lstn"], "there is no cell 'lstn': did you mean 'lstm'? The cells are rnn, "),
        (["--cell", "none.py:mgu"], "there is no file 'none.py' to take a cell from: give FILE.py:NAME"),
        (["--resume"], "the run in model has --validation-fraction 'auto' but 0.1 was given: resume it with the same"),
        (["--resume", "--out", "none"], "none/training/checkpoint.safetensors does not exist, so there is no run to"),
        (["--text", "review"], "data.csv has no column 'review': choose one of 'text', 'label' with --text"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_options_that_cannot_be_are_named_as_they_were_typed(
    model: Path, ricorda_command: Command, options: list[str], sentence: str
) -> None:
    found = ricorda_command(*TRAIN, *options).sentence
    assert found.startswith(sentence)
    assert ": " in found


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["cells", "lstn"], "there is no cell 'lstn': did you mean 'lstm'?"),
        (["cells", "lstm", "-n", "0"], "--hidden-size is 0: give a whole number of at least 1"),
        (["cells", "-i", "-3"], "--input-size is -3: give a whole number of at least 1"),
        (
            ["predict", "model", "a film", "--file", "data.csv"],
            "texts and --file data.csv were given: give one of them",
        ),
        (["predict", "model"], "the standard input is empty: give one text a line, or texts as arguments"),
        (["predict", "model", ""], "text 1 of the command line has an empty text: fill it in or leave it out"),
        (["evaluate", "model", "data.csv", "--by", "tongue"], "data.csv has no column 'tongue': choose one of"),
    ],
    ids=" ".join,
)
def test_mistakes_with_other_commands(
    model: Path, ricorda_command: Command, arguments: list[str], sentence: str
) -> None:
    assert ricorda_command(*arguments).sentence.startswith(sentence)


# Disks and interruptions


def test_a_read_only_folder_is_found_before_anything_is_learned(
    model: Path, ricorda_command: Command, disk: Disk
) -> None:
    disk.fail(from_operation=1, error=forbidden)
    sentence = ricorda_command(*TRAIN).sentence
    assert sentence.startswith("model was not written, writing there is not permitted")
    disk.work()


@pytest.mark.parametrize("error", [full, KeyboardInterrupt], ids=["full disk", "Ctrl-C"])
def test_a_save_that_fails_leaves_the_old_model_and_what_was_learned(
    folder: Path, saved_files: dict[str, bytes], ricorda_command: Command, disk: Disk, error: Any
) -> None:
    (folder / "model").mkdir()
    for name, content in saved_files.items():
        (folder / "model" / name).write_bytes(content)
    assert ricorda_command(*TRAIN, "--cell", "gru", "--out", "whole").code == 0
    disk.fail(from_operation=1, error=error, below=folder / "model" / ".saving")
    done = ricorda_command(*TRAIN, "--cell", "gru")
    disk.work()
    last = done.err.splitlines()[-1]
    if error is full:
        assert done.code == 2
        assert "no space is left on the disk (what was there before is unchanged): free some and try again" in last
        assert last.startswith("error: model/.saving/")
    else:
        assert (done.code, last) == (130, "stopped")
    assert "Traceback" not in done.err
    now = files(folder / "model")
    assert {name: now[name] for name in saved_files} == saved_files
    done = ricorda_command(*TRAIN, "--cell", "gru", "--resume")
    assert done.code == 0
    assert "epoch" not in done.err  # all was learned already
    assert np.array_equal(ricorda.load("model").predict_proba(TEXTS), ricorda.load("whole").predict_proba(TEXTS))
    assert set(os.listdir("model")) == set(saved_files)


def test_ctrl_c_before_anything_was_learned(
    model: Path, ricorda_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ricorda.data.read.read_examples", lambda *_, **__: signal.raise_signal(signal.SIGINT))
    done = ricorda_command(*TRAIN)
    assert (done.code, done.out, done.err) == (130, "", "stopped\n")
