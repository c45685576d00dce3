"""Steps of many sessions that wait at the same time are taken together, and nothing waits for others to come."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ricorda.errors import DataError
from ricorda.serve.stepping.session import Session
from ricorda.serve.stepping.stepped import Stepped

AT_A_TIME = 1_000
"""Steps of the network that a message may hold."""

HERE = 20_000_000
"""Multiplications (some milliseconds) that are done in the loop itself; larger work goes to a thread."""

Waiting = tuple[Session, Sequence[Any], asyncio.Future[Any]]


class StepQueue:
    """The steps that wait for a model, taken when the loop has read all messages that are there.

    Parameters
    ----------
    stepped : Stepped
        The model.
    seen : called with the number of sessions of each batch
    """

    def __init__(self, stepped: Stepped, seen: Any = None) -> None:
        self.stepped, self._seen = stepped, seen
        self._waiting: list[Waiting] = []
        self._due = False
        self._thread = ThreadPoolExecutor(1, "steps")

    def put(self, session: Session, steps: Sequence[Any]) -> asyncio.Future[Any]:
        """Take steps of a session; a session may have no others waiting. The future gets what the model says.

        Raises
        ------
        DataError
            If they are too many.
        """
        if len(steps) > AT_A_TIME:
            raise DataError(f"a step holds {len(steps):,} tokens, more than {AT_A_TIME:,}: send fewer at a time")
        if session.steps + len(steps) > self.stepped.most:
            raise DataError(f"a session has at most {self.stepped.most:,} steps: begin anew")
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting.append((session, steps, future))
        if not self._due:
            self._due = True
            loop.call_soon(self._start, loop)
        return future

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        taken, self._waiting = self._waiting, []
        if self._seen is not None:
            self._seen(len(taken))
        if self.stepped.work * sum(len(steps) for _, steps, _ in taken) < HERE:
            try:
                self._give(taken, self._take(taken))
            except Exception as error:
                self._fail(taken, error)
            self._again(loop)
            return

        def done(work: asyncio.Future[Any]) -> None:
            error = work.exception()
            if error is None:
                self._give(taken, work.result())
            else:
                self._fail(taken, error)
            self._again(loop)

        loop.run_in_executor(self._thread, self._take, taken).add_done_callback(done)

    def _again(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = bool(self._waiting)
        if self._due:
            loop.call_soon(self._start, loop)

    def _take(self, taken: Sequence[Waiting]) -> Any:
        for number in range(max(len(steps) for _, steps, _ in taken)):
            now = [(session, steps[number]) for session, steps, _ in taken if len(steps) > number]
            self.stepped.take([session for session, _ in now], [step for _, step in now])
        return self.stepped.say([session for session, _, _ in taken])

    def _give(self, taken: Sequence[Waiting], said: Any) -> None:
        for (_, _, future), one in zip(taken, said, strict=True):
            if not future.done():
                future.set_result(one)

    def _fail(self, taken: Sequence[Waiting], error: BaseException) -> None:
        for _, _, future in taken:
            if not future.done():
                future.set_exception(error)
