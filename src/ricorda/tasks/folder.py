"""The model folder: what a trained model is on disk. Opening one runs no code.

    config.json         format version, task, parameters, the cell's program, what the task adds, the files' hashes
    model.safetensors   the weights
    tokenizer.json      for texts; a model with several has source_tokenizer.json and so on
    history.jsonl       a line an epoch
    README.md           the model card
    learning_curve.png  the history as a picture
    gradient_flow.png   the gradient's flow in it, if that was watched
    baseline.safetensors  what evaluations compare the model with, in some tasks

The files are replaced together: they are written into `.saving`, which is renamed to `.saved`, and that moment counts.
From then on a file in `.saved` is the valid one until it has been moved to its place.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from ricorda import __version__
from ricorda.errors import ModelFolderError
from ricorda.files import write_atomically
from ricorda.training.folder import BOARD, empty_or_a_run

FORMAT_VERSION = 1
CONFIG, WEIGHTS, TOKENIZER, HISTORY = "config.json", "model.safetensors", "tokenizer.json", "history.jsonl"
CARD, CURVE, FLOW_PICTURE = "README.md", "learning_curve.png", "gradient_flow.png"
BASELINE = "baseline.safetensors"
WORK = "training"
"""Where in the model folder an unfinished training keeps its checkpoint and history."""
LANGUAGE = "language"
"""Where in it the language models are that it began with, if they were trained for it."""
CARD_MARK = b'model = ricorda.load("FOLDER")'
"""What every model card says."""
_TOKENIZERS = re.compile(r"([a-z]+_)*tokenizer\.json")


@dataclass(frozen=True)
class Contents:
    """The content of a model folder; tokenisers are JSON, by the names of their files without `.json`."""

    config: dict[str, Any]
    tensors: dict[str, Tensor]
    tokenizers: dict[str, str]
    history: list[dict[str, Any]]
    baseline: Mapping[str, Tensor] = field(default_factory=dict)


def holds_model(folder: Path) -> bool:
    """Whether a folder holds a model, even a damaged one."""
    return os.path.exists(_valid(folder, CONFIG)) or os.path.exists(_valid(folder, WEIGHTS))


def check_nothing_foreign(folder: Path) -> None:
    """Raise ModelFolderError if a model's files would come among files of others, or replace them.

    A new folder is free, and so is an empty one, one of a model, and one of a training; hidden files do not count.
    """
    try:
        names = [name for name in os.listdir(folder) if not name.startswith(".")]
    except OSError:  # It is missing, or whoever writes there will say what is wrong with it.
        return
    ours = {LANGUAGE, *([WORK] if WORK in names and empty_or_a_run(folder / WORK) else [])}
    foreign = sorted(set(names) - ours)
    if foreign and not (_names_ricorda(folder) or _is_damaged_model(folder, names)):
        raise ModelFolderError(
            f"{folder} holds {foreign[0]!r:.80} and no model of ricorda, and so nothing is written there: choose a new "
            "folder or an empty one"
        )


def _names_ricorda(folder: Path) -> bool:
    """Whether the `config.json` of a folder is one of ricorda, which may be damaged elsewhere."""
    return b'"ricorda_version"' in _bytes(folder, CONFIG)


def _is_damaged_model(folder: Path, names: Iterable[str]) -> bool:
    """Whether a model's `config.json` is missing or damaged, and all else is as ricorda leaves it, its card too."""
    written = {CONFIG, WEIGHTS, HISTORY, CARD, CURVE, FLOW_PICTURE, BASELINE, *_tokenizers(names)}
    if (
        not holds_model(folder)
        or CARD_MARK not in _bytes(folder, CARD)
        or set(names) - written - {WORK, LANGUAGE, BOARD}
    ):
        return False
    try:
        config: Any = json.loads(_bytes(folder, CONFIG))
    except (ValueError, RecursionError):
        return True
    return isinstance(config, dict) and {"program", "sha256"} <= set(config)  # Else it is sound, and another's.


def _bytes(folder: Path, name: str) -> bytes:
    """A file of a folder; nothing if there is none."""
    try:
        return _valid(folder, name).read_bytes()
    except OSError:
        return b""


