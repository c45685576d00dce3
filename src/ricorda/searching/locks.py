"""Locks of searches: each is a file that is there while its process holds it, or was killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ricorda.locks import lock


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
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
        try:
            answer = lock(descriptor, wait=wait)
            if answer and not _is_at(path, descriptor):
                continue  # Whoever held it has removed the file: another process may have made it anew.
            held = wait if answer is None else answer
            try:
                yield held
            finally:
                if held:
                    with suppress(OSError):
                        path.unlink()
            return
        finally:
            os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
