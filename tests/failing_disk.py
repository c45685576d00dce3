"""A disk that fails at a chosen operation, without knowing how the code uses it."""

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Disk:
    """Counts the operations on files below a folder, and fails at one of them, or from one of them on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work()

    def work(self) -> None:
        """Do not fail any more."""
        self.fail(from_operation=sys.maxsize)

    def fail(
        self,
        *,
        from_operation: int,
        error: Callable[[], BaseException] = KeyboardInterrupt,
        for_ever: bool = True,
        below: Path | None = None,
    ) -> None:
        """Raise an error instead of an operation, counted from 1 and now, and of all after it if `for_ever`."""
        self.count = 0
        self.first, self.error, self.for_ever = from_operation, error, for_ever
        self.prefix = os.path.relpath(below or self.folder), str(below or self.folder)

    @property
    def failed(self) -> bool:
        """Whether it has."""
        return self.count >= self.first

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take note of an event of the interpreter."""
        if event.partition(".")[0] not in ("open", "os"):
            return
        if any(str(each).startswith(self.prefix) for each in arguments if isinstance(each, str | os.PathLike)):
            self.count += 1
            if self.count == self.first or (self.for_ever and self.count > self.first):
                raise self.error()


DISKS: list[Disk] = []
"""The last one counts."""


def full() -> OSError:
    """The error of a full disk."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def forbidden() -> OSError:
    """The error of a folder that one may not write to."""
    return PermissionError(errno.EACCES, os.strerror(errno.EACCES))