def write_model(folder: Path, contents: Contents, *, card: str, pictures: Mapping[str, bytes]) -> None:
    """Write a model folder, all files or none; what the folder held before stays valid until all are written.

    Raises
    ------
    ModelFolderError
        If the folder is not writable or the disk is full.
    """
    files: dict[str, bytes] = {
        WEIGHTS: save_tensors({name: tensor.cpu().contiguous() for name, tensor in contents.tensors.items()}),
        **({BASELINE: save_tensors(dict(contents.baseline))} if contents.baseline else {}),
        HISTORY: "".join(json.dumps(line) + "\n" for line in contents.history).encode(),
        CARD: card.encode(),
        **pictures,
    }
    tokenizers = {f"{name}.json": text.encode() for name, text in contents.tokenizers.items()}
    config = {**contents.config, "format_version": FORMAT_VERSION, "ricorda_version": __version__}
    files |= tokenizers
    hashed = [name for name in (WEIGHTS, *tokenizers, HISTORY, BASELINE) if name in files]
    hashes = {name: _sha256(files[name]) for name in hashed}
    config["sha256"] = {CONFIG: config_hash(config), **hashes}
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
        what = "holds no model" if os.path.isdir(folder) else "is no folder"
        raise ModelFolderError(f"{folder} {what}: give the folder that `ricorda train ... --out` wrote")
    config = _read_config(folder)
    files = {name: _read_checked(folder, name, sha256) for name, sha256 in config["sha256"].items() if name != CONFIG}
    try:
        return Contents(
            config,
            load_tensors(files[WEIGHTS]),
            {name.removesuffix(".json"): files[name].decode() for name in _tokenizers(files)},
            [json.loads(line) for line in files[HISTORY].splitlines()],
            load_tensors(files[BASELINE]) if BASELINE in files else {},
        )
    except (SafetensorError, ValueError, RecursionError) as error:
        raise ModelFolderError(f"{folder} holds what ricorda does not write ({one_line(error)}): train again") from None


def config_hash(config: Mapping[str, Any]) -> str:
    """The hash of the content of `config.json`, without the hashes in it; white space does not count."""
    said = {name: value for name, value in config.items() if name != "sha256"}
    return _sha256(json.dumps(said, sort_keys=True).encode())


def one_line(error: Exception) -> str:
    """The message of a library's error on one line, as part of a sentence."""
    return " ".join(str(error).split())[:200]


def _write_together(folder: Path, files: Mapping[str, bytes]) -> None:
    saving = folder / ".saving"
    try:
        _move_into_place(folder)  # Ends a save that was interrupted after it counted.
        shutil.rmtree(saving, ignore_errors=True)  # Drops a save that was interrupted before.
        try:
            for name, data in files.items():
                write_atomically(saving / name, data)
            os.replace(saving, folder / ".saved")
        except BaseException:
            shutil.rmtree(saving, ignore_errors=True)
            raise
    except OSError as error:
        raise ModelFolderError(
            f"{folder} was not written, the system says {error.strerror or error}: choose another folder"
        ) from error
    try:
        _move_into_place(folder)
        for name in os.listdir(folder):
            if _not_always(name) and name not in files:  # It belongs to the model that was here before.
                (folder / name).unlink()
    except OSError as error:
        raise ModelFolderError(
            f"{folder} was saved, but the system says {error.strerror or error} when files are moved out of .saved: "
            "it opens as it is, and saving again puts it in order"
        ) from error


def _move_into_place(folder: Path) -> None:
    saved = folder / ".saved"
    if saved.is_dir():
        for file in sorted(saved.iterdir()):
            os.replace(file, folder / file.name)
        saved.rmdir()


def _not_always(name: str) -> bool:
    """Whether a file is of a kind that only some models have."""
    return name in (FLOW_PICTURE, BASELINE) or bool(_tokenizers([name]))


def _tokenizers(names: Iterable[str]) -> list[str]:
    """The names among these that belong to files of tokenisers."""
    return [name for name in names if _TOKENIZERS.fullmatch(name)]


def _valid(folder: Path, name: str) -> Path:
    fresh = folder / ".saved" / name
    return fresh if os.path.exists(fresh) else folder / name


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    data = _read(folder, CONFIG)
    try:
        config: Any = json.loads(data)
    except (ValueError, RecursionError):
        raise ModelFolderError(f"{path} is damaged, it is no JSON: restore it or train again") from None
    version = config.get("format_version") if isinstance(config, dict) else None
    if type(version) is not int or version < 1:
        raise ModelFolderError(f"{path} has no format_version: it is no config of ricorda, or damaged; train again")
    if version > FORMAT_VERSION:
        raise ModelFolderError(
            f"{folder} has format {version}, written by ricorda {config.get('ricorda_version')!r:.40}, and this "
            f"ricorda ({__version__}) reads up to {FORMAT_VERSION}: upgrade it with `pip install --upgrade ricorda`"
        )
    hashes = config.get("sha256")
    needed = {CONFIG, WEIGHTS, HISTORY}
    if not isinstance(hashes, dict) or not needed <= set(hashes) <= {*needed, BASELINE, *_tokenizers(hashes)}:
        raise ModelFolderError(f"{path} lacks the files' sha256: it is damaged; restore it or train again")
    if hashes[CONFIG] != config_hash(config):
        raise ModelFolderError(f"{path} does not say what was saved, it was changed: restore it or train again")
    return dict(config)


def _read_checked(folder: Path, name: str, sha256: str) -> bytes:
    data = _read(folder, name)
    if _sha256(data) != sha256:
        raise ModelFolderError(
            f"{folder / name} is not the file that was saved ({len(data):,} bytes; it was cut short or changed): "
            "restore it or train again"
        )
    return data


def _read(folder: Path, name: str) -> bytes:
    try:
        return _valid(folder, name).read_bytes()
    except OSError as error:
        raise ModelFolderError(
            f"{folder / name} cannot be read ({error.strerror}): restore it or train again"
        ) from None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
