"""What the routes of a server share: its models, its sessions, and whether it is being stopped."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from ricorda.errors import ArgumentError
from ricorda.serve.metrics import Metrics
from ricorda.serve.models import Models, Served
from ricorda.serve.refused import RefusedError
from ricorda.serve.settings import Settings
from ricorda.serve.stepping.queue import StepQueue
from ricorda.serve.stepping.session import Session


@dataclass(eq=False, slots=True)
class Held:
    """A session that a sequence or a stream holds.

    Parameters
    ----------
    served : the model as it was when the session began
    used : when it was used last, by `time.monotonic`
    end : called with a sentence when it has been idle for too long
    """

    served: Served
    session: Session
    used: float
    end: Any


@dataclass(eq=False)
class Site:
    """One process of a server."""

    settings: Settings
    metrics: Metrics = field(default_factory=Metrics)
    together: bool = True
    stopping: bool = False
    streams: set[Any] = field(default_factory=set)
    held: set[Held] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.models = Models(self.settings, self.metrics, together=self.together)
        self._queues: dict[int, tuple[Served, StepQueue]] = {}

    def hold(self, served: Served, session: Session, end: Any) -> Held:
        """Count a session in.

        Raises
        ------
        RefusedError
            If there are as many as there may be.
        """
        most = max(1, self.settings.max_sessions // self.settings.workers)
        if len(self.held) >= most:
            raise RefusedError(429, f"the server holds {most:,} sessions, and no more: end one, or come back later")
        held = Held(served, session, time.monotonic(), end)
        self.held.add(held)
        return held

    def release(self, held: Held) -> None:
        """Count a session out."""
        self.held.discard(held)

    def queue(self, served: Served) -> StepQueue:
        """The steps that wait for a model; raises RefusedError if it takes no steps."""
        known = self._queues.get(id(served))
        if known is None or known[0] is not served:
            try:
                stepped = served.stepped
            except ArgumentError as error:
                raise RefusedError(422, str(error)) from None
            queue = StepQueue(stepped, self.metrics.together.labels(served.name).observe)
            known = self._queues[id(served)] = (served, queue)
            alive = {id(self.models.get(name)) for name in self.models} | {id(one.served) for one in self.held}
            self._queues = {key: value for key, value in self._queues.items() if key in alive or key == id(served)}
        return known[1]

    async def end_idle(self) -> None:
        """End sessions that are not used; goes on until it is cancelled."""
        idle = self.settings.idle
        while True:
            await asyncio.sleep(min(1.0, idle / 4))
            limit = time.monotonic() - idle
            for held in [held for held in self.held if held.used < limit]:
                self.release(held)
                await held.end(f"the session was not used for {idle:g} s, and has ended")
