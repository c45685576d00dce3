import contextlib
import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest
from training_tasks import SHORT, Signs

from ricorda.errors import ArgumentError
from ricorda.training import Interrupted, train
from ricorda.training.checkpoint import read_checkpoint
from ricorda.training.progress import VARIABLE, TimeLeft
from ricorda.training.run import RunState, Totals


def test_elsewhere_than_in_a_terminal_a_plain_line_an_epoch_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(Signs(), SHORT, progress=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    lines = shown.err.splitlines()
    line = r"epoch {}/3  loss 0\.\d{{4}}  score -0\.\d{{4}}  [\d,]+ tokens/s  \d+\.\d s  0:00:\d\d left"
    assert len(lines) == 3
    assert all(re.fullmatch(line.format(epoch), text) for epoch, text in enumerate(lines, 1))
    train(Signs(), SHORT, folder=tmp_path)
    assert capsys.readouterr().err == ""


def test_in_a_terminal_a_bar_is_drawn_a_few_times_a_second(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    train(Signs(), SHORT, progress=True)
    shown = capsys.readouterr().err
    assert re.search(r"epoch 3/3  loss 0\.\d{4}  [\d,]+ tokens/s  score -0\.\d{4}", shown)
    assert "0:00:00 left" in shown
    assert shown.count("epoch") < 15


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
@pytest.mark.parametrize("watch_gradients", [None, 1])
def test_the_bar_is_there_in_a_terminal_of_any_width(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int, watch_gradients: int | None
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
    train(Signs(), SHORT, progress=True, watch_gradients=watch_gradients)
    shown = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", capsys.readouterr().err).replace("\r", "\n").splitlines()
    drawn = [line for line in shown if "epoch" in line]
    assert all(re.search("[━╸╺]{8}", line) for line in drawn)
    assert max(map(len, drawn)) <= columns
    assert all("epoch 3/3  loss 0." in line for line in drawn[-1:])
    assert ("tokens/s" in drawn[-1]) == (columns >= 80)


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program reads the progress, every step of it."""
    monkeypatch.setenv(VARIABLE, "json")
    monkeypatch.setattr("ricorda.training.progress._SECONDS_BETWEEN_MESSAGES", 0.0)


@pytest.mark.usefixtures("program")
def test_a_program_is_told_every_step_and_epoch_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stopped = Signs()
    stopped.hook = lambda call: signal.raise_signal(signal.SIGINT) if call == 6 else None
    with pytest.raises(Interrupted):
        train(stopped, SHORT, folder=tmp_path, progress=True)
    first = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    history = train(Signs(), SHORT, folder=tmp_path, progress=True, resume=True, watch_gradients=5)
    second = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    for messages in (first, second):
        assert messages[0]["about"] == "begin"
        assert [message["about"] for message in messages].count("begin") == 1
    records = [message["record"] for message in first + second if message["about"] == "epoch"]
    without_flow = [{name: value for name, value in one.items() if name != "gradient_flow"} for one in history]
    assert records == without_flow
    assert second[0]["history"] == records[:1], "who goes on hears what was"
    assert (second[0]["step"], second[0]["steps"], second[0]["epoch"], second[0]["epochs"]) == (7, 15, 2, 3)
    steps = [message for message in first + second if message["about"] == "step"]
    assert [message["step"] for message in steps] == [*range(1, 16)]
    for number, record in enumerate(records):  # All batches have eight rows, so the epoch's loss is the steps' mean.
        losses = [message["loss"] for message in steps[5 * number : 5 * number + 5]]
        assert record["loss"] == pytest.approx(sum(losses) / 5)
    assert steps[0]["seconds_left"] >= 0
    assert [message["step"] for message in steps if "flow" in message] == [11], "the watched step after the stop"
    assert all("score" in message for message in first + second if message["about"] == "epoch")


@pytest.mark.usefixtures("program")
def test_a_training_whose_program_has_gone_saves_and_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(call: int) -> None:
        if call == 7:
            reading, writing = os.pipe()
            os.close(reading)
            monkeypatch.setattr(sys, "stderr", os.fdopen(writing, "w"))

    task = Signs()
    task.hook = gone
    with pytest.raises(Interrupted):
        train(task, SHORT, folder=tmp_path, progress=True)
    with contextlib.suppress(BrokenPipeError):
        sys.stderr.close()
    state = read_checkpoint(tmp_path).state
    assert task.calls == 9, "the step after the one that nobody heard of"
    assert (len(state["history"]), state["totals"]["steps"]) == (1, 4)


def test_the_time_left_counts_from_the_resumption(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    run = RunState(epochs=100, steps_per_epoch=100, patience=None, totals=Totals(steps=90))
    clock = TimeLeft(run)
    assert clock.text(run) == "-:--:-- left"
    run.totals.steps += 5
    now += 20
    assert clock.text(run) == "11:00:20 left"  # 9,905 steps of 4 s


def test_tensorboard_gets_the_history(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    history = train(Signs(), SHORT, folder=tmp_path, tensorboard=True)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.value for event in events.Scalars("loss")] == pytest.approx([record["loss"] for record in history])
    assert [event.step for event in events.Scalars("score")] == [1, 2, 3]


def test_tensorboard_that_is_not_installed_gets_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ArgumentError, match=re.escape("run `pip install 'ricorda[tensorboard]'`")):
        train(Signs(), SHORT, folder=tmp_path, tensorboard=True)
