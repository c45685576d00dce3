"""The model folder: what a trained model is on disk. Opening one runs no code.

    config.json         format version, task, parameters, the cell's program, classes, and the other files' hashes
    model.safetensors   the weights
    tokenizer.json      for texts
    history.jsonl       a line an epoch
    README.md           the model card
    learning_curve.png  the history as a picture

The files are replaced together: they are written into `.saving`, which is renamed to `.saved`, and that moment counts.
From then on a file in `.saved` is the valid one until it has been moved to its place.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from ricorda import __version__
from ricorda.errors import ModelFolderError
from ricorda.files import write_atomically

FORMAT_VERSION = 1
CONFIG, WEIGHTS, TOKENIZER, HISTORY, CARD = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "history.jsonl",
    "README.md",
)


@dataclass(frozen=True)
class Contents:
    """What a model folder holds."""

    config: dict[str, Any]
    tensors: dict[str, Tensor]
    tokenizer: str | None
    history: list[dict[str, Any]]


def holds_model(folder: Path) -> bool:
    """Whether a folder holds a model, be it a damaged one."""
    return _valid(folder, CONFIG).exists() or _valid(folder, WEIGHTS).exists()


def write_model(folder: Path, contents: Contents, *, card: str, pictures: Mapping[str, bytes]) -> None:
    """Write a model folder, all files or none; what the folder held before stays valid until all are written.

    Raises
    ------
    ModelFolderError
        If it cannot be written (a full disk, a read-only folder).
    """
    files: dict[str, bytes] = {
        WEIGHTS: save_tensors({name: tensor.cpu().contiguous() for name, tensor in contents.tensors.items()}),
        HISTORY: "".join(json.dumps(line) + "\n" for line in contents.history).encode(),
        CARD: card.encode(),
        **pictures,
    }
    if contents.tokenizer is not None:
        files[TOKENIZER] = contents.tokenizer.encode()
    hashes = {name: hashlib.sha256(files[name]).hexdigest() for name in (WEIGHTS, TOKENIZER) if name in files}
    config = {
        "format_version": FORMAT_VERSION,
        "ricorda_version": __version__,
        **contents.config,
        "sha256": hashes,
    }
    files[CONFIG] = (json.dumps(config, indent=1, ensure_ascii=False) + "\n").encode()
    _write_together(folder, files)


def read_model(folder: Path) -> Contents:
    """Read and check a model folder.

    Raises
    ------
    ModelFolderError
        If there is none, or it is damaged, incomplete or of a newer format.
    """
    if not holds_model(folder):
        what = "holds no model" if folder.is_dir() else "does not exist"
        raise ModelFolderError(f"{folder} {what}: give the folder that `ricorda train ... --out` wrote")
    config = _read_config(folder)
    files = {name: _read_checked(folder, name, config["sha256"][name]) for name in config["sha256"]}
    if WEIGHTS not in files:
        raise ModelFolderError(f"{folder / CONFIG} does not name {WEIGHTS}: it is damaged; restore it or train again")
    try:
        tensors = load_tensors(files[WEIGHTS])
    except SafetensorError as error:
        raise ModelFolderError(f"{folder / WEIGHTS} is no safetensors file ({error}): train again") from None
    tokenizer = files[TOKENIZER].decode() if TOKENIZER in files else None
    return Contents(config, tensors, tokenizer, _read_history(folder))


def _write_together(folder: Path, files: Mapping[str, bytes]) -> None:
    _move_into_place(folder)  # of a save that was interrupted after it counted
    saving = folder / ".saving"
    shutil.rmtree(saving, ignore_errors=True)  # of one interrupted before
    try:
        for name, data in files.items():
            write_atomically(saving / name, data)
        os.replace(saving, folder / ".saved")
    except BaseException:
        shutil.rmtree(saving, ignore_errors=True)
        raise
    _move_into_place(folder)
    if TOKENIZER not in files:
        (folder / TOKENIZER).unlink(missing_ok=True)


def _move_into_place(folder: Path) -> None:
    saved = folder / ".saved"
    if saved.is_dir():
        for file in sorted(saved.iterdir()):
            os.replace(file, folder / file.name)
        saved.rmdir()


def _valid(folder: Path, name: str) -> Path:
    fresh = folder / ".saved" / name
    return fresh if fresh.exists() else folder / name


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    try:
        config: Any = json.loads(_valid(folder, CONFIG).read_bytes())
    except OSError as error:
        raise ModelFolderError(f"{path} cannot be read ({error.strerror}): restore it or train again") from None
    except ValueError:
        raise ModelFolderError(f"{path} is damaged, it is no JSON: restore it or train again") from None
    version = config.get("format_version") if isinstance(config, dict) else None
    if not isinstance(version, int):
        raise ModelFolderError(f"{path} has no format_version: it is no config of ricorda, or damaged")
    if version > FORMAT_VERSION:
        raise ModelFolderError(
            f"{folder} has format {version}, written by ricorda {config.get('ricorda_version')}, and this ricorda "
            f"({__version__}) reads up to {FORMAT_VERSION}: upgrade it with `pip install --upgrade ricorda`"
        )
    hashes = config.get("sha256")
    if not isinstance(hashes, dict) or not set(hashes) <= {WEIGHTS, TOKENIZER}:
        raise ModelFolderError(
            f"{path} has no proper 'sha256' of the other files: it is damaged; restore it or train again"
        )
    return dict(config)


def _read_checked(folder: Path, name: str, sha256: str) -> bytes:
    try:
        data = _valid(folder, name).read_bytes()
    except OSError as error:
        raise ModelFolderError(
            f"{folder / name} cannot be read ({error.strerror}): restore it or train again"
        ) from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ModelFolderError(
            f"{folder / name} is not the file that was saved ({len(data):,} bytes; it was cut short or changed): "
            "restore it or train again"
        )
    return data


def _read_history(folder: Path) -> list[dict[str, Any]]:
    try:
        lines = _valid(folder, HISTORY).read_text().splitlines()
        return [json.loads(line) for line in lines]
    except (OSError, ValueError):
        return []  # a record of the past, not needed to use the model
