"""Machine code on disk: a file for each kernel, in a folder that only its owner can write.

The code in a file is run, so a file is read only if nobody else can have written it. Its hash covers its name, size and
format. A doubtful file is ignored, and the code is compiled again. Files get a temporary name first and are then
renamed, so several processes can share the folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import sys
import threading
import warnings
from pathlib import Path

FORMAT = "ricorda kernel 2"
LARGEST = 2**26
"""The most bytes of a file that is read; the largest kernels have some hundred thousand."""

_told: set[Path] = set()


def folder() -> Path | None:
    """Where compiled kernels are kept: `RICORDA_CACHE`, or the user's cache folder.

    None if the variable is empty, or the user has no home, as one whose number has no name in a container.
    """
    path = os.environ.get("RICORDA_CACHE")
    if path is not None:
        return Path(path) if path else None
    try:
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches" / "ricorda"
        if sys.platform == "win32":
            return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "ricorda"
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ricorda"
    except RuntimeError:
        return None


def told() -> str:
    """Where compiled kernels are kept, as a person reads it, or why they are not."""
    path = folder()
    if path is None:
        return "none, as RICORDA_CACHE is empty" if "RICORDA_CACHE" in os.environ else "none, as the user has no home"
    try:
        if not _is_ours(path.stat()):
            return f"none, as others can write in {path}"
        sizes = [file.stat().st_size for file in path.glob("*.kernel")]
    except OSError:
        return f"{path}, nothing yet"
    return f"{path}, {len(sizes):,} kernels of {sum(sizes) / 2**20:,.1f} MiB"


def mark(name: str) -> str:
    """The symbol by which the code itself tells its name."""
    return f"ricorda_kernel_{name}"


def from_disk(name: str) -> tuple[dict[str, int], bytes] | None:
    """The slots and the machine code of a name; None if there is no file, or if others may have written it."""
    path = folder()
    try:
        if path is None or not _is_private(path):
            return None
        data = _read(path / f"{name}.kernel")
        digest, _, rest = data.partition(b"\n")
        if digest != _digest(name, rest):
            return None
        line, _, machine_code = rest.partition(b"\n")
        slots = json.loads(line)
    except (OSError, ValueError):
        return None
    return (slots, machine_code) if isinstance(slots, dict) and mark(name).encode() in machine_code else None


def to_disk(name: str, slots: dict[str, int], machine_code: bytes) -> None:
    """Store the code of a name, if possible: everything works without a cache, but starts more slowly."""
    path = folder()
    if path is None:
        return
    rest = json.dumps(slots).encode() + b"\n" + machine_code
    beside = path / f"{name}.kernel.{os.getpid()}.{threading.get_ident()}"
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not _is_private(path):
            return
        beside.touch(mode=0o600)
        beside.write_bytes(_digest(name, rest) + b"\n" + rest)
        beside.replace(path / f"{name}.kernel")
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()


def _digest(name: str, rest: bytes) -> bytes:
    digest = hashlib.sha256(f"{FORMAT}\n{name}\n{len(rest)}\n".encode())
    digest.update(rest)
    return digest.hexdigest().encode()


def _is_private(path: Path) -> bool:
    """Whether nobody else can write a folder; if somebody can, a warning says so, once."""
    if _is_ours(path.stat()):
        return True
    if path not in _told:
        _told.add(path)
        warnings.warn(
            f"compiled kernels are not kept in {path}, as others can write there and code from it is run: take their "
            "right to (chmod go-w), or set RICORDA_CACHE to a folder of your own, or to nothing",
            UserWarning,
            stacklevel=2,
        )
    return False


def _is_ours(status: os.stat_result) -> bool:
    """Whether a file or folder belongs to the user or to root, and nobody else can write it."""
    if not hasattr(os, "getuid"):
        return True  # On Windows the folder is below the user's own.
    return status.st_uid in (os.getuid(), 0) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _read(path: Path) -> bytes:
    """The bytes of a file; none if it is not ours, not a regular file, or too large. It never waits for a FIFO."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or not _is_ours(status) or status.st_size > LARGEST:
            return b""
        return file.read()
