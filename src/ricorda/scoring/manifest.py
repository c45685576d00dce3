"""What a folder of parts was made of, so that the same command goes on and another one is refused.

`manifest.json` binds the folder to the model, the input and the options. Beside each part `NAME.done.json` has its
size and its SHA-256; it is written after the part, so that a part without one is made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ricorda.data.source import is_remote
from ricorda.errors import ArgumentError, DataError
from ricorda.files import write_atomically

NAME, DONE = "manifest.json", ".done.json"
_OURS = re.compile(r"(part-\d{5}-\d{5}\.(csv|jsonl|parquet)(\.done\.json)?|manifest\.json|\.[0-9a-f]{16}\.tmp)")
_ENDS = 1 << 20
"""Bytes at either end of an input that its fingerprint reads."""


def model_fingerprint(model: Path) -> str:
    """SHA-256 of a model's files, or of the one file that was exported."""
    digest = hashlib.sha256()
    for file in sorted(model.iterdir()) if model.is_dir() else [model]:
        if file.is_file():
            digest.update(f"{file.name} {file.stat().st_size} ".encode())
            with open(file, "rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def input_fingerprint(source: str) -> str:
    """The size of a local file with SHA-256 of its first and last MiB; of an address its name alone."""
    if is_remote(source) or os.path.isdir(source):
        return source
    try:
        size = os.path.getsize(source)
        with open(source, "rb") as stream:
            digest = hashlib.sha256(stream.read(_ENDS))
            stream.seek(max(0, size - _ENDS))
            digest.update(stream.read())
    except OSError:
        return source  # Its reader says what is wrong with it.
    return f"{size} bytes, {digest.hexdigest()}"


def manifest_of(model: Path, files: Sequence[str], options: Mapping[str, Any]) -> dict[str, Any]:
    """What binds a folder of parts."""
    inputs = [{"file": file, "fingerprint": input_fingerprint(file)} for file in files]
    return {"model": model_fingerprint(model), "inputs": inputs, "options": dict(options)}


def claim(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Make the folder that of this model and input, or see that it is.

    Raises
    ------
    ArgumentError
        If it holds other files.
    DataError
        If its parts were made by another model, of other data or with other options.
    """
    if folder.exists() and not folder.is_dir():
        raise ArgumentError(f"--out {folder} is a file where a folder is needed: choose another name")
    names = sorted(os.listdir(folder)) if folder.exists() else []
    others = [name for name in names if not _OURS.fullmatch(name)]
    if others:
        raise ArgumentError(f"--out {folder} holds {others[0]}, which is no part of a scoring: choose an empty folder")
    path = folder / NAME
    if not path.exists():
        if any(name.startswith("part-") for name in names):
            raise DataError(f"{folder} holds parts but no {NAME}: remove them, or choose another folder")
        write_atomically(path, json.dumps(manifest, indent=1))
        return
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
        parts = {"model": there["model"], "inputs": there["inputs"], "options": there["options"]}
    except (ValueError, KeyError, TypeError, OSError):
        raise DataError(f"{path} is damaged: remove the folder, or choose another one") from None
    words = {"model": "by another model", "inputs": "of other data", "options": "with other options"}
    for key, said in words.items():
        if parts[key] != manifest[key]:
            raise DataError(f"{folder} holds parts made {said}: remove the folder, or choose another one")


def is_done(part: Path) -> bool:
    """Whether a part is there as a whole; raises DataError if it was cut or changed since it was made."""
    try:
        record = json.loads(part.with_name(part.name + DONE).read_text(encoding="utf-8"))
        if part.stat().st_size == record["bytes"] and _digest(part.read_bytes()) == record["sha256"]:
            return True
    except FileNotFoundError:
        return False
    except (ValueError, KeyError, TypeError):
        pass
    raise DataError(f"{part} is not whole, or was changed: remove it, and the same command makes it again")


def finish(part: Path, content: bytes) -> None:
    """Write a part, and after it that it is whole."""
    write_atomically(part, content)
    record = {"bytes": len(content), "sha256": _digest(content)}
    write_atomically(part.with_name(part.name + DONE), json.dumps(record))


def sweep(folder: Path) -> None:
    """Remove what interrupted runs left half-written; only for a run that works on the folder alone."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
