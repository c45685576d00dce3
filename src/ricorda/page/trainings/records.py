"""A browser's own trainings: which command made each model, so that one that was stopped can go on another day."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from ricorda.files import write_atomically
from ricorda.page.process import ALIVE, Job
from ricorda.page.trainings.store import MODELS, new_number
from ricorda.tasks.folder import holds_model
from ricorda.tasks.runs import holds_training

RECORDS = "trainings"
"""The folder of what is noted of each training, beside the models."""

WATCHED = "20"
"""The gradient is watched in each so many steps."""

_SHOWN: dict[Path, Job] = {}
"""The training that each browser started or took up last, by the browser's folder."""


def shown(folder: Path) -> Job | None:
    """The training that a browser started or took up last."""
    return _SHOWN.get(folder)


def name_of(job: Job) -> str:
    """The name of the model that a training makes."""
    assert job.out is not None
    return job.out.name


def new_name(folder: Path, cell: str, taken: Sequence[str]) -> str:
    """A name for a model that no other has."""
    return f"{cell}-{new_number([*taken, *trainings(folder)], cell)}"


def arguments(task: str, data: str, name: str, cell: str, options: Sequence[str]) -> list[str]:
    """The command that trains."""
    out = ("--out", f"{MODELS}/{name}", "--cell", cell, "--watch-gradients", WATCHED)
    return ["train", task, data, *out, *options]


def start(folder: Path, name: str, command: Sequence[str]) -> Job:
    """Start a training, unless one of this browser is alive, which is returned then."""
    now = shown(folder)
    if now is not None and now.alive:
        return now
    (folder / RECORDS).mkdir(exist_ok=True)
    write_atomically(folder / RECORDS / f"{name}.json", json.dumps(list(command)))
    job = _job(folder, name, command)
    job.start()
    return job


def take_up(folder: Path, name: str) -> Job | None:
    """Go on with a training that was stopped; None if nothing is known of it."""
    now = shown(folder)
    if now is not None and (now.alive or name_of(now) == name):
        now.go_on()
        return now
    command = trainings(folder).get(name)
    if command is None:
        return None
    job = _job(folder, name, command)
    job.go_on()
    return job


def trainings(folder: Path) -> dict[str, list[str]]:
    """The trainings of which something is there: name -> command."""
    known = {}
    for path in sorted((folder / RECORDS).glob("*.json")):
        try:
            command = [str(word) for word in json.loads(path.read_text("utf-8"))]
        except (OSError, ValueError):
            continue
        known[path.stem] = command
    return known


def task_of(folder: Path, name: str) -> str | None:
    """The task of a training; None if it is not known."""
    command = trainings(folder).get(name)
    return command[1] if command is not None and len(command) > 1 else None


def in_use(folder: Path) -> set[str]:
    """What trainings and comparisons read that run, or that may go on."""
    read = {word for job in ALIVE if job.folder == folder for word in job.arguments}
    known = trainings(folder)
    return read.union(*(known[name] for name in stopped(folder)))


def stopped(folder: Path) -> list[str]:
    """Trainings that left a checkpoint and no model, and that do not run."""
    now = shown(folder)
    running = name_of(now) if now is not None and now.alive else None
    models = [folder / MODELS / name for name in trainings(folder) if name != running]
    return [model.name for model in models if holds_training(model) and not holds_model(model)]


def remove(folder: Path, name: str) -> None:
    """Remove a model of a browser's own, or what a training has left; not one that runs."""
    now = shown(folder)
    if now is not None and name_of(now) == name:
        if now.alive:
            return
        _SHOWN.pop(folder)
    if name in trainings(folder):
        shutil.rmtree(folder / MODELS / name, ignore_errors=True)
        (folder / MODELS / f".{name}.zip").unlink(missing_ok=True)
        (folder / RECORDS / f"{name}.json").unlink(missing_ok=True)


def _job(folder: Path, name: str, command: Sequence[str]) -> Job:
    _SHOWN[folder] = Job(command, folder, Path(MODELS) / name)
    return _SHOWN[folder]
