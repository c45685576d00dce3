import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn
from training_tasks import SCRIPT, SHORT, Scripted, Signs, assert_equal, timeless, weights

from ricorda.errors import ArgumentError, ModelFolderError
from ricorda.training import CHECKPOINT, HISTORY, Interrupted, TrainingOptions, train


def pressing_ctrl_c(*calls: int) -> Callable[[int], None]:
    return lambda call: signal.raise_signal(signal.SIGINT) if call in calls else None


# Ctrl-C and going on


@pytest.mark.parametrize("press", [(0,), (7,), (4,), (3, 9), (14,)])
def test_an_interrupted_run_goes_on_bit_for_bit(tmp_path: Path, press: tuple[int, ...]) -> None:
    options = TrainingOptions(epochs=3, batch_size=8, seed=5)
    whole = Signs()
    history = train(whole, options)

    calls = 0
    for call in press:
        stopped = Signs()
        stopped.hook = pressing_ctrl_c(call - calls)
        with pytest.raises(Interrupted, match=f"after {call + 1} of 15 steps, in epoch . of 3.*--resume"):
            train(stopped, options, folder=tmp_path, resume=calls > 0)
        calls = call + 1
    resumed = Signs()
    with torch.no_grad():
        resumed.head.weight.zero_()  # what a fresh module has must not matter
    torch.manual_seed(99)
    resumed_history = train(resumed, options, folder=tmp_path, resume=True)
    assert resumed.calls == 15 - calls
    assert_equal(weights(whole), weights(resumed))
    assert timeless(resumed_history) == timeless(history)
    lines = (tmp_path / HISTORY).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == resumed_history


def test_ctrl_c_while_validating_stops_at_the_epochs_end_and_goes_on_bit_for_bit(tmp_path: Path) -> None:
    class Pressed(Signs):
        def validate(self) -> dict[str, float]:
            torch.rand(17)  # random numbers of the validation must not matter
            signal.raise_signal(signal.SIGINT)
            return super().validate()

    whole = Signs()
    history = train(whole, SHORT)
    for epoch in (1, 2, 3):
        with pytest.raises(Interrupted, match=f"after {5 * epoch} of 15 steps"):
            train(Pressed(), SHORT, folder=tmp_path, resume=epoch > 1)
    finished = Signs()
    assert timeless(train(finished, SHORT, folder=tmp_path, resume=True)) == timeless(history)
    assert finished.calls == 0
    assert_equal(weights(whole), weights(finished))


def test_patience_goes_on_where_it_was(tmp_path: Path) -> None:
    options = TrainingOptions(epochs=9, batch_size=8, patience=2)
    task = Scripted([0.7, 0.5, 0.0])
    task.hook = pressing_ctrl_c(10)
    with pytest.raises(Interrupted):
        train(task, options, folder=tmp_path)
    again = Scripted([0.6])
    assert len(train(again, options, folder=tmp_path, resume=True)) == 3
    assert_equal(task.seen[0], weights(again))


@pytest.mark.parametrize("stop", [7, 12, 17])
def test_a_tie_is_broken_across_an_interruption_as_without_one(tmp_path: Path, stop: int) -> None:
    scores, losses, options = [0.7, 0.7, 0.7, 0.5], [0.5, 0.3, 0.4, 0.1], TrainingOptions(epochs=4, batch_size=8)
    whole = Scripted(scores, losses)
    history = train(whole, options)
    stopped = Scripted(scores, losses)
    stopped.hook = pressing_ctrl_c(stop)
    with pytest.raises(Interrupted):
        train(stopped, options, folder=tmp_path)
    done = stop // 5
    resumed = Scripted(scores[done:], losses[done:])
    assert timeless(train(resumed, options, folder=tmp_path, resume=True)) == timeless(history)
    assert_equal(whole.seen[1], weights(resumed))


def test_a_killed_run_goes_on_from_its_last_epoch_in_another_process(tmp_path: Path) -> None:
    whole = Signs()
    train(whole, SHORT)

    def die(call: int) -> None:
        if call == 7:
            raise RuntimeError

    killed = Signs()
    killed.hook = die
    with pytest.raises(RuntimeError):
        train(killed, SHORT, folder=tmp_path)
    options = json.dumps({"epochs": 3, "batch_size": 8, "seed": 5})
    subprocess.run([sys.executable, "-W", "error", SCRIPT, tmp_path, options, "resume"], check=True, timeout=60)
    assert_equal(weights(whole), safetensors.torch.load_file(tmp_path / "weights.safetensors"))


def test_a_second_ctrl_c_stops_at_once_and_the_old_checkpoint_and_handler_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = signal.getsignal(signal.SIGINT)
    task = Signs()
    task.hook = pressing_ctrl_c(7)
    fsync = os.fsync
    count = 0

    def press_while_saving(descriptor: int) -> None:
        nonlocal count
        count += 1
        if task.calls > 7:
            signal.raise_signal(signal.SIGINT)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", press_while_saving)
    with pytest.raises(KeyboardInterrupt) as caught:
        train(task, SHORT, folder=tmp_path)
    assert not isinstance(caught.value, Interrupted)
    assert count > 4
    assert signal.getsignal(signal.SIGINT) is handler
    assert sorted(os.listdir(tmp_path)) == [CHECKPOINT, HISTORY]
    monkeypatch.undo()
    whole, resumed = Signs(), Signs()
    train(whole, SHORT)
    train(resumed, SHORT, folder=tmp_path, resume=True)
    assert resumed.calls == 10
    assert_equal(weights(whole), weights(resumed))


