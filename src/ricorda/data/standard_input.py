"""The standard input as a file: read once, and its form told from what it holds."""

from __future__ import annotations

import sys
from typing import Any

from ricorda.errors import DataError

_read: tuple[Any, bytes] | None = None
"""The stream that was read, and what it held."""


def content() -> bytes:
    """All that the standard input holds; it is in memory from then on, as readers read it more than once."""
    global _read
    if sys.stdin is None or sys.stdin.closed:
        raise DataError("the standard input is closed: pipe data into the command, or name a file")
    if _read is None or _read[0] is not sys.stdin:
        _read = sys.stdin, sys.stdin.buffer.read()
    return _read[1]
