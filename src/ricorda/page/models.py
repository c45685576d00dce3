"""Trained models for looks at them: each is lent to one look at a time, and there are as many copies as looks.

A look sets a network's mode, and may compute in float64 for a while, so two must not share one; and so nobody waits for
a long text of somebody else.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ricorda.tasks.loading import load

MOST_KEPT = 8
"""Models that are kept in memory while nobody looks at them; the one that was wanted last is kept longest."""

_Key = tuple[Path, int]

_idle: list[tuple[_Key, Any]] = []
_lock = threading.Lock()


@contextmanager
def lent(folder: Path) -> Iterator[Any]:
    """A trained model for the block alone; one that was written anew is read anew. Not for the event loop.

    Raises
    ------
    ModelFolderError
        If the folder holds no model.
    """
    key = (folder, _written(folder))
    with _lock:
        place = next((place for place, (other, _) in enumerate(_idle) if other == key), None)
        model = None if place is None else _idle.pop(place)[1]
    if model is None:
        model = load(folder)
    try:
        yield model
    finally:
        with _lock:
            _idle.append((key, model))
            del _idle[:-MOST_KEPT]


def _written(folder: Path) -> int:
    """When the model was written."""
    try:
        return (folder / "config.json").stat().st_mtime_ns
    except OSError:
        return 0
