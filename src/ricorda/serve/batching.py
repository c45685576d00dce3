"""Predictions of requests that come at the same time are made together; nothing waits for others to come.

A model has a thread. When it is free it takes all that waits; meanwhile the next requests gather. So a request that
comes alone is answered at once, and many share a batch, whose rows the estimator sorts by length.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ricorda.errors import RicordaError
from ricorda.serve.refused import RefusedError
from ricorda.serve.settings import MOST_WAITING
from ricorda.shown import json_line

Lines = list[str]
"""What `ricorda predict --json` prints of an input: a line, or of a forecast several."""


class Inputs(list[Any]):
    """The inputs of a request, which know what they are called in messages."""

    def __init__(self, inputs: Sequence[Any], *, one: bool = False) -> None:
        super().__init__(inputs)
        self.one = one

    def place(self, index: int) -> str:
        """What to call an input in a message."""
        return "input" if self.one else f"inputs[{index}]"


@dataclass(eq=False)
class Asked:
    """Inputs that wait for their answers.

    Parameters
    ----------
    model : a trained estimator
    together : whether its answers do not depend on what is predicted beside them
    answer : set to the `Lines` of each input, or to an error, in the loop
    """

    model: Any
    together: bool
    inputs: Inputs
    options: Mapping[str, Any]
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[list[Lines]]

    def tell(self, answers: list[Lines] | Exception) -> None:
        """Give the answers, or why there are none, to who waits in the loop."""

        def give() -> None:
            if self.answer.done():  # Whoever asked has gone.
                return
            if isinstance(answers, Exception):
                self.answer.set_exception(answers)
            else:
                self.answer.set_result(answers)

        self.loop.call_soon_threadsafe(give)


class Batcher:
    """The thread of a model.

    Parameters
    ----------
    name : of the thread
    seen : called with the number of inputs of each batch
    together : whether requests share batches at all; a benchmark compares
    """

    def __init__(self, name: str, seen: Any = None, *, together: bool = True) -> None:
        self._waiting: list[Asked] = []
        self._changed = threading.Condition()
        self._seen, self._together, self._ended = seen, together, False
        self._thread = threading.Thread(target=self._work, name=f"predictions of {name}", daemon=True)
        self._thread.start()

    async def answers(
        self, model: Any, together: bool, inputs: Inputs, options: Mapping[str, Any], seconds: float
    ) -> list[Lines]:
        """The answers to a request's inputs.

        Raises
        ------
        RefusedError
            If too many wait, or the answers take too long.
        RicordaError
            If an input is invalid.
        """
        loop = asyncio.get_running_loop()
        asked = Asked(model, together, inputs, options, loop, loop.create_future())
        with self._changed:
            if sum(len(one.inputs) for one in self._waiting) + len(inputs) > MOST_WAITING:
                raise RefusedError(429, f"{MOST_WAITING:,} inputs wait already: ask again in a moment")
            self._waiting.append(asked)
            self._changed.notify()
        try:
            return await asyncio.wait_for(asked.answer, seconds)
        except TimeoutError:
            with self._changed:
                if asked in self._waiting:
                    self._waiting.remove(asked)
            raise RefusedError(503, f"the answer takes longer than {seconds:g} s: ask for less at a time") from None

    def end(self) -> None:
        """End the thread after what it is doing."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended)
                if self._ended:
                    return
                count = len(self._waiting) if self._together else 1
                taken, self._waiting = self._waiting[:count], self._waiting[count:]
            for group in _groups(taken):
                _answer(group)
                if self._seen is not None:
                    self._seen(sum(len(asked.inputs) for asked in group))


def _groups(taken: Sequence[Asked]) -> list[list[Asked]]:
    """Requests that are answered together: those of a model that allows it, without options."""
    groups: dict[Any, list[Asked]] = {}
    for asked in taken:
        alone = not asked.together or asked.options
        groups.setdefault(asked if alone else id(asked.model), []).append(asked)
    return list(groups.values())


def _answer(group: Sequence[Asked]) -> None:
    if len(group) == 1:
        asked = group[0]
        try:
            asked.tell(lines_of(asked.model, asked.inputs, asked.options))
        except Exception as error:  # It is the request's, and the thread goes on.
            asked.tell(error)
        return
    try:
        lines = lines_of(group[0].model, Inputs([one for asked in group for one in asked.inputs]), {})
    except Exception:  # One of them is wrong: it alone is told so.
        for asked in group:
            _answer([asked])
        return
    for asked in group:
        asked.tell(lines[: len(asked.inputs)])
        del lines[: len(asked.inputs)]


def lines_of(model: Any, inputs: Inputs, options: Mapping[str, Any]) -> list[Lines]:
    """The lines of each input."""
    try:
        answers = list(model.answers(inputs, **options))
    except TypeError as error:
        if options and "unexpected keyword" in str(error):
            raise RicordaError(f"a model of the task {model.TASK} has no such options: leave options out") from None
        raise
    return [list(map(json_line, answer)) if isinstance(answer, list) else [json_line(answer)] for answer in answers]
