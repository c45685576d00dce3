"""Training on two machines: namespaces with their own addresses, names and no folder in common, joined by a cable."""

import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest
from command_line import SMALL, TABLE
from hosts import hosts, obstacle
from small_models import LABELS, TEXTS, small
from training_tasks import Signs, weights

import ricorda
from ricorda.files import write_atomically
from ricorda.training import CHECKPOINT, HISTORY, TrainingOptions, train

pytestmark = pytest.mark.skipif(bool(obstacle()), reason=obstacle())

TESTS = Path(__file__).parents[1]
WHERE = {"PYTHONPATH": os.pathsep.join([str(TESTS), str(Path(ricorda.__file__).parents[1])])}


def test_two_machines_train_the_model_of_one_and_the_first_alone_tells(tmp_path: Path) -> None:
    write_atomically(tmp_path / "data.csv", TABLE)
    exact = ["--batch-size", "4", "--dropout", "0", "--word-dropout", "0"]
    with hosts(tmp_path) as both:
        running = [
            host.torchrun(
                both[0],
                *(2, "-m", "ricorda", "train", "classify", tmp_path / "data.csv", "--out", tmp_path / host.name),
                *(*SMALL, *exact, "--json"),
                environment=WHERE,
            )
            for host in both
        ]
        (out, told), (nothing, others) = (process.communicate(timeout=100) for process in running)
    assert [process.returncode for process in running] == [0, 0], told + others
    assert json.loads(out)["examples"] == 27
    assert nothing == ""
    assert sum(line.startswith("epoch ") for line in told.splitlines()) == 2
    assert "epoch " not in others
    assert not (tmp_path / "host-2").exists()
    alone = small(dropout=0.0, word_dropout=0.0, validation_fraction=0.1).fit(TEXTS, LABELS)  # in batches of 8
    together = ricorda.load(tmp_path / "host-1")
    for theirs, ours in zip(together.history_, alone.history_, strict=True):
        assert theirs["loss"] == pytest.approx(ours["loss"], abs=1e-6)
    assert together.predict_proba(TEXTS) == pytest.approx(alone.predict_proba(TEXTS), abs=1e-5)


def test_a_machine_that_is_heard_no_more_ends_both_and_one_goes_on(tmp_path: Path) -> None:
    with hosts(tmp_path) as both:
        first, second = (
            host.torchrun(
                *(both[0], 2, "--no-python", "sh", "-c"),
                f"cd {tmp_path} && exec {sys.executable} {TESTS / 'processes' / 'together.py'} slow",
                environment={**WHERE, "RICORDA_SILENCE": "2"},
            )
            for host in both
        )
        wait_for(lambda: lines_of(tmp_path / "slow-0" / HISTORY) >= 2, first)
        both[1].unplug()
        pulled = time.monotonic()
        _, told = first.communicate(timeout=30)
        seconds = time.monotonic() - pulled
        alone = re.compile(rb"together\.py")
        wait_for(lambda: not any(alone.search(words) for words in commands(both[1].processes())))
        second.send_signal(signal.SIGKILL)  # torchrun itself waits longer for the machine where they met.
    sentences = [line for line in told.splitlines() if line.startswith("error: ")]
    assert sentences == [
        "error: the training cannot go on, because process 1 on host-2 was not heard of for 2 s; what was learned is "
        "kept by the last checkpoint: start all again with --resume"
    ]
    assert first.returncode != 0
    assert seconds < 15
    run = tmp_path / "slow-0"
    learned = lines_of(run / HISTORY)
    assert 2 <= learned < 100
    assert (run / CHECKPOINT).exists()
    task, whole = Signs(dropout=0.0), Signs(dropout=0.0)
    options = TrainingOptions(epochs=100, batch_size=4)
    history = train(task, options, folder=run, resume=True)
    train(whole, TrainingOptions(epochs=100, batch_size=8))
    assert [record["epoch"] for record in history] == list(range(1, 101))
    for name, value in weights(whole).items():
        assert weights(task)[name].numpy() == pytest.approx(value.numpy(), abs=1e-3), name


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0


def commands(processes: list[int]) -> list[bytes]:
    found = []
    for process in processes:
        try:
            words = Path(f"/proc/{process}/cmdline").read_bytes()
        except OSError:  # It has ended.
            continue
        if b"torch.distributed.run" not in words:
            found.append(words)
    return found


def wait_for(holds: object, running: object = None) -> None:
    until = time.monotonic() + 60
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < until
        assert running is None or running.poll() is None  # type: ignore[attr-defined]
        time.sleep(0.05)
