"""Ctrl-C while training: the step under way is finished and saved first; a second Ctrl-C stops at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(KeyboardInterrupt):
    """Training was stopped by Ctrl-C after a checkpoint was written; the message says how to go on."""


class Interruption:
    """Whether Ctrl-C was pressed."""

    requested = False


@contextmanager
def noticing_interruption() -> Iterator[Interruption]:
    """Within the block the first Ctrl-C only sets a flag; after it the previous handler is back.

    Nothing changes, and the flag stays unset, outside the main thread, where Python permits no handlers, and where
    Ctrl-C is ignored or handled by code other than Python's.
    """
    interruption = Interruption()
    previous = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(previous):
        yield interruption
        return

    def notice(_number: int, _frame: FrameType | None) -> None:
        interruption.requested = True
        signal.signal(signal.SIGINT, previous)

    signal.signal(signal.SIGINT, notice)
    try:
        yield interruption
    finally:
        signal.signal(signal.SIGINT, previous)
