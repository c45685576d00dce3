"""`ricorda train language`, `generate`, and what `predict` and `evaluate` do with a language model."""

import gzip
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import Command, in_a_process

import ricorda
from ricorda.tasks.language.estimator import LanguageModel

TEXT = "the cat sat on the mat\n" * 60
SMALL = ["--hidden-size", "8", "--window", "20", "--batch-size", "4", "--epochs", "2", "--device", "cpu"]
PIECES = [[[60, 64], [62, 65], [64]] * 4] * 8


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text(TEXT, encoding="utf-8")
    return tmp_path


@pytest.fixture
def model(folder: Path, ricorda_command: Command) -> LanguageModel:
    assert ricorda_command("train", "language", "text.txt", "--out", "model", *SMALL).code == 0
    loaded: Any = ricorda.load("model")
    return loaded  # type: ignore[no-any-return]


def test_it_writes_what_python_writes(model: LanguageModel, ricorda_command: Command) -> None:
    options = ["--length", "30", "--seed", "4", "--temperature", "0.8", "--top-k", "5", "--top-p", "0.9"]
    done = ricorda_command("generate", "model", "--prompt", "the cat", *options)
    written = "".join(model.generate("the cat", length=30, seed=4, temperature=0.8, top_k=5, top_p=0.9))
    assert done.code == 0
    assert done.out == "the cat" + written + "\n" * (not written.endswith("\n"))
    as_json = ricorda_command("generate", "model", "--prompt", "the cat", *options, "--json")
    assert json.loads(as_json.out) == {"prompt": "the cat", "text": written}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--prompt", "the ☂"], "prompt has '☂' as character 5, which the training text never had"),
        (["--temperature", "-1"], "--temperature is -1.0: give a number from 0"),
        (["--top-k", "0"], "--top-k is 0: give a whole number"),
        (["--length", "0"], "--length is 0"),
        (["--condition", "a,b"], "--condition is 'a,b': give numbers with commas"),
        (["--condition", "1,2"], "the model was trained with no condition"),
    ],
)
def test_mistakes_are_a_sentence(
    model: LanguageModel, ricorda_command: Command, options: list[str], sentence: str
) -> None:
    assert ricorda_command("generate", "model", *options).sentence.startswith(sentence)


def test_another_task_s_model_does_not_write(folder: Path, ricorda_command: Command) -> None:
    from small_models import LABELS, TEXTS, small

    small().fit(TEXTS, LABELS).save("other")
    assert "does not write: give a language model" in ricorda_command("generate", "other").sentence


def test_ctrl_c_ends_writing_with_what_was_written(model: LanguageModel) -> None:
    with in_a_process("generate", "model", "--prompt", "the ", "--length", "100000000", "--seed", "1") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        written = process.stdout.read(200)
        process.send_signal(signal.SIGINT)
        written += process.stdout.read()  # communicate() would lose what was read ahead
        assert process.stderr.read() == "stopped\n"
        assert process.wait(timeout=60) == 130
    assert written.startswith("the ")
    assert written.endswith("\n")
    assert written.rstrip("\n") in "the " + "".join(model.generate("the ", length=len(written) + 5, seed=1))


