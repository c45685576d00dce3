"""A command of `ricorda` in a process of its own: what it says of its progress, stopping, going on, and its end.

The page trains and compares by the commands themselves, so the command line that it shows is the one that ran.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any

from ricorda.training.progress import VARIABLE

MOST_AT_ONCE = max(4, os.cpu_count() or 1)
"""Processes that run at the same time; further ones wait."""

LONGEST = 1 << 20
"""Bytes of the longest line that is read."""

MOST_POINTS = 1_000
"""Points of the curve of losses, which is thinned out beyond."""

MOST_LINES = 100
"""Lines that are kept of what a command says."""

GRACE = 30.0
"""Seconds that processes have to save and end when the page ends."""

_BETWEEN_LOOKS = 0.1  # seconds between two looks whether there is room

ALIVE: set[Job] = set()
"""The jobs that wait or run."""


class State(Enum):
    """How a job stands."""

    NEW = "new"
    WAITING = "waiting"  # for others to end
    RUNNING = "running"
    STOPPING = "stopping"  # It was asked to stop, and saves what it has.
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"


class Job:
    """A command in a process of its own.

    Parameters
    ----------
    arguments : sequence of str
        What follows `ricorda` in the command line.
    folder : Path
        The folder in which it runs; paths in the arguments may be relative to it.
    out : Path, optional
        The model folder that it writes, if it is a training that can go on with `--resume`.

    Attributes
    ----------
    state : State
        How it stands.
    version : int
        It rises with everything that changes, so that a view sees whether it has to be drawn anew.
    place : dict
        epoch, epochs, step and steps of the training under way; seconds_left and tokens_per_second, if they are known.
    losses : list of (int, float)
        Training steps, and the mean loss since the one before.
    history : list of dict
        The records of the finished epochs, as in `history.jsonl`, without the gradient's flow.
    score : str or None
        The last epoch's score in words.
    flow : list of dict
        The gradient's flow in the last step that was watched: `ricorda.training.flow.FlowRecord`s.
    warnings : list of str
        What the alarm says of the gradient.
    training : dict
        Of a comparison: title of the training under way, its number, and of how many.
    notices : list of str
        What else the command said on the standard error.
    said : str
        What it said on the standard output.
    error : str or None
        Why it failed, in the command's own sentence; None if it failed without a word.
    code : int or None
        The exit code, negative if a signal ended it; None before the end.
    """

    def __init__(self, arguments: Sequence[str], folder: Path, out: Path | None = None) -> None:
        self.arguments, self.folder, self.out = tuple(arguments), folder, out
        self.state, self.version = State.NEW, 0
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._more: tuple[str, ...] = ()
        self.place: dict[str, Any] = {}
        self.losses: list[tuple[int, float]] = []
        self.history: list[dict[str, Any]] = []
        self.score: str | None = None
        self.flow: list[dict[str, Any]] = []
        self.warnings: list[str] = []
        self._forget()

    def _forget(self) -> None:
        """Begin with nothing said; what the curve shows stays until the training begins."""
        self.training: dict[str, Any] = {}
        self.notices: list[str] = []
        self.said = ""
        self.error: str | None = None
        self.code: int | None = None

    @property
    def command(self) -> str:
        """The command line, as a shell reads it."""
        return shlex.join(["ricorda", *self.arguments, *self._more])

    @property
    def alive(self) -> bool:
        """Whether it waits or runs."""
        return self in ALIVE

    @property
    def can_resume(self) -> bool:
        """Whether a training left something to go on from."""
        if self.alive or self.out is None:
            return False
        from ricorda.tasks.runs import holds_training

        return holds_training(self.folder / self.out)

    def start(self, *more: str) -> None:
        """Run the command, with more arguments; call it where an event loop runs. It does nothing while it runs."""
        if self.alive:
            return
        self._more = more
        self._forget()
        ALIVE.add(self)
        self._set(State.WAITING)
        self._task = asyncio.get_running_loop().create_task(self._run())

    def go_on(self) -> None:
        """Run it again where it was stopped: a training with `--resume` if it left anything, else the same command."""
        self.start(*(("--resume",) if self.can_resume else ()))

    def stop(self) -> None:
        """Ask it to save what was learned and to end; asked again, it ends at once."""
        if not self.alive:
            return
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGINT)
        self._set(State.STOPPING)

    async def wait(self) -> None:
        """Wait until it has ended."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def kill(self) -> None:
        """End it at once; a training keeps its last epoch."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def _run(self) -> None:
        try:
            while self.state is State.WAITING and len([job for job in ALIVE if job._process]) >= MOST_AT_ONCE:
                await asyncio.sleep(_BETWEEN_LOOKS)
            if self.state is State.WAITING:
                await self._run_process()
        finally:
            if self._process is not None and self._process.returncode is None:  # The event loop itself ends.
                with suppress(ProcessLookupError):
                    self._process.send_signal(signal.SIGINT)
            self._process = None
            ALIVE.discard(self)
            self._set(self._final())

    async def _run_process(self) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # No file of the folder is taken for a module.
            "-m",
            "ricorda",
            *self.arguments,
            *self._more,
            cwd=self.folder,
            env=_environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LONGEST,
            start_new_session=True,  # Ctrl-C in the terminal reaches the page alone, which stops each job once.
        )
        self._process = process
        if self.state is State.STOPPING:
            self.stop()  # It was asked while the process was being made.
        else:
            self._set(State.RUNNING)
        assert process.stdout is not None
        assert process.stderr is not None
        await asyncio.gather(self._read_output(process.stdout), self._read_progress(process.stderr))
        self.code = await process.wait()

    async def _read_output(self, stream: asyncio.StreamReader) -> None:
        lines: list[str] = []
        async for line in _lines(stream):
            lines = [*lines[1 - MOST_LINES :], line]
        self.said = "\n".join(lines)

    async def _read_progress(self, stream: asyncio.StreamReader) -> None:
        async for line in _lines(stream):
            message = _message(line)
            if message is not None:
                self._hear(message)
            elif line.startswith("error: "):
                self.error = line.removeprefix("error: ")
            elif line.strip():
                self.notices = [*self.notices[1 - MOST_LINES :], line]
            self.version += 1

    def _hear(self, message: dict[str, Any]) -> None:
        """Take in what `ricorda.training.progress` tells a program."""
        about = message.pop("about")
        if about == "training":
            self.training = message
        elif about == "warning":
            self.warnings.append(message["sentence"])
        elif about == "begin":
            self.history, self.warnings = message.pop("history"), []
            self.losses = [point for point in self.losses if point[0] <= message["step"]] if message["step"] else []
            self.place, self.score = message, None
        elif about == "step":
            self.losses.append((message["step"], message.pop("loss")))
            if len(self.losses) > MOST_POINTS:
                self.losses = self.losses[::2]
            self.flow = message.pop("flow", self.flow)
            self.place = message
        elif about == "epoch":
            self.history.append(message.pop("record"))
            self.score = message.pop("score")
            self.place = {**self.place, **message}

    def _set(self, state: State) -> None:
        self.state = state
        self.version += 1

    def _final(self) -> State:
        if self.code == 0:
            return State.FINISHED
        if self.state is State.STOPPING or self.code in (128 + signal.SIGINT, -signal.SIGINT):
            return State.STOPPED
        if self.error is None and self.notices and self.code is not None and self.code > 0:
            self.error = self.notices[-1]
        return State.FAILED


async def end_all() -> None:
    """Ask every job to save and to end, and end those that have not after a while."""
    jobs = list(ALIVE)
    for job in jobs:
        if job.state is not State.STOPPING:
            job.stop()
    tasks = [job._task for job in jobs if job._task is not None]
    if not tasks:
        return
    await asyncio.wait(tasks, timeout=GRACE)
    for job in jobs:
        job.kill()
    await asyncio.wait(tasks)


def _environment() -> dict[str, str]:
    """The page's own, with progress for a program, and with paths that hold in another folder."""
    own = dict(os.environ)
    if "PYTHONPATH" in own:
        own["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, own["PYTHONPATH"].split(os.pathsep)))
    return {**own, VARIABLE: "json", "PYTHONIOENCODING": "utf-8"}


async def _lines(stream: asyncio.StreamReader) -> Any:
    """The lines of a stream without their ends; those that are too long are left out."""
    while True:
        try:
            line = await stream.readline()
        except ValueError:
            continue
        if not line:
            return
        yield line.decode("utf-8", "replace").rstrip("\r\n")


def _message(line: str) -> dict[str, Any] | None:
    """A line of progress; None if it is none."""
    if not line.startswith('{"about": '):
        return None
    try:
        return dict(json.loads(line))
    except ValueError:
        return None