def test_sigterm_stops_after_the_step_as_ctrl_c_does(tmp_path: Path) -> None:
    task = Signs()
    task.hook = lambda call: signal.raise_signal(signal.SIGTERM) if call == 7 else None
    with pytest.raises(Interrupted, match="stopped after 8 of 15 steps"):
        train(task, SHORT, folder=tmp_path)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert len(train(Signs(), SHORT, folder=tmp_path, resume=True)) == 3


def test_more_epochs_go_on_after_the_last_one(tmp_path: Path) -> None:
    history = train(Signs(), SHORT, folder=tmp_path)
    further = train(Signs(), replace(SHORT, epochs=5), folder=tmp_path, resume=True)
    assert further[:3] == history
    assert [epoch["epoch"] for epoch in further] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("name", [CHECKPOINT, HISTORY])
def test_files_of_others_are_not_replaced(tmp_path: Path, name: str) -> None:
    safetensors.torch.save_file({"weight": torch.zeros(2)}, tmp_path / name)
    before = (tmp_path / name).read_bytes()
    with pytest.raises(ModelFolderError, match=rf"{name} is no training's of ricorda, and so it is kept"):
        train(Signs(), SHORT, folder=tmp_path)
    assert (tmp_path / name).read_bytes() == before


def test_without_a_folder_ctrl_c_is_pythons_own() -> None:
    task = Signs()
    task.hook = pressing_ctrl_c(2)
    with pytest.raises(KeyboardInterrupt) as caught:
        train(task, SHORT)
    assert not isinstance(caught.value, Interrupted)
    assert task.calls == 2


def test_training_works_in_a_thread_where_signals_cannot_be_handled(tmp_path: Path) -> None:
    histories: list[Any] = []
    thread = threading.Thread(target=lambda: histories.append(train(Signs(), SHORT, folder=tmp_path)))
    thread.start()
    thread.join()
    assert timeless(histories[0]) == timeless(train(Signs(), SHORT))


def test_tied_weights_can_be_saved_and_resumed(tmp_path: Path) -> None:
    def tied() -> Signs:
        task = Signs()
        task.lstm.bias_ih_l0 = task.lstm.bias_hh_l0
        return task

    whole, stopped, resumed = tied(), tied(), tied()
    stopped.hook = pressing_ctrl_c(6)
    train(whole, SHORT)
    with pytest.raises(Interrupted):
        train(stopped, SHORT, folder=tmp_path)
    train(resumed, SHORT, folder=tmp_path, resume=True)
    assert_equal(weights(whole), weights(resumed))


# What cannot be resumed


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    task = Signs()
    task.hook = pressing_ctrl_c(7)
    with pytest.raises(Interrupted):
        train(task, SHORT, folder=tmp_path, settings={"cell": "lstm", "layers": 1})
    return tmp_path


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"settings": {"cell": "gru", "layers": 1}}, "has cell 'lstm' but 'gru' was given"),
        ({"settings": {"cell": "lstm"}}, "has layers 1 but None was given"),
        ({"options": TrainingOptions(epochs=2, batch_size=8, seed=5)}, "has epochs 3 but 2 was given"),
        ({"rows": 39}, "has training data '40 rows, .*' but '39 rows"),
    ],
)
def test_other_settings_are_named_with_both_values(stopped: Path, change: dict[str, Any], sentence: str) -> None:
    task = Signs(change.get("rows", 40))
    settings = change.get("settings", {"cell": "lstm", "layers": 1})
    with pytest.raises(ModelFolderError, match=f"{sentence}.*resume it with the same, or train anew") as caught:
        train(task, change.get("options", SHORT), folder=stopped, resume=True, settings=settings)
    assert "\n" not in str(caught.value)


def test_a_module_of_another_shape_is_refused(stopped: Path) -> None:
    task = Signs()
    task.module.add_module("head", nn.Linear(5, 3))
    with pytest.raises(ModelFolderError, match=r"has shape of head.weight \[2, 5\] but \[3, 5\] was given"):
        train(task, SHORT, folder=stopped, resume=True, settings={"cell": "lstm", "layers": 1})


def tamper(content: bytes, kind: str) -> bytes:
    if kind == "flipped":
        return content[:-3] + bytes([content[-3] ^ 4]) + content[-2:]
    if kind == "newer":
        return content.replace(b'"format_version":"1"', b'"format_version":"9"')
    if kind == "other":
        return safetensors.torch.save({"weight": torch.zeros(3)})
    return {"truncated": content[: len(content) // 2], "empty": b"", "text": b"not a checkpoint at all"}[kind]


@pytest.mark.parametrize("kind", ["truncated", "empty", "text", "flipped", "other", "newer"])
def test_a_damaged_or_newer_checkpoint_gets_a_sentence(stopped: Path, kind: str) -> None:
    path = stopped / CHECKPOINT
    path.write_bytes(tamper(path.read_bytes(), kind))
    sentence = "has format 9, .*upgrade it" if kind == "newer" else r"is damaged or no checkpoint \(.*train anew"
    with pytest.raises(ModelFolderError, match=f"{re.escape(str(path))} {sentence}"):
        train(Signs(), SHORT, folder=stopped, resume=True)


def test_resuming_what_never_started_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="does not exist, so there is no run to resume"):
        train(Signs(), SHORT, folder=tmp_path, resume=True)
    with pytest.raises(ArgumentError, match="need the folder"):
        train(Signs(), SHORT, resume=True)