def test_evaluation_and_scores_are_those_of_python(
    model: LanguageModel, ricorda_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gzip.open("other.txt.gz", "wt") as file:
        file.write("the cat\r\nthe mat\n")
    found = model.evaluate("the cat\nthe mat\n")
    as_json = json.loads(ricorda_command("evaluate", "model", "other.txt.gz", "--json").out)
    told = found.to_json()
    assert as_json.pop("alternatives") == told.pop("alternatives")
    assert as_json == pytest.approx(told)
    printed = ricorda_command("evaluate", "model", "other.txt.gz").out
    assert f"{found.nats:.4f}" in printed
    assert "going by the frequencies alone 2.22" in printed
    scores = model.score_tokens("the cat")
    line = json.loads(ricorda_command("predict", "model", "the cat", "--json").out)
    assert line["log_probability"] == pytest.approx(math.fsum(score for _, score in scores))
    assert [each["token"] for each in line["tokens"]] == list("the cat")
    monkeypatch.setattr("ricorda.tasks.language.scoring.MOST_TOKENS", 6)
    done = ricorda_command("predict", "model", "the cat", "--json")
    assert json.loads(done.out) == {
        "nats": pytest.approx(line["nats"]),
        "log_probability": pytest.approx(line["log_probability"]),
    }
    assert done.err == "text 1 of the command line has more than 6 tokens: they are left out\n"
    table = ricorda_command("predict", "model", "the cat", "on the mat").out
    assert "on the mat" in table
    refused = ricorda_command("predict", "model", "the cat", "a ☂").sentence
    assert refused.startswith("text 2 of the command line cannot be scored: text has '☂' as character 3")


def test_documents_music_and_a_table_are_read(folder: Path, ricorda_command: Command) -> None:
    Path("chorales.json").write_text(
        json.dumps({"train": PIECES, "valid": PIECES[:2], "test": PIECES[:3]}), encoding="utf-8"
    )
    Path("table.csv").write_text("text\n" + "ab ab\n" * 20, encoding="utf-8")
    done = ricorda_command("train", "language", "chorales.json", "--out", "music", *SMALL, "--json")
    assert json.loads(done.out)["validation_examples"] == 24
    assert json.loads(ricorda_command("evaluate", "music", "chorales.json", "--json").out)["steps"] == 36
    steps = json.loads(ricorda_command("generate", "music", "--length", "5", "--json", "--seed", "1").out)["steps"]
    assert len(steps) == 5
    lines = ricorda_command("generate", "music", "--length", "5", "--seed", "1").out
    assert lines == "".join(" ".join(map(str, step)) + "\n" for step in steps)
    assert "leave it out" in ricorda_command("generate", "music", "--prompt", "x").sentence
    assert ricorda_command("train", "language", "table.csv", "--out", "rows", *SMALL).code == 0
    loaded: Any = ricorda.load("rows")
    assert loaded.reader_.kind == "documents"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "data is empty: give some text"),
        (" \n\n", "data is blank: give some text"),
        ("ab", "has one token alone, so that there is nothing to predict: give more"),
    ],
)
def test_data_that_cannot_be_is_a_sentence(folder: Path, ricorda_command: Command, content: str, sentence: str) -> None:
    Path("data").write_text(content, encoding="utf-8")
    assert sentence in ricorda_command("train", "language", "data", "--out", "m", *SMALL).sentence
    assert not Path("m").exists()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[", "bad.json is no JSON"),
        ("{}", "bad.json has no 'train'"),
        ('{"train": [[[60]], [[7]]]}', "step 1 of piece 2 of train of bad.json has the note 7"),
        ("[]", "bad.json holds no piece"),
        ("[[]]", "piece 1 of bad.json has no step"),
    ],
)
def test_music_that_cannot_be_is_a_sentence(
    folder: Path, ricorda_command: Command, content: str, sentence: str
) -> None:
    Path("bad.json").write_text(content, encoding="utf-8")
    assert ricorda_command("train", "language", "bad.json", "--out", "m", *SMALL).sentence.startswith(sentence)


def test_two_processes_of_torchrun_carry_their_states_over_an_interruption(folder: Path) -> None:  # the slow one
    Path("run.py").write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "run.py"],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for rank in ("0", "1"):
        assert Path(f"whole-{rank}").read_bytes() == Path(f"resumed-{rank}").read_bytes()


SCRIPT = """
import os
from pathlib import Path
import safetensors.torch
import torch
from small_language_models import DROPPING, OPTIONS, Pressed, network, stream
from ricorda.training import Interrupted, train

def run(name, press=-1, **options):
    task = Pressed(network(DROPPING), stream(), stream(30), 7)
    task.press = press
    try:
        train(task, OPTIONS, **options)
    except Interrupted:
        assert task.tensors()
    else:
        safetensors.torch.save_file(dict(task.module.state_dict()), f"{name}-{os.environ['RANK']}")

torch.set_num_threads(1)
run("whole")
run("stopped", press=4, folder=Path("parts"))
run("resumed", folder=Path("parts"), resume=True)
"""
