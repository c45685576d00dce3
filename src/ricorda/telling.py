"""Which of the processes that torchrun started tells of a mistake: the one that meets it first, and no other."""

import os
from collections.abc import Callable


def _of_one_alone() -> bool:
    """Before the processes know each other all make the same mistake, so the first of them tells it."""
    return os.environ.get("RANK", "0") == "0"


_ask = _of_one_alone


def tells() -> bool:
    """Whether this process is to tell; one that was told so once is told so no more."""
    return _ask()


def ask(how: Callable[[], bool]) -> None:
    """Let `tells` ask processes that know each other."""
    global _ask
    _ask = how
