"""`ricorda train regress`, and predict and evaluate with its model."""

import json
import re
from pathlib import Path
from typing import Any

import polars
import pytest
from command_line import Command
from small_models import TEXTS, series

import ricorda

OPTIONS = [
    *("--hidden-size", "6", "--embedding-size", "4", "--one-direction", "--device", "cpu", "--batch-size", "8"),
    *(
        "--tokenizer",
        "word",
        "--min-frequency",
        "1",
        "--epochs",
        "25",
        "--learning-rate",
        "0.03",
        "--validation-fraction",
        "0",
    ),
]
WALKS, _ = series(30)
ROWS = [{"x": walk.tolist(), "sum": float(walk.sum()), "steps": len(walk)} for walk in WALKS]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lines = [f'"{text}",{len(text.split())},{index % 2}' for index, text in enumerate(TEXTS)]
    (tmp_path / "data.csv").write_text("\n".join(["text,words,rank", *lines]) + "\n", encoding="utf-8")
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    polars.DataFrame(ROWS).write_parquet(tmp_path / "data.parquet")
    return tmp_path


def test_texts_and_a_number(ricorda_command: Command, here: Path) -> None:
    trained = ricorda_command("train", "regress", "data.csv", "--target", "words", "--out", "model", *OPTIONS)
    assert (trained.code, "The model is in model" in trained.out) == (0, True), trained
    model: Any = ricorda.load("model")
    expected = model.predict(["a warm film", "dull"])
    printed = ricorda_command("predict", "model", "a warm film", "dull").out
    assert re.search(rf"│ +{expected[0]:.5g} │ a warm film │", printed)
    lines = ricorda_command("predict", "model", "--json", stdin=b"a warm film\ndull\n").out.splitlines()
    assert [json.loads(line) for line in lines] == [{"words": each} for each in expected]
    evaluated = ricorda_command("evaluate", "model", "data.csv")  # the target is the training's
    report = json.loads(ricorda_command("evaluate", "model", "data.csv", "--json").out)
    assert report["r2"] > 0.5
    assert f"{report['r2']:.4f}" in evaluated.out
    assert (report["examples"], [each["name"] for each in report["outputs"]]) == (30, ["words"])


@pytest.mark.parametrize("name", ["data.jsonl", "data.parquet"])
def test_series_and_several_numbers(ricorda_command: Command, here: Path, name: str) -> None:
    columns = ["--text", "x", "--target", "sum", "--target", "steps"]
    assert ricorda_command("train", "regress", name, *columns, "--out", "model", *OPTIONS).code == 0
    model: Any = ricorda.load("model")
    found = model.predict(WALKS)
    lines = ricorda_command("predict", "model", "--file", name, "--text", "x", "--json").out.splitlines()
    rows = [json.loads(line) for line in lines]
    assert [list(row) for row in rows] == [["sum", "steps"]] * 30
    assert [[*row.values()] for row in rows] == [pytest.approx(each, rel=1e-5) for each in found.tolist()]
    report = json.loads(ricorda_command("evaluate", "model", name, "--text", "x", "--json").out)
    assert [each["name"] for each in report["outputs"]] == ["sum", "steps"]
    assert ricorda_command("evaluate", "model", name, "--text", "x", "--target", "steps").sentence == (
        "--target steps names one column, and the model gives sum, steps: leave it out, and the columns of these names "
        "are read"
    )
    assert "Outputs" in ricorda_command("evaluate", "model", name, "--text", "x").out


def test_lines_of_a_number_and_a_text(ricorda_command: Command, here: Path) -> None:
    (here / "data.txt").write_text("".join(f"{len(text.split())} {text}\n" for text in TEXTS), encoding="utf-8")
    assert ricorda_command("train", "regress", "data.txt", "--valid", "data.txt", "--out", "m", *OPTIONS).code == 0
    assert json.loads(ricorda_command("evaluate", "m", "data.txt", "--json").out)["outputs"][0]["name"] == "y"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["data.csv"], "data.csv has no column 'target': choose one of 'text', 'words', 'rank' with --target"),
        (
            ["data.csv", "--target", "text"],
            "row 2 of data.csv, column 'text', has 'a warm and funny film', which is no number: write one, with a "
            "decimal point",
        ),
        (["bad.csv", "--target", "y"], "row 3 of bad.csv, column 'y', has no number: fill it in or leave it out"),
        (
            ["bad.csv", "--target", "z"],
            "row 2 of bad.csv, column 'z', has 'inf', which is no finite number: fill it in or leave it out",
        ),
        (["absent.csv", "--target", "y"], "absent.csv does not exist: check the path"),
        (["data.csv", "--target", "words", "--loss", "huber"], "--loss is 'huber': give one of mse, mae"),
        (["synthetic:adding?T=abc"], "synthetic:adding?T=abc has 'abc' as T: give a whole number"),
    ],
)
def test_a_mistake_is_one_sentence(ricorda_command: Command, here: Path, arguments: list[str], sentence: str) -> None:
    (here / "bad.csv").write_text("text,y,z\na,1,inf\nb,,2\n", encoding="utf-8")
    assert ricorda_command("train", "regress", *arguments, "--out", "m").sentence == sentence
    assert not (here / "m").exists()
