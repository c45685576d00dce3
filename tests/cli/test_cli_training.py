"""Trainings that stop and go on, models that are there already, and several processes."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import SMALL, TABLE, TRAIN, Command, files, in_a_process
from small_models import LABELS, TEXTS, small

import ricorda
from ricorda import SequenceClassifier
from ricorda.errors import ModelFolderError
from ricorda.training.folder import alone_in


def test_ctrl_c_stops_with_130_and_resume_goes_on_bit_for_bit(folder: Path, ricorda_command: Command) -> None:
    arguments = ["train", "classify", "data.csv", *SMALL, "--epochs", "150"]
    assert ricorda_command(*arguments, "--out", "whole").code == 0
    process = in_a_process(*arguments, "--out", "model")
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("epoch 3/"):
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    last = err.splitlines()[-1]
    assert re.match(r"stopped: training stopped after \d+ of 600 steps, .* saved in model/training: .*--resume$", last)
    assert "Traceback" not in err
    refused = ricorda_command(*arguments, "--out", "model").sentence
    assert refused.startswith("--out model holds a training that was stopped: go on with --resume, or start anew with")
    other = ricorda_command(*arguments, "--out", "model", "--resume", "--hidden-size", 5).sentence
    assert "has --hidden-size 4 but 5 was given: resume it with the same" in other
    assert ricorda_command(*arguments, "--out", "model", "--resume").code == 0
    whole, resumed = ricorda.load("whole"), ricorda.load("model")
    assert np.array_equal(whole.predict_proba(TEXTS), resumed.predict_proba(TEXTS))
    assert (folder / "whole" / "model.safetensors").read_bytes() == (
        folder / "model" / "model.safetensors"
    ).read_bytes()
    assert "training" not in os.listdir("model")


# What is there already


def test_a_model_that_is_there_is_replaced_only_when_asked_and_when_the_new_one_is_whole(
    folder: Path, ricorda_command: Command
) -> None:
    assert ricorda_command(*TRAIN).code == 0
    before = files(folder / "model")
    assert ricorda_command(*TRAIN).sentence == (
        "--out model holds a model already: choose another folder, replace it with --overwrite, or train it further "
        "with --resume and more --epochs"
    )
    Path("broken.csv").write_text(TABLE + '"a film",\n', encoding="utf-8")
    broken = ["train", "classify", "broken.csv", "--out", "model", *SMALL, "--overwrite"]
    assert ricorda_command(*broken).sentence.startswith("row 32 of broken.csv, column 'label', has an empty label")
    assert "--learning-rate" not in ricorda_command(*TRAIN, "--overwrite", "--valid", "broken.csv").sentence
    done = ricorda_command(*TRAIN, "--overwrite", "--learning-rate", "1e30", "--clip-norm", "1e30")
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith("error: the ")
    kept = files(folder / "model")
    assert {name: content for name, content in kept.items() if not name.startswith("training")} == before
    assert ricorda_command(*TRAIN, "--overwrite", "--cell", "gru").code == 0
    assert ricorda.load("model").cell == "gru"
    assert set(files(folder / "model")) == set(before)


@pytest.mark.parametrize(
    "name", ["README.md", "config.json", "model.safetensors", "history.jsonl", "training/mine.txt"]
)
def test_a_folder_with_files_of_others_is_refused_and_they_stay(
    folder: Path, ricorda_command: Command, fitted: SequenceClassifier, name: str
) -> None:
    theirs = folder / "theirs" / name
    theirs.parent.mkdir(parents=True)
    theirs.write_text('{"model_type": "bert"}', encoding="utf-8")
    sentence = f"theirs holds {name.split('/')[0]!r} and no model of ricorda, and so nothing is written there"
    for options in ([], ["--overwrite"], ["--resume"]):
        done = ricorda_command("train", "classify", "data.csv", "--out", "theirs", *SMALL, *options)
        assert done.sentence.startswith(sentence)
    with pytest.raises(ModelFolderError, match=sentence):
        fitted.save("theirs")
    assert files(folder / "theirs") == {name: b'{"model_type": "bert"}'}


@pytest.mark.parametrize("damage", ["cut", "empty", "missing", "no version"])
def test_a_model_too_damaged_to_name_ricorda_is_replaced_by_overwrite_alone(
    folder: Path, ricorda_command: Command, trained: Path, damage: str
) -> None:
    shutil.copytree(trained / "model", "model")
    config = Path("model/config.json")
    data = config.read_bytes()
    assert data.index(b'"ricorda_version"') > len(data) / 2
    match damage:
        case "cut":
            config.write_bytes(data[: len(data) // 2])
        case "empty":
            config.write_bytes(b"")
        case "missing":
            config.unlink()
        case _:
            config.write_bytes(data.replace(b"ricorda_version", b"ricorda_vorsion"))
    assert ricorda_command(*TRAIN).sentence.startswith("--out model holds a model already: choose another folder")
    before = files(folder / "model")
    for name in ("mine.txt", "config.json", "README.md"):  # A file of others, or in the place of one of ricorda's.
        shutil.copytree("model", "other")
        Path("other", name).write_text('{"model_type": "bert"}', encoding="utf-8")
        done = ricorda_command("train", "classify", "data.csv", "--out", "other", *SMALL, "--overwrite")
        assert "and no model of ricorda, and so nothing is written there" in done.sentence
        assert files(folder / "other") == {**before, name: b'{"model_type": "bert"}'}
        shutil.rmtree("other")
    assert ricorda_command(*TRAIN, "--overwrite").code == 0
    assert list(ricorda.load("model").classes_) == ["bad", "good"]


def test_no_two_trainings_write_one_folder_and_a_killed_one_is_no_obstacle(
    folder: Path, ricorda_command: Command
) -> None:
    Path("model/training").mkdir(parents=True)  # what one leaves that was killed before its first checkpoint
    ready, told = os.pipe()
    other = os.fork()
    if not other:
        with alone_in(Path("model")):
            os.write(told, b"!")
            signal.pause()
    os.read(ready, 1)
    for options in ([], ["--overwrite"], ["--resume"]):
        assert ricorda_command(*TRAIN, *options).sentence == (
            "another training is writing into model: wait until it ends, or choose another folder"
        )
    os.kill(other, signal.SIGKILL)
    os.waitpid(other, 0)
    assert ricorda_command(*TRAIN).code == 0
    assert "training" not in os.listdir("model")


def test_a_finished_model_is_trained_further(folder: Path, ricorda_command: Command) -> None:
    arguments = [*TRAIN, "--learning-rate", "0.05", "--validation-fraction", "0", "--dropout", "0", "--epochs", "8"]
    arguments.append("--no-wide")  # Beside a wide part there would be little to learn.
    assert ricorda_command(*arguments).code == 0
    before = ricorda.load("model")
    (folder / "other.csv").write_text(TABLE.replace("film", "play"), encoding="utf-8")
    kept = files(folder / "model")
    other = ["train", "classify", "other.csv", *arguments[3:]]
    refusals = [
        (arguments, "--epochs is 8, and the model was trained for 8 already: give more"),
        ([*arguments, "--epochs", "9", "--hidden-size", "5"], "the run in model has --hidden-size 4 but 5 was given"),
        ([*other, "--epochs", "9"], "the run in model was trained on other data than were given"),
    ]
    for wrong, sentence in refusals:
        assert ricorda_command(*wrong, "--resume").sentence.startswith(sentence)
        assert files(folder / "model") == kept
    assert ricorda_command(*arguments, "--resume", "--epochs", "10").code == 0
    after = ricorda.load("model")
    assert [epoch["epoch"] for epoch in after.history_] == [*range(1, 11)]
    assert after.history_[:8] == before.history_
    losses = [epoch["loss"] for epoch in after.history_]
    assert losses[9] < losses[7] < losses[8] + 0.02 < losses[4]  # The weights are those of the finished training.
    assert 0 < after.history_[9]["learning_rate"] < after.history_[8]["learning_rate"] < 0.02


def test_the_tensorboard_log_stays(folder: Path, ricorda_command: Command) -> None:
    pytest.importorskip("tensorboard")
    for _ in range(2):
        assert ricorda_command(*TRAIN, "--tensorboard", "--overwrite").code == 0
        (log,) = os.listdir("model/tensorboard")
        assert log.startswith("events.out.tfevents")
        assert "training" not in os.listdir("model")


# Several processes


def test_two_processes_of_torchrun_train_one_model(folder: Path) -> None:  # the slow one
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "ricorda"]
    done = subprocess.run(
        [*torchrun, *TRAIN, "--json", "--batch-size", "4", "--dropout", "0", "--word-dropout", "0"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["examples"] == 27  # printed once
    assert sum(line.startswith("epoch ") for line in done.stderr.splitlines()) == 2
    alone = small(dropout=0.0, word_dropout=0.0, validation_fraction=0.1).fit(TEXTS, LABELS)
    # gradients are summed in another order, which 8 steps of AdamW enlarge
    np.testing.assert_allclose(ricorda.load("model").predict_proba(TEXTS), alone.predict_proba(TEXTS), atol=1e-5)
