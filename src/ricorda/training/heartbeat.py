"""Whether all processes that train together are alive. Where one is lost the others end, with one sentence.

A process that is killed is noticed at once, in the next sum of gradients: the system closes its connections. A machine
that loses its power or its network closes none, and a process that waits for it would wait for ever. So each says every
second that it is alive, in the store through which torchrun brought them together, and reads whether the others do.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ricorda.errors import ArgumentError
from ricorda.telling import tells

VARIABLE, USUAL = "RICORDA_SILENCE", 60.0
"""The environment variable with the seconds of silence after which a process is lost, and their usual number."""

LOST = "what was learned is kept by the last checkpoint: start all again with --resume"
"""What to do when a process was lost."""

ENDED = 2
"""The exit code of a process that ends because another was lost."""

_DONE = "done"


def silence() -> float:
    """The seconds of silence after which a process is lost. Raises ArgumentError if the variable holds no such."""
    text = os.environ.get(VARIABLE, str(USUAL))
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 86_400:
        raise ArgumentError(f"{VARIABLE} is {text!r}: give seconds, from 1 to 86400")
    return seconds


class Heartbeat:
    """Says that this process is alive, and listens to the others, in two threads.

    One talks with the store, and may wait there for a machine that is no more; the other one looks at the clock.

    Parameters
    ----------
    store : torch.distributed.Store
        It holds a word of each process: what changes while it lives.
    names
        What each process is called, by its rank.
    rank
        This process's own.
    end
        Called with a sentence when a process was lost; it does not return.
    """

    def __init__(self, store: Any, names: list[str], rank: int, end: Callable[[str], None]) -> None:
        self._store, self._names, self._rank, self._end = store, names, rank, end
        self._silence = silence()
        self._parent = os.getppid()
        self._stopped = threading.Event()
        self._words = [""] * len(names)
        self._store_failed = ""
        self._hear_all()
        for work in (self._talk, self._watch):
            threading.Thread(target=work, name="ricorda-heartbeat", daemon=True).start()

    def stop(self) -> None:
        """Say that this process ends as it should, and listen no more."""
        self._stopped.set()
        within(lambda: self._store.set(key_of(self._rank), _DONE))

    def _hear_all(self) -> None:
        now = time.monotonic()
        self._heard, self._answered, self._looked = [now] * len(self._names), now, now

    def _talk(self) -> None:
        keys, beat = [key_of(rank) for rank in range(len(self._names))], 0
        while not self._stopped.wait(min(1.0, self._silence / 10)):
            beat += 1
            try:
                self._store.set(keys[self._rank], str(beat))
                words = [word.decode() for word in self._store.multi_get(keys)]
            except RuntimeError as error:  # torch's errors of connections are such.
                self._store_failed = str(error).partition("\n")[0]
                return
            now = self._answered = time.monotonic()
            for rank, word in enumerate(words):
                if word != self._words[rank] or word == _DONE:
                    self._words[rank], self._heard[rank] = word, now

    def _watch(self) -> None:
        pause = min(1.0, self._silence / 10)
        while not self._stopped.wait(pause):
            now = time.monotonic()
            if now - self._looked > 5 + pause:  # This process itself stood still, so it could not hear.
                self._hear_all()
            self._looked = now
            if (trouble := self._trouble(now)) and not self._stopped.is_set():
                self._end(f"the training cannot go on, because {trouble}; {LOST}")

    def _trouble(self, now: float) -> str:
        """Who was lost, in words; nothing if all are alive."""
        if os.getppid() != self._parent:
            return "the torchrun that started it has ended"
        seconds = f"{self._silence:g} s"
        if self._store_failed or now - self._answered > self._silence:
            if self._words[0] == _DONE or os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
                return ""  # The store is the first process's own, which may have ended as it should.
            why = "closed its connection" if self._store_failed else f"did not answer for {seconds}"
            return f"the torchrun of {self._names[0]} {why}"
        for rank, heard in enumerate(self._heard):
            if rank != self._rank and now - heard > self._silence:
                return f"{self._names[rank]} was not heard of for {seconds}"
        return ""


def within(ask: Callable[[], Any], seconds: float = 3.0) -> Any:
    """What a store answers; None if it does not for so long, or its machine is no more, for which it would wait."""
    answers = []

    def work() -> None:
        with suppress(RuntimeError):  # torch's errors of connections are such.
            answers.append(ask())

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    return answers[0] if answers else None


def key_of(rank: int) -> str:
    """Where a process's word is in the store."""
    return f"alive/{rank}"


def end_process(sentence: str) -> None:
    """Print a sentence and end this process at once, from any thread: it may be waiting for one that was lost."""
    if tells():
        print(f"error: {sentence}", file=sys.stderr, flush=True)
    os._exit(ENDED)
