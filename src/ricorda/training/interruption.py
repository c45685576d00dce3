"""Ctrl-C and SIGTERM while training: the step under way is finished and saved first; the same again stops at once."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(KeyboardInterrupt):
    """Training was stopped by a signal after a checkpoint was written; the message says how to go on."""


class Interruption:
    """Whether the run was asked to stop."""

    requested = False


@contextmanager
def noticing_interruption(of_several: bool = False) -> Iterator[Interruption]:
    """Within the block the first Ctrl-C or SIGTERM only sets a flag; after it the previous handlers are back.

    Of several processes all signals set it: one Ctrl-C comes to each from the terminal and from torchrun as well, and
    torchrun itself ends those that do not end.

    Nothing changes, and the flag stays unset, outside the main thread, where Python permits no handlers, and for a
    signal that is ignored or handled by code other than Python's.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    previous = {number: old for number, old in handlers.items() if callable(old) or _ends_the_process(number, old)}

    def notice(number: int, _frame: FrameType | None) -> None:
        interruption.requested = True
        if not of_several:
            signal.signal(number, previous[signal.Signals(number)])

    for number in previous:
        signal.signal(number, notice)
    try:
        yield interruption
    finally:
        for number, old in previous.items():
            signal.signal(number, old)


def _ends_the_process(number: int, handler: Callable[..., object] | int | None) -> bool:
    """Whether a signal is left to the system as SIGTERM is by default; so left, SIGINT is not Python's Ctrl-C."""
    return number == signal.SIGTERM and handler == signal.SIG_DFL
