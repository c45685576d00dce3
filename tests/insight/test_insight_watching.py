"""Gradients watched while training: what is recorded, that nothing else changes, and what is said of it."""

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import TRAIN, Command
from small_models import small
from task_cases import CASES
from torch import Tensor, nn
from training_tasks import SHORT, Signs, assert_equal, timeless, weights

import ricorda
from ricorda.data.batches import Rows
from ricorda.errors import ArgumentError
from ricorda.nn import LSTM, watch_gradients
from ricorda.tasks.flow import TrainingFlow
from ricorda.training import Interrupted, Task, TrainingOptions, train
from ricorda.training.alarm import Alarm, diagnose
from ricorda.training.flow import FLOW, MOST_BINS, Bins, sparkline, steps_between

DIGITS = 5.1e-4  # half a unit of the last of four digits, and rounding


class Ragged(Task):
    """The sign of a sum, read in both directions by two levels, in float64; it notes what each loss began with."""

    def __init__(self, *, batch_first: bool = False) -> None:
        random = torch.Generator().manual_seed(1)
        self.lengths = [3, 9, 1, 7, 9, 4, 12, 5] * 2
        self.x = torch.randn(12, 16, 3, generator=random, dtype=torch.float64)
        self.batch_first = batch_first
        with torch.random.fork_rng():
            torch.manual_seed(2)
            self.lstm = LSTM(3, 4, 2, bidirectional=True, batch_first=batch_first, dtype=torch.float64)
            self.head = nn.Linear(8, 1, dtype=torch.float64)
        self.module = nn.ModuleDict({"reader": self.lstm, "head": self.head})
        self.seen: list[tuple[Rows, dict[str, Tensor]]] = []

    def loss(self, rows: Rows) -> tuple[Tensor, Tensor]:
        self.seen.append((rows, weights(self)))
        x, lengths = self.x[:, rows], torch.tensor(self.lengths)[rows]
        _, (h, _) = self.lstm(x.transpose(0, 1) if self.batch_first else x, lengths=lengths)
        scores = self.head(torch.cat((h[-2], h[-1]), 1))[:, 0]
        return (scores - x[0, :, 0]).square().sum(), torch.tensor(float(len(rows)))

    def validate(self) -> dict[str, float]:
        return {}


