"""`ricorda predict --out` with a model of each other task; what has no meaning is refused. And kill -9."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars
import pytest
import scoring
from small_models import LABELS, TEXTS, small

from ricorda import Forecaster, LanguageModel, SequenceRegressor, SequenceTagger, Translator

if TYPE_CHECKING:
    from command_line import Command

TABLE = polars.DataFrame({"id": [1, 2, 3], "text": ["a warm film", "I slept", "a dull and lazy film"]})


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    TABLE.write_ndjson("data.jsonl")
    return tmp_path


def scored(command: "Command", *options: str) -> polars.DataFrame:
    done = command("predict", "model", "--file", "data.jsonl", "--out", "out.jsonl", *options)
    assert (done.code, done.err) == (0, "")
    frame = polars.read_ndjson("out.jsonl")
    assert frame.select("id", "text").equals(TABLE)
    return frame


def test_regressors(ricorda_command: "Command") -> None:
    model = SequenceRegressor(hidden_size=4, epochs=1, device="cpu").fit(TEXTS, np.arange(30.0))
    model.save("model")
    assert scored(ricorda_command)["prediction"].to_list() == model.predict(TABLE["text"].to_list()).tolist()
    done = ricorda_command("predict", "model", "--file", "data.jsonl", "--out", "out.csv", "--probabilities")
    assert done.code == 2
    assert "no probabilities" in done.err


def test_taggers(ricorda_command: "Command") -> None:
    words = [text.split() for text in TEXTS]
    model = SequenceTagger(hidden_size=4, epochs=1, device="cpu")
    model.fit(words, [["A" if len(word) > 3 else "B" for word in text] for text in words]).save("model")
    frame = scored(ricorda_command, "--probabilities")
    assert [len(row) for row in frame["prediction"]] == [len(row) for row in frame["probability"]] == [3, 2, 5]
    assert ricorda_command("predict", "model", "--file", "data.jsonl", "--out", "out.csv").code == 0
    assert '["' in polars.read_csv("out.csv")["prediction"][0]


def test_translators(ricorda_command: "Command") -> None:
    model = Translator(hidden_size=4, embedding_size=4, epochs=1, device="cpu").fit(TEXTS, TEXTS)
    model.save("model")
    frame = scored(ricorda_command, "--source", "text", "--probabilities", "--beam-size", "2")
    assert frame["prediction"].to_list() == [
        one["translations"][0]["text"] for one in model.answers(TABLE["text"].to_list(), beam_size=2)
    ]


def test_language_models(ricorda_command: "Command") -> None:
    model = LanguageModel(hidden_size=4, epochs=1, device="cpu").fit(" ".join(TEXTS) * 3)
    model.save("model")
    frame = scored(ricorda_command, "--probabilities")
    answers = list(model.answers(TABLE["text"].to_list()))
    assert frame["nats_per_token"].to_list() == pytest.approx([one["nats"] for one in answers])
    assert [len(row) for row in frame["tokens"]] == [len(one["tokens"]) for one in answers]


def test_forecasters_write_the_steps(ricorda_command: "Command") -> None:
    Forecaster(horizon=3, hidden_size=4, epochs=1, device="cpu", context=8).fit(np.sin(np.arange(80.0))).save("model")
    assert ricorda_command("predict", "model", "--out", "out.csv").code == 0
    assert len(polars.read_csv("out.csv")) == 3
    done = ricorda_command("predict", "model", "--file", "data.jsonl", "--out", "parts/")
    assert done.code == 2
    assert "a forecaster reads one table" in done.err


def test_a_killed_run_is_gone_on_with(folder: Path) -> None:
    small().fit(TEXTS, LABELS).save("model")
    polars.concat([polars.DataFrame({"text": TEXTS})] * 40).write_csv("data.csv")
    assert scoring.kills("model", "data.csv", folder, times=3, part_rows=50) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are read otherwise there")
def test_the_standard_input_is_still_answered(folder: Path) -> None:
    small().fit(TEXTS, LABELS).save("model")
    done = subprocess.run(
        [sys.executable, "-m", "ricorda", "predict", "model", "--json"],
        input="a film\nI slept\n",
        capture_output=True,
        text=True,
        env=dict(os.environ),
    )
    assert len(done.stdout.splitlines()) == 2
