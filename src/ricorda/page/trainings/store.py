"""A browser's uploads: under made-up names, in the browser's own folder, and no more than it may hold."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import struct
import time
import zipfile
import zlib
from asyncio import to_thread
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from ricorda.data.tables import FORMATS
from ricorda.files import write_atomically
from ricorda.tasks.runs import holds_training

LARGEST = 200 * 2**20
"""Bytes of an upload."""

UNPACKED = 2**30
"""Bytes of what an upload holds once it is unpacked."""

MOST_MEMBERS = 1_000
"""Files inside a .zip; a workbook is one."""

MOST_FILES = 20
"""Uploads of a browser: one more, and the oldest goes that nothing reads."""

QUOTA = 2 * 2**30
"""Bytes of all that a browser uploads and trains."""

OTHERS = (".txt", ".conllu", ".conll", ".iob2")
"""What the readers know besides tables."""

PACKED = ("", ".gz", ".zip")

NAMES = "names.json"
"""The names that uploads had, which are shown and never used as paths."""

MODELS, COMPARISONS = "models", "comparisons"
"""Where a browser's own models and comparisons are."""

IDLE_WITHOUT, IDLE = 3_600.0, 30 * 24 * 3_600.0
"""Seconds after which a folder goes that nobody looked into: one that holds nothing learned, and any."""

_CHUNK = 1 << 20


class RefusedError(Exception):
    """Why an upload was not taken: the key of a sentence, and its values."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key, self.values = key, values


class Upload(Protocol):
    """A file as it arrives."""

    name: str

    def size(self) -> int:
        """Bytes."""

    def iterate(self) -> AsyncIterator[bytes]:
        """Its content in parts."""


async def take(folder: Path, upload: Upload, *, in_use: Collection[str] = ()) -> str:
    """Keep an upload in a browser's folder.

    Parameters
    ----------
    folder : Path
        The folder of the browser.
    upload : Upload
        What arrived, with the name that it had.
    in_use : collection of str
        Uploads that something still reads.

    Returns
    -------
    str
        The name that it has there.

    Raises
    ------
    RefusedError
        If it is empty, too large, or unpacks to too much, or if the browser's folder is full.
    """
    if upload.size() > LARGEST:
        raise RefusedError("too_large", size=megabytes(upload.size()), most=megabytes(LARGEST))
    if not upload.size():
        raise RefusedError("empty")
    await check_room(folder, upload.size())
    name = _new_name(folder, suffix_of(upload.name))
    path, arriving = folder / name, folder / f".{name}"
    try:
        with arriving.open("wb") as file:
            async for part in upload.iterate():
                file.write(part)
        await to_thread(check_unpacked, arriving)
        os.replace(arriving, path)
    finally:
        arriving.unlink(missing_ok=True)
    names = {**names_of(folder), name: upload.name[:200]}
    unused = [old for old in sorted(names, key=_number) if old not in in_use and old != name]
    for old in unused[: max(0, len(names) - MOST_FILES)]:
        remove(folder, old)
        names.pop(old)
    write_atomically(folder / NAMES, json.dumps(names))
    return name


async def check_room(folder: Path, size: int = 0) -> None:
    """Raise RefusedError if a browser's folder has no room for so many bytes, or for anything."""
    held = await to_thread(size_of, folder)
    if held + size >= QUOTA:
        raise RefusedError("full", size=megabytes(held), most=megabytes(QUOTA))


def names_of(folder: Path) -> dict[str, str]:
    """The uploads that are there, the oldest first, and the names that they had."""
    try:
        names = json.loads((folder / NAMES).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: str(names[name]) for name in sorted(names, key=_number) if (folder / name).is_file()}


def remove(folder: Path, name: str) -> None:
    """Remove an upload."""
    (folder / Path(name).name).unlink(missing_ok=True)


def suffix_of(name: str) -> str:
    """The end of a made-up name: that of the upload's own name if it is one that readers know."""
    parts = Path(name.replace("\\", "/")).name.lower()
    packed = next(end for end in reversed(PACKED) if parts.endswith(end))
    inner = Path(parts.removesuffix(packed)).suffix if packed else Path(parts).suffix
    if packed == ".zip":  # What is in it has a name of its own.
        return packed
    return (inner if inner in (*FORMATS, *OTHERS) else ".txt") + packed