def flows(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [record for epoch in history for record in epoch.get(FLOW, [])]


def by_hand(norms: Tensor, lengths: list[int], *, reverse: bool) -> list[float]:
    """Means [D] by distance of norms [T, B], as far as half of the rows are so long."""
    means = []
    for distance in range(max(lengths)):
        alive = [row for row, length in enumerate(lengths) if length > distance]
        if 2 * len(alive) < len(lengths):
            break
        steps = [distance if reverse else lengths[row] - 1 - distance for row in alive]
        means.append(sum(float(norms[step, row]) for step, row in zip(steps, alive, strict=True)) / len(alive))
    return means


@pytest.mark.parametrize("batch_first", [False, True])
def test_what_is_recorded_are_the_norms_of_a_pass_of_its_own(batch_first: bool) -> None:
    task = Ragged(batch_first=batch_first)
    records = flows(train(task, TrainingOptions(epochs=2, batch_size=6, seed=3), watch_gradients=2))
    assert [record["step"] for record in records[::4]] == [1, 3, 5]  # of two epochs of three steps
    keys = [(record["layer"], record["direction"], record["state"], record["width"]) for record in records]
    assert keys == [("reader", direction, state, 1) for direction in (0, 1) for state in "hc"] * 3
    other = Ragged(batch_first=batch_first)
    for record in records:
        rows, state = task.seen[record["step"] - 1]
        other.module.load_state_dict(state)
        with watch_gradients(other.module) as flow:
            loss, weight = other.loss(rows)
            torch.autograd.backward(loss / weight)
        norms = flow.norms["reader"][record["state"]][-1, record["direction"]]
        lengths = [task.lengths[row] for row in rows]
        expected = by_hand(norms.T if batch_first else norms, lengths, reverse=record["direction"] == 1)
        assert record["norm"] == pytest.approx(expected, rel=DIGITS)
        assert min(record["norm"]) > 0


def test_long_rows_share_places() -> None:
    norms = np.arange(300.0)[:, None] + np.zeros((300, 3))
    places = Bins(300, np.array([300, 299, 10]), reverse=True)
    assert (places.reach, places.width) == (299, 8)
    means = places.means(norms)
    assert means[:37] == pytest.approx(np.arange(37) * 8 + 3.5, rel=0.05)  # the row of ten steps has its share
    assert len(means) == -(-299 // 8) <= MOST_BINS
    assert means[-1] == pytest.approx(np.mean([296, 297, 298]))
    forward = Bins(300, np.array([300, 299, 10]), reverse=False)
    assert forward.means(norms)[-1] == pytest.approx((3 + 2 + 1 + 2 + 1 + 0) / 6)
    assert not np.isinf(forward.means(np.full_like(norms, np.inf))).any()
    assert Bins(4, np.array([0, 0, 0, 4]), reverse=False).reach == 4
    assert Bins(4, np.array([0, 0]), reverse=False).reach == 0


# Nothing else changes


@pytest.mark.parametrize("task", CASES)
def test_watching_leaves_every_tasks_training_as_it_is(task: str, tmp_path: Path) -> None:
    case = CASES[task]
    plain = case.make().fit(case.X, case.y)
    watched = case.make().fit(case.X, case.y, watch_gradients=2)
    assert_equal(dict(plain.network_.state_dict()), dict(watched.network_.state_dict()))
    unwatched = [{name: value for name, value in epoch.items() if name != FLOW} for epoch in watched.history_]
    assert timeless(unwatched) == timeless(plain.history_)
    assert FLOW not in watched.summary_["best"]
    assert {name for epoch in plain.history_ for name in epoch} == set(unwatched[0])

    watched.save(tmp_path)
    assert "![gradient flow](gradient_flow.png)" in (tmp_path / "README.md").read_text(encoding="utf-8")
    again = ricorda.load(tmp_path)
    assert again.history_ == watched.history_
    flow = again.gradient_flow_
    states = len(watched.program_.states)
    assert len(flow.records) == len(flow.steps) * len(flow.norms)
    assert len(flow.norms) % states == 0
    assert flow.steps.tolist() == list(range(1, watched.history_[-1]["step"] + 1, 2))
    assert all(np.nanmax(norms) > 0 for norms in flow.norms.values())
    with pytest.raises(AttributeError, match="give fit a number, as watch_gradients=10"):
        _ = plain.gradient_flow_


def test_a_decoder_that_is_fed_its_output_is_left_out() -> None:
    case = CASES["translate"]
    layers = {
        fed: {layer for layer, _, _ in model.gradient_flow_.norms}
        for fed in (False, True)
        for model in [case.make(input_feeding=fed, epochs=1).fit(case.X, case.y, watch_gradients=1)]
    }
    assert layers == {False: {"encoder", "decoder"}, True: {"encoder"}}


@pytest.mark.parametrize("press", [1, 7])
def test_an_interrupted_run_has_the_same_flow(tmp_path: Path, press: int) -> None:
    history = train(Signs(), SHORT, watch_gradients=2)
    assert {record["step"] for record in flows(history)} == {1, 3, 5, 7, 9, 11, 13, 15}
    stopped = Signs()
    stopped.hook = lambda call: signal.raise_signal(signal.SIGINT) if call == press else None
    with pytest.raises(Interrupted):
        train(stopped, SHORT, folder=tmp_path, watch_gradients=2)
    resumed = train(Signs(), SHORT, folder=tmp_path, resume=True, watch_gradients=2)
    assert timeless(resumed) == timeless(history)
    lines = (tmp_path / "history.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == resumed


def test_a_run_that_began_unwatched_may_go_on_watched(tmp_path: Path) -> None:
    stopped = Signs()
    stopped.hook = lambda call: signal.raise_signal(signal.SIGINT) if call == 6 else None
    with pytest.raises(Interrupted):
        train(stopped, SHORT, folder=tmp_path)
    history = train(Signs(), SHORT, folder=tmp_path, resume=True, watch_gradients=5)
    assert [FLOW in epoch for epoch in history] == [False, False, True]


def test_tensorboard_gets_the_numbers_only(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(Signs(), SHORT, folder=tmp_path, tensorboard=True, watch_gradients=1)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert "loss" in events.Tags()["scalars"]
    assert not any(FLOW in tag for tags in events.Tags().values() if isinstance(tags, list) for tag in tags)


def test_of_very_many_watched_steps_some_are_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [steps_between(10, steps) for steps in (5, 20_000, 20_001, 100_000)] == [10, 10, 20, 50]
    monkeypatch.setattr("ricorda.training.flow.WRITTEN", 4)
    history = train(Signs(), SHORT, watch_gradients=1)
    assert [record["step"] for record in flows(history)[::2]] == [1, 5, 9, 13]


@pytest.mark.parametrize("number", [0, -3, 2.5, True, "ten"])
def test_watching_each_so_many_steps_takes_a_whole_number(number: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        train(Signs(), SHORT, watch_gradients=number)
    assert str(caught.value) == f"watch_gradients is {number!r}: give a whole number of at least 1"


# What is said


def record(norm: Any, *, state: str = "h", width: int = 1, step: int = 1, direction: int = 0) -> dict[str, Any]:
    return {
        "step": step,
        "layer": "lstm",
        "direction": direction,
        "state": state,
        "width": width,
        "norm": list(norm),
    }


FALLING, RISING, LEVEL = 0.5 ** np.arange(40), 2.0 ** np.arange(40), np.ones(40)


def test_a_gradient_is_judged_by_both_ends() -> None:
    found = diagnose([record(FALLING)])
    assert found is not None
    assert (found.kind, found.distance, found.ratio) == ("vanishes", 39, 0.5**39)
    found = diagnose([record(LEVEL, state="c"), record(RISING)])
    assert found is not None
    assert (found.kind, found.distance, found.ratio) == ("explodes", 39, 2.0**30)
    found = diagnose([record(0.2 ** np.arange(10), width=4)])
    assert found is not None
    assert (found.kind, found.distance) == ("vanishes", 36)


@pytest.mark.parametrize(
    "states",
    [
        [LEVEL],
        [FALLING, LEVEL],  # one state that carries it is enough
        [0.8 ** np.arange(40)],  # 1.7e-4 is left
        [0.1 ** np.arange(10)],  # too short to say
        [np.zeros(40)],  # nothing is learned from these rows
        [np.arange(1.0, 30_000.0)],  # a loss at every step: a sum of equal parts
        [[1e-9, *np.ones(39)]],  # few units choose the last step under max pooling
    ],
    ids=["level", "one state", "slow", "short", "nothing", "a loss a step", "max pooling"],
)
def test_what_is_natural_is_not_judged(states: list[Any]) -> None:
    assert diagnose([record(norm, state=name) for norm, name in zip(states, "hc", strict=False)]) is None


def test_the_alarm_speaks_once_of_each_kind_after_three_watched_steps() -> None:
    module = nn.ModuleDict({"lstm": LSTM(2, 3)})
    alarm = Alarm(module, TrainingOptions(learning_rate=0.25, clip_norm=None))
    said = [
        alarm.hear([record(norm, step=step)]) for step, norm in enumerate([FALLING, FALLING, LEVEL, *[FALLING] * 5])
    ]
    assert [len(each) for each in said] == [0, 0, 0, 0, 0, 1, 0, 0]
    assert said[5] == [
        "the gradient vanishes: on 39 steps of BPTT its norm fell to 1.8e-12 of what it was (state h of lstm, training "
        "step 5); try gates that start to keep (memory=, --memory), shorter sequences, or BPTT that is cut into windows"
    ]
    said = [alarm.hear([record(LEVEL), record(RISING, direction=1)]) for _ in range(6)]
    assert [len(each) for each in said] == [0, 0, 1, 0, 0, 0]
    assert said[2][0].endswith(
        "try a smaller clip_norm (--clip-norm, now none), or a lower learning_rate (--learning-rate, now 0.25)"
    )


def long_texts() -> tuple[list[str], list[str]]:
    """The first of forty words says it all."""
    random = np.random.default_rng(0)
    firsts = ["good", "bad"] * 16
    return [" ".join([first, *random.choice(list("abcdef"), 39)]) for first in firsts], firsts


def test_a_plain_network_is_warned_of_and_one_that_keeps_is_not(capfd: pytest.CaptureFixture[str]) -> None:
    options = {"cell": "rnn", "pooling": "last", "validation_fraction": 0.0, "batch_size": 4, "dropout": 0.0}
    small(**options).fit(*long_texts(), watch_gradients=2)
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert re.match(
        r"warning: the gradient vanishes: on 39 steps .* \(state h of recurrent, .* a gated cell \(lstm", err
    )
    small(**{**options, "pooling": "mean"}).fit(*long_texts(), watch_gradients=2)
    small(**{**options, "cell": "lstm", "memory": 100}).fit(*long_texts(), watch_gradients=2)
    small(**options).fit(*long_texts())
    assert capfd.readouterr().err == ""


def test_a_sparkline_has_a_block_for_each_power_of_ten() -> None:
    lines = [record(0.1 ** np.arange(8)), record(LEVEL, state="c"), record(FALLING, direction=1)]
    assert sparkline(lines) == "h ▇▆▅▄▃▂▁▁ c ▇▇▇▇▇▇▇▇"
    assert sparkline([record([2.0, 0.0, 0.02])]) == "h ▇▁▅"
    assert sparkline([record([0.0, 0.0])]) == "h ▁▁"
    assert sparkline([]) == ""


def test_the_line_of_an_epoch_and_the_bar_show_the_flow(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train(Signs(), SHORT, progress=True, watch_gradients=2)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(re.search(r" \d+\.\d s  h [▁▂▃▄▅▆▇]{6} c [▁▂▃▄▅▆▇]{6}  0:00:\d\d left$", line) for line in lines)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    train(Signs(), SHORT, progress=True, watch_gradients=2)
    assert re.search(r"score -0\.\d{4}  h [▁▂▃▄▅▆▇]{6} c [▁▂▃▄▅▆▇]{6}", capsys.readouterr().err)


# Arrays, table, picture


@pytest.fixture
def flow() -> TrainingFlow:
    """Of two steps, the second of which has twice the distances a place."""
    first = [record([4.0, 3.0, 2.0, 1.0, 5.0], step=1), record([1.0] * 5, state="c", step=1)]
    second = [record([7.0, 6.0], step=3, width=2), record([0.0, 2.0], state="c", step=3, width=2)]
    found = TrainingFlow.of([{"epoch": 1, FLOW: first}, {"epoch": 2}, {"epoch": 3, FLOW: second}])
    assert found is not None
    return found


def test_steps_of_other_places_are_brought_together(flow: TrainingFlow) -> None:
    assert (flow.steps.tolist(), flow.distances.tolist(), flow.width) == ([1, 3], [0, 2, 4], 2)
    assert list(flow.norms) == [("lstm", 0, "h"), ("lstm", 0, "c")]
    np.testing.assert_array_equal(flow.norms["lstm", 0, "h"], [[3.5, 1.5, 5.0], [7.0, 6.0, np.nan]])
    np.testing.assert_array_equal(flow.norms["lstm", 0, "c"], [[1.0, 1.0, 1.0], [0.0, 2.0, np.nan]])
    assert TrainingFlow.of([{"epoch": 1}]) is None


def test_the_table_has_what_was_recorded(flow: TrainingFlow) -> None:
    table = flow.to_frame()
    assert table.columns == ["step", "layer", "direction", "state", "distance", "width", "norm"]
    assert table.filter((table["step"] == 1) & (table["state"] == "h"))["norm"].to_list() == [4.0, 3.0, 2.0, 1.0, 5.0]
    assert table.filter((table["step"] == 3) & (table["state"] == "c")).rows()[1] == (3, "lstm", 0, "c", 2, 2, 2.0)


def test_the_picture_has_a_panel_for_each_state(flow: TrainingFlow) -> None:
    panels = [axes for axes in flow.plot().axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == ["h of lstm", "c of lstm"]
    assert panels[0].get_xlabel() == "training step"
    assert panels[0].get_ylabel() == "steps to the row's end"
    nothing = TrainingFlow.of([{FLOW: [record([0.0]), record([0.0], direction=1)]}])
    assert nothing is not None
    titles = [axes.get_title() for axes in nothing.plot().axes]
    assert "h of lstm, read from the end" in titles


# The command


def test_the_command_watches(folder: Path, ricorda_command: Command) -> None:
    done = ricorda_command(*TRAIN, "--watch-gradients", 2)
    assert done.code == 0
    assert done.out.endswith("in model/learning_curve.png, the gradient's flow in model/gradient_flow.png\n")
    assert re.search(r"epoch 2/2 .* h [▁▂▃▄▅▆▇]+ c ", done.err)
    assert (folder / "model" / "gradient_flow.png").read_bytes().startswith(b"\x89PNG")
    lines = [json.loads(line) for line in (folder / "model" / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [sorted({each["step"] for each in line[FLOW]}) for line in lines] == [[1, 3], [5, 7]]
    done = ricorda_command(*TRAIN, "--watch-gradients", 2, "--overwrite", "--json")
    assert FLOW not in json.loads(done.out)["best"]
    assert ricorda_command(*TRAIN, "--overwrite").out.endswith("its learning curve in model/learning_curve.png\n")
    assert "gradient_flow.png" not in os.listdir("model")
    assert "gradient_flow.png" not in (folder / "model" / "README.md").read_text(encoding="utf-8")
    for number in (0, -1):
        sentence = ricorda_command(*TRAIN, "--overwrite", "--watch-gradients", number).sentence
        assert sentence == f"--watch-gradients is {number}: give a whole number of at least 1"
    assert ricorda_command(*TRAIN, "--overwrite", "--watch-gradients", "ten").code == 2
