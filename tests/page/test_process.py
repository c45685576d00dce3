"""Commands in processes of their own: progress, stopping, going on, mistakes, and their end with the page's."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import ricorda
from ricorda.page.process import ALIVE, Job, State, end_all
from ricorda.training.folder import HISTORY

if TYPE_CHECKING:
    from command_line import Command

SMALL = ("--hidden-size", "4", "--batch-size", "8", "--tokenizer", "char", "--no-wide", "--valid", "data.csv")
LONG = 100_000  # epochs, which no test waits for


@pytest.fixture(autouse=True)
def _own_ricorda(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes run the code under test, wherever their folder is."""
    monkeypatch.setenv("PYTHONPATH", str(Path(ricorda.__file__).parents[1]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def training(folder: Path, *options: str, epochs: int = 3) -> Job:
    out = Path("model")
    arguments = ["train", "classify", "data.csv", "--out", str(out), "--epochs", str(epochs), *SMALL, *options]
    return Job(arguments, folder, out)


async def until(what: Callable[[], object], seconds: float = 120.0) -> None:
    """Wait for something that a job says."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.02)


def test_a_training_is_stopped_goes_on_and_is_a_model_in_the_end(folder: Path) -> None:
    async def run() -> Job:
        job = training(folder, "--watch-gradients", "1", epochs=60)
        job.start()
        assert job.state is State.WAITING
        await until(lambda: job.history)
        job.stop()
        await job.wait()
        assert (job.state, job.error, job.can_resume) == (State.STOPPED, None, True)
        assert "all is saved" in job.notices[-1]
        done = len(job.history)
        assert done < 60
        job.go_on()
        assert job.command.endswith(" --resume")
        await until(lambda: not job.alive)
        return job

    job = asyncio.run(run())
    assert (job.state, job.code, job.error) == (State.FINISHED, 0, None)
    written = [json.loads(line) for line in (folder / "model" / HISTORY).read_text(encoding="utf-8").splitlines()]
    assert job.history == [{name: value for name, value in one.items() if name != "gradient_flow"} for one in written]
    assert job.place["step"] == job.place["steps"] == written[-1]["step"]
    assert (job.place["epoch"], job.place["epochs"]) == (60, 60)
    steps = [step for step, _ in job.losses]
    assert steps == sorted(set(steps)), "the curve goes on where it was"
    assert all(loss > 0 for _, loss in job.losses)
    assert job.flow[0]["norm"]
    assert "accuracy" in str(job.score)
    assert "The model is in model" in job.said
    assert ricorda.load(folder / "model").classes_.tolist()
    assert not ALIVE


def test_a_mistake_is_the_commands_own_sentence(folder: Path, ricorda_command: "Command") -> None:
    (folder / "data.csv").write_text("text,label\ngood,yes\nbad\n", encoding="utf-8")

    async def run() -> tuple[Job, Job]:
        broken, misspelt = training(folder), training(folder, "--no-such-option")
        for job in (broken, misspelt):
            job.start()
            await job.wait()
        return broken, misspelt

    broken, misspelt = asyncio.run(run())
    assert (broken.state, broken.code) == (State.FAILED, 2)
    assert broken.error == ricorda_command(*broken.arguments).sentence
    assert "data.csv, row 3" in broken.error or "row 3 of data.csv" in broken.error
    assert not broken.can_resume
    assert (misspelt.state, misspelt.code) == (State.FAILED, 2)
    assert "No such option: --no-such-option" in str(misspelt.error)


def test_one_that_waits_starts_when_there_is_room_or_never(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ricorda.page.process.MOST_AT_ONCE", 1)

    async def run() -> None:
        first, second, third = (training(folder, epochs=LONG) for _ in range(3))
        first.start()
        await until(lambda: first.state is State.RUNNING)
        second.start()
        third.start()
        second.stop()
        await second.wait()
        assert second.state is State.STOPPED
        assert third.state is State.WAITING
        first.kill()
        await until(lambda: third.state is State.RUNNING)
        assert (first.state, first.code, first.error) == (State.FAILED, -signal.SIGKILL, None)
        await end_all()
        assert third.state is State.STOPPED
        assert not third.can_resume, "it was asked before it had learned anything"
        assert not ALIVE

    asyncio.run(run())


PAGE = """
    import asyncio, sys
    from pathlib import Path
    from ricorda.page.process import Job

    async def page():
        job = Job(sys.argv[1:], Path.cwd(), Path("model"))
        job.start()
        while not job.history:
            await asyncio.sleep(0.05)
        print(job._process.pid, flush=True)
        await asyncio.sleep(600)

    asyncio.run(page())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes end otherwise there")
def test_a_page_that_is_killed_leaves_a_training_that_saves_and_ends(folder: Path) -> None:
    arguments = training(folder, epochs=LONG).arguments
    page = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PAGE), *arguments], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    assert page.stdout is not None
    pid = int(page.stdout.readline())
    page.kill()
    page.wait()
    page.stdout.close()
    end = time.monotonic() + 60
    while _runs(pid):
        assert time.monotonic() < end, "the training runs on"
        time.sleep(0.05)
    assert Job([], folder, Path("model")).can_resume


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")  # One that has ended and that nobody waits for is still there.
    return not (status.exists() and status.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z")


def test_a_comparison_says_which_training_is_under_way(folder: Path) -> None:
    async def run() -> tuple[Job, list[str]]:
        options = ("--cells", "rnn,gru", "--seeds", "1", "--epochs", "1", *SMALL)
        arguments = ("compare", "classify", "data.csv", "--out", "compared", *options)
        job = Job([each for each in arguments if each != "--no-wide"], folder)
        titles: list[str] = []
        job.start()
        while job.alive:
            if job.training and job.training["title"] not in titles:
                titles.append(job.training["title"])
            await asyncio.sleep(0.01)
        return job, titles

    job, titles = asyncio.run(run())
    assert job.state is State.FINISHED, job.error
    assert (job.training["number"], job.training["of"]) == (2, 2)
    assert [title.split(",")[0] for title in titles] == ["rnn", "gru"]
    assert job.place["step"] == job.place["steps"], "the trainings themselves tell as well"
    assert (folder / "compared" / "report.html").exists()
