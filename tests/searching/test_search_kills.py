"""Processes of a search: killed, two at once, several of one command; and the command without Optuna."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from command_line import TABLE
from search_kills import Search
from small_models import LABELS, TEXTS, small

from ricorda import search
from ricorda.errors import ArgumentError
from ricorda.searching.duration import seconds_of
from ricorda.searching.work import in_processes


def test_a_search_that_is_killed_goes_on_and_loses_the_running_trials_alone(tmp_path: Path) -> None:
    killed = Search(tmp_path, trials=6)
    for after in (4.2, 3.7):
        killed.kill(after)
    states = killed.end()
    assert len(killed.finished) == 6
    assert states["FAIL"] <= killed.kills


def test_two_processes_at_once_make_as_many_trials_as_one(tmp_path: Path) -> None:
    shared = Search(tmp_path, trials=5)
    both = [shared.start() for _ in range(2)]
    said = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    shared.check()
    assert len(shared.finished) == 5
    assert said[0][0] == said[1][0]


def test_several_processes_of_one_search_share_its_trials(tmp_path: Path) -> None:
    model = small(validation_fraction=0.4, wide=False)
    result = search(model, TEXTS, LABELS, space={"dropout": [0.0, 0.2, 0.4]}, trials=4, jobs=2, folder=tmp_path)
    assert len(result.trials) == 4
    assert len({path.name for path in (tmp_path / "runs").iterdir()}) == 3 * len(result.repeated)
    again = search(model, TEXTS, LABELS, space={"dropout": [0.0, 0.2, 0.4]}, trials=4, folder=tmp_path)
    assert again.to_json() == result.to_json()


def test_mistakes_in_other_processes_arrive(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ArgumentError, match="time_limit is 'soon'"):
        in_processes(seconds_of, [("soon",)])
    with pytest.raises(RuntimeError, match="has failed"):
        in_processes(os._exit, [(1,)])
    in_processes(signal.raise_signal, [(signal.SIGKILL,)])
    assert "was killed, perhaps for want of memory" in capfd.readouterr().err
    with pytest.raises(ArgumentError, match="jobs sends the data to other processes"):
        in_processes(os._exit, [(threading.Lock(),)])


def test_without_optuna_a_sentence_names_the_extra(tmp_path: Path) -> None:
    (tmp_path / "optuna.py").write_text('raise ImportError("no", name="optuna")', encoding="utf-8")
    (tmp_path / "data.csv").write_text(TABLE, encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "ricorda", "search", "classify", "data.csv"]
    options = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": path}, "capture_output": True, "text": True}
    done = subprocess.run(command, **options, check=False)  # type: ignore[call-overload]
    assert done.returncode == 2
    assert done.stderr == "error: optuna is not installed: run `pip install 'ricorda[search]'`\n"
    named = subprocess.run([*command[:-2], "--help"], **options, check=False)  # type: ignore[call-overload]
    assert named.returncode == 0
    python = [sys.executable, "-c", "from ricorda import *; search"]
    assert subprocess.run(python, **options, check=False).returncode == 0  # type: ignore[call-overload]
