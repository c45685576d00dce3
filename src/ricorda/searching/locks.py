"""Locks on files, which the system frees when their process ends, even killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock within the block.

    Parameters
    ----------
    path : Path
        The file; it is made, and removed by whoever held it.
    wait : bool
        Whether to wait for a process that holds it.

    Yields
    ------
    bool
        Whether this process holds it. Where the system has no locks, only who waits is told so.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        held = _lock(descriptor, wait)
        try:
            yield held
        finally:
            if held:
                with suppress(OSError):
                    path.unlink()
    finally:
        os.close(descriptor)


def _lock(descriptor: int, wait: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except (
        AttributeError,
        OSError,
    ):  # Another process has it, or there are no locks: on Windows, on some file systems.
        return wait
    return True
