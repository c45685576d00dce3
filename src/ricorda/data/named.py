"""The files that a name stands for, which may be a pattern or a folder of tables."""

from __future__ import annotations

import glob
import os

from ricorda.data.source import is_remote
from ricorda.data.synthetic import is_synthetic
from ricorda.data.tables import FORMATS
from ricorda.errors import ArgumentError, DataError


def files_named(name: str) -> list[str]:
    """The files that a name, a pattern or a folder of tables stands for, sorted; a folder of texts is one.

    Raises
    ------
    DataError
        If a pattern fits none.
    ArgumentError
        If fsspec is missing, which lists addresses.
    """
    if is_remote(name):
        return _remote(name) if "*" in name else [name]
    if os.path.isdir(name):
        tables = [entry.path for entry in os.scandir(name) if entry.is_file() and _is_table(entry.name)]
        return sorted(tables) or [name]  # A folder of texts is one input.
    if os.path.exists(name) or is_synthetic(name) or not glob.has_magic(name):
        return [name]
    found = sorted(glob.glob(name))
    if not found:
        raise DataError(f"{name} fits no file: check the pattern")
    return found


def _is_table(name: str) -> bool:
    return not name.startswith((".", "_")) and any(name.lower().endswith((end, f"{end}.gz")) for end in FORMATS)


def _remote(pattern: str) -> list[str]:
    try:
        import fsspec
    except ImportError:
        raise ArgumentError(f"{pattern} is a pattern of addresses, which fsspec lists: pip install fsspec") from None
    scheme = pattern.split("://")[0]
    try:
        found = fsspec.filesystem(scheme).glob(pattern)
    except (ImportError, ValueError, OSError) as error:
        raise DataError(f"{pattern} cannot be listed ({str(error)[:200]}): check address and credentials") from None
    if not found:
        raise DataError(f"{pattern} fits no file: check the pattern")
    return [f"{scheme}://{path}" for path in sorted(found)]
