"""A training in a process of its own, as the page sees it: what it says, and how it is stopped."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from ricorda.errors import RicordaError

MOST_AT_ONCE = 2
"""Trainings of all visitors that run at the same time: further ones would only make all of them slow."""
LONGEST = 2**22
"""Bytes of a line at most."""

_running: set[Live] = set()


class BusyError(RicordaError):
    """As many trainings run as may."""


class Live:
    """A training of one visitor; it begins with `looks`, and `stop` ends it."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._stopped = False

    @property
    def running(self) -> bool:
        """Whether it runs, or is about to."""
        return self in _running

    async def looks(self, settings: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """What `training.look` says of a training, until it ends or is stopped.

        Raises
        ------
        BusyError
            If too many run already.
        RicordaError
            If it cannot go on, with the sentence why.
        """
        if len(_running) >= MOST_AT_ONCE:
            raise BusyError(f"{MOST_AT_ONCE} trainings are running")
        _running.add(self)
        self._stopped = False
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "ricorda.page.gradient.training",
                json.dumps(settings),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                # One thread is the fastest for layers so small, and leaves the others to the page.
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                limit=LONGEST,
                start_new_session=True,
            )
            if self._stopped:
                return
            assert self._process.stdout is not None
            async for line in self._process.stdout:
                message = json.loads(line)
                if "error" in message:
                    raise RicordaError(message["error"])
                yield message
            if not self._stopped and await self._process.wait():
                raise RicordaError(f"the training's process ended with {self._process.returncode}: start it again")
        finally:
            self.stop()
            if self._process is not None:
                await self._process.wait()
            _running.discard(self)

    def stop(self) -> None:
        """End it at once."""
        self._stopped = True
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
