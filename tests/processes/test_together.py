"""Processes that train one model: the same weights as one process, also after an interruption and by more or fewer."""

import json
import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
import safetensors.torch
import torch
from small_language_models import OPTIONS, Pressed, network, stream
from torch import Tensor
from training_tasks import Unequal, timeless, weights
from workers import ended, start_workers

from ricorda.training import CHECKPOINT, Interrupted, TrainingOptions, train
from ricorda.training.checkpoint import dealt_out
from ricorda.training.task import Task

TESTS = Path(__file__).parents[1]
PATHS = {"PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])}
ONE = TrainingOptions(epochs=3, batch_size=8, learning_rate=0.05, seed=3)
"""What one process has where each of two has batches of 4."""
BOUND = 15 * (1 + 33 * 0.05) * torch.finfo(torch.float64).eps
"""In each of 15 steps a weight, at most 1, is rounded once, and its change comes from sums in another order."""


@dataclass
class Left:
    """What the processes left: a folder for two, and one for the three that went on from theirs."""

    two: Path
    three: Path
    codes: list[int]


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    two, three = tmp_path_factory.mktemp("two"), tmp_path_factory.mktemp("three")
    stop(Unequal(), two / "resumed_of_one-0")
    script = TESTS / "processes" / "together.py"
    scenarios = ["whole", "stopped", "resumed_of_one", "states_stopped", "other_data", "killed"]
    workers = ended(start_workers(2, "-W", "error", script, *scenarios, folders=[two] * 2, environment=PATHS))
    codes = [code for code, _, _ in workers]
    assert codes == [0, -signal.SIGKILL], workers
    for before, after in (("stopped-0", "resumed-0"), ("states_stopped-0", "states_resumed-0")):
        shutil.copytree(two / before, three / after)
    more = ended(start_workers(3, script, "resumed", "states_resumed", folders=[three] * 3, environment=PATHS))
    assert [code for code, _, _ in more] == [0, 0, 0], more
    return Left(two, three, codes)


def stop(task: Task, folder: Path) -> None:
    """Train on one process, until somebody presses Ctrl-C in the eighth step."""
    ask, calls = task.loss, []

    def loss(rows: object) -> tuple[Tensor, Tensor]:
        calls.append(1)
        if len(calls) == 8:
            signal.raise_signal(signal.SIGINT)
        return ask(rows)  # type: ignore[arg-type]

    task.loss = loss  # type: ignore[method-assign]
    with pytest.raises(Interrupted):
        train(task, ONE, folder=folder)


def assert_like_one(folder: Path, task: Task, history: list[dict[str, float]], bound: float) -> None:
    theirs = safetensors.torch.load_file(folder / "weights.safetensors")
    for name, value in weights(task).items():
        torch.testing.assert_close(theirs[name], value, rtol=0, atol=bound, msg=name)
    records = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    for record, ours in zip(timeless(records), timeless(history), strict=True):
        assert record == pytest.approx(ours, rel=max(bound, 1e-12), abs=bound)


def test_more_or_fewer_processes_go_on_to_the_weights_of_one_that_never_stopped(left: Left, tmp_path: Path) -> None:
    one = Unequal()
    history = train(one, ONE)
    for rank in range(2):
        assert_like_one(left.two / f"whole-{rank}", one, history, BOUND)
        assert_like_one(left.two / f"resumed_of_one-{rank}", one, history, BOUND)
    for rank in range(3):
        assert_like_one(left.three / f"resumed-{rank}", one, history, BOUND)  # of two
    alone = Unequal()
    shutil.copytree(left.two / "stopped-0", tmp_path / "run")
    after = train(alone, TrainingOptions(**{**vars(ONE), "batch_size": 4}), folder=tmp_path / "run", resume=True)
    for name, value in weights(one).items():
        torch.testing.assert_close(weights(alone)[name], value, rtol=0, atol=BOUND, msg=name)
    assert [record["step"] for record in after] == [5, 10, 15]  # Its batches stay those of two.


def test_states_that_are_carried_over_go_to_those_who_go_on(left: Left, tmp_path: Path) -> None:
    options = TrainingOptions(**{**vars(OPTIONS), "batch_size": 8})
    one = Pressed(network(), stream(), stream(30), 7)
    history = train(one, options)
    for rank in range(3):
        assert_like_one(left.three / f"states_resumed-{rank}", one, history, 1e-4)
    alone = Pressed(network(), stream(), stream(30), 7)
    shutil.copytree(left.two / "states_stopped-0", tmp_path / "run")
    train(alone, OPTIONS, folder=tmp_path / "run", resume=True)
    for name, value in weights(one).items():
        torch.testing.assert_close(weights(alone)[name], value, rtol=0, atol=1e-4, msg=name)


def test_a_stop_that_one_process_hears_twice_is_saved_once_by_the_first(left: Left) -> None:
    said = {(left.two / f"stopped-{rank}" / "said").read_text(encoding="utf-8") for rank in range(2)}
    assert said == {
        "Interrupted: training stopped after 1 of 15 steps, in epoch 1 of 3; all is saved in stopped-0: "
        "go on with --resume"
    }
    assert not (left.two / "nowhere").exists()  # The folder of a process that is not the first.


def test_other_data_on_another_machine_is_refused(left: Left) -> None:
    for rank in range(2):
        said = (left.two / f"other_data-{rank}" / "said").read_text(encoding="utf-8")
        assert said == (f"ArgumentError: process {1 - rank} was given other data: give all the same files and options")


def test_a_killed_process_ends_the_others_and_the_checkpoint_stays(left: Left) -> None:
    said = (left.two / "killed-0" / "said").read_text(encoding="utf-8")
    assert said.startswith(
        "LostProcessError: the training cannot go on, because a process that trains with this one has ended ("
    )
    assert said.endswith("; what was learned is kept by the last checkpoint: start all again with --resume")
    assert (left.two / "killed-0" / CHECKPOINT).exists()
    records = (left.two / "killed-0" / "history.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(records) == 1  # It was killed in the second epoch.


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (2, 3), (3, 2), (4, 9)])
def test_carried_rows_are_dealt_out_anew(before: int, after: int) -> None:
    whole = torch.arange(2 * 7 * 3).view(2, 7, 3)
    carried = [{"0": whole[:, rank::before]} for rank in range(before)]
    for rank in range(after):
        mine = dealt_out(carried, rank, after)
        if rank < 7:
            assert torch.equal(mine["0"], whole[:, rank::after])
        else:
            assert mine == {}
    assert dealt_out([{}] * before, 0, after) == {}