def check_unpacked(path: Path) -> None:
    """Raise RefusedError if a file unpacks to too much, or if it is packed in a way that cannot be told."""
    with path.open("rb") as file:
        start = file.read(4)
        file.seek(0)
        try:
            if start[:2] == b"\x1f\x8b":
                with gzip.GzipFile(fileobj=file) as unpacked:
                    _count(iter(lambda: unpacked.read(_CHUNK), b""))
            elif start[:2] == b"PK":
                with zipfile.ZipFile(file) as archive:
                    members = archive.infolist()
                if len(members) > MOST_MEMBERS:
                    raise RefusedError("too_many", count=f"{len(members):,}", most=f"{MOST_MEMBERS:,}")
                _count(part for member in members for part in _inflated(file, member))
            elif start == b"PAR1":
                _check_rows(path)
        except (OSError, EOFError, ValueError, zlib.error, struct.error, zipfile.BadZipFile, NotImplementedError):
            return  # The reader says what is wrong with it, and reads no further than the damage.


def _count(parts: Iterator[bytes]) -> None:
    size = 0
    for part in parts:
        size += len(part)
        if size > UNPACKED:
            raise RefusedError("unpacks", most=megabytes(UNPACKED))


def _inflated(file: BinaryIO, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """What a member really holds, whatever size the archive says that it has."""
    file.seek(member.header_offset)
    *_, name, extra = struct.unpack("<4s5H3I2H", file.read(30))
    file.seek(name + extra, os.SEEK_CUR)
    left = member.compress_size
    if member.compress_type == zipfile.ZIP_STORED:
        return  # It is as large as it arrived.
    if member.compress_type != zipfile.ZIP_DEFLATED:
        raise RefusedError("unusual")
    inflating = zlib.decompressobj(-15)
    while left and not inflating.eof:
        packed = file.read(min(_CHUNK, left))
        left -= len(packed)
        if not packed:
            return
        while packed:
            yield inflating.decompress(packed, _CHUNK)
            packed = inflating.unconsumed_tail


def _check_rows(path: Path) -> None:
    """A column of one value takes no room in Parquet, however many rows it has."""
    import polars

    try:
        table = polars.scan_parquet(path, glob=False)
        rows = table.select(polars.len()).collect().item()
        count = rows * max(1, len(table.collect_schema()))
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException):
        return
    if count * 8 > UNPACKED:
        raise RefusedError("unpacks", most=megabytes(UNPACKED))


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder."""
    size = 0
    for path, _, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                size += os.lstat(os.path.join(path, name)).st_size
    return size


def tidy(folder: Path, *, now: float | None = None) -> None:
    """Remove the folders of browsers that have not looked for long: soon where nothing was learned, later all."""
    now = time.time() if now is None else now
    for own in folder.iterdir() if folder.is_dir() else ():
        with suppress(OSError):
            idle = now - own.stat().st_mtime
            if idle > (IDLE if _holds_something(own) else IDLE_WITHOUT):
                shutil.rmtree(own)


def _holds_something(own: Path) -> bool:
    models = (own / MODELS).iterdir() if (own / MODELS).is_dir() else ()
    return (own / COMPARISONS).is_dir() or any(holds_training(model) for model in models)


def megabytes(size: float) -> str:
    """A size as it is shown."""
    return f"{size / 2**20:,.0f} MB"


def new_number(names: Collection[str], stem: str) -> int:
    """One more than the largest number behind a stem."""
    numbers = [_number(name.removeprefix(f"{stem}-")) for name in names if name.startswith(f"{stem}-")]
    return max(numbers, default=0) + 1


def _new_name(folder: Path, suffix: str) -> str:
    taken = [*names_of(folder), *(path.name for path in folder.glob("data-*"))]
    while True:
        name = f"data-{new_number(taken, 'data')}{suffix}"
        taken.append(name)
        with suppress(FileExistsError):
            (folder / f".{name}").open("xb").close()
            return name


def _number(name: str) -> int:
    digits = name.removeprefix("data-").split(".")[0]
    return int(digits) if digits.isdecimal() and digits.isascii() else 0
