"""The sample model: a classifier of film reviews, trained from the shipped reviews when it is first wanted."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import shutil
from contextlib import suppress
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

from ricorda import __version__
from ricorda.page.process import Job
from ricorda.page.settings import Settings
from ricorda.tasks.folder import holds_model

NAME = "reviews"
"""What the model is called among the others."""
OPTIONS = ("--tokenizer", "word", "--min-frequency", "2")
"""As in `make demo`."""
DATA = files("ricorda.samples").joinpath("reviews.csv")

_trainings: dict[Path, Training] = {}


class Training:
    """The training of a sample model, which all who want it share.

    Attributes
    ----------
    job : Job
        The command; its `place` says how far it is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._beside = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with as_file(DATA) as data:  # The package's own file, unless the package is zipped.
            arguments = ("train", "classify", str(data), *OPTIONS, "--out", self._beside.name)
            self.job = Job(arguments, folder.parent, Path(self._beside.name))
        self.job.start()
        self._task = asyncio.get_running_loop().create_task(self._finish())

    async def wait(self) -> None:
        """Wait until the model is there, or the training has failed: see `job.error`."""
        await asyncio.wait([self._task])

    @property
    def share(self) -> float:
        """The share of the training that is done."""
        place = self.job.place
        return place["step"] / place["steps"] if place.get("steps") else 0.0

    async def _finish(self) -> None:
        """Give the model its name when it is whole; another page may have been sooner."""
        try:
            await self.job.wait()
            if self.job.code == 0:
                with suppress(OSError):
                    self._beside.rename(self.folder)
        finally:
            shutil.rmtree(self._beside, ignore_errors=True)
            del _trainings[self.folder]


def folder_of(settings: Settings) -> Path:
    """Where the sample model is kept: other reviews, options or another version make another one."""
    return settings.folder / "samples" / f"{NAME}-{__version__}-{_digest()}"


@cache
def _digest() -> str:
    return hashlib.sha256(json.dumps(OPTIONS).encode() + DATA.read_bytes()).hexdigest()[:12]


def ready(settings: Settings) -> Path | None:
    """The folder of the sample model, if it has been trained."""
    folder = folder_of(settings)
    return folder if holds_model(folder) else None


def train(settings: Settings) -> Training:
    """The training of the sample model, which begins if none is under way. Call it where an event loop runs."""
    folder = folder_of(settings)
    if folder not in _trainings:
        _trainings[folder] = Training(folder)
    return _trainings[folder]
