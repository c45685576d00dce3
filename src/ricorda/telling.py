"""Which of the processes that torchrun started tells of a mistake: the one that meets it first, and no other.

And whether anybody reads what is told, and in whose words advice is.
"""

import errno
import os
from collections.abc import Callable

WINDOWS = os.name == "nt"
"""Whether advice is for Windows, whose commands and errors are others."""


def _of_one_alone() -> bool:
    """Before the processes know each other all make the same mistake, so the first of them tells it."""
    return os.environ.get("RANK", "0") == "0"


_ask = _of_one_alone


def tells() -> bool:
    """Whether this process is to tell; one that was told so once is told so no more."""
    return _ask()


def nobody_reads(error: OSError) -> bool:
    """Whether an error says that the reader of a pipe has gone, as `| head` does: Windows has another for it."""
    return isinstance(error, BrokenPipeError) or (WINDOWS and error.errno == errno.EINVAL)


def ask(how: Callable[[], bool]) -> None:
    """Let `tells` ask processes that know each other."""
    global _ask
    _ask = how
