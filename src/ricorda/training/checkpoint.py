"""checkpoint.safetensors: everything that a run needs to go on bit for bit. Opening one runs no code.

Tensors lie in groups, named "group/name"; all else is one JSON object in the file's metadata.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from ricorda import __version__
from ricorda.errors import ModelFolderError
from ricorda.files import write_atomically

CHECKPOINT = "checkpoint.safetensors"
CHECKPOINT_VERSION = 1

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """A run at one moment.

    Attributes
    ----------
    tensors
        Tensors, by the names of their group and their own.
    state
        All else that changes, as JSON.
    settings
        What the run was started with, as JSON; a run resumes only with the same settings.
    """

    tensors: dict[str, Tensors]
    state: dict[str, Any]
    settings: dict[str, Any]


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint in ``folder``; a ModelFolderError leaves the old one as it was."""
    # Clones, because safetensors refuses tied weights: two names of one memory.
    tensors = {
        f"{group}/{name}": tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for group, members in checkpoint.tensors.items()
        for name, tensor in members.items()
    }
    facts = json.dumps({"state": checkpoint.state, "settings": checkpoint.settings})
    metadata = {
        "format_version": str(CHECKPOINT_VERSION),
        "ricorda_version": __version__,
        "facts": facts,
        "checksum": _checksum(tensors, facts),
    }
    write_atomically(folder / CHECKPOINT, safetensors.torch.save(tensors, metadata))


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read the checkpoint in ``folder``.

    Raises
    ------
    ModelFolderError
        If there is none, it is damaged, or it is of a newer format.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        raise ModelFolderError(f"{path} does not exist, so there is no run to resume: train without --resume")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            _refuse_newer(path, metadata)
            # Copies, as the tensors of a file stay parts of it, which Windows then does not let the next one replace.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - it is no dict
        if metadata["checksum"] != _checksum(tensors, metadata["facts"]):
            raise ValueError("its checksum differs")
        facts = json.loads(metadata["facts"])
        groups: dict[str, dict[str, Tensor]] = {}
        for full_name, tensor in tensors.items():
            group, _, name = full_name.partition("/")
            groups.setdefault(group, {})[name] = tensor
        return Checkpoint(dict(groups), facts["state"], facts["settings"])
    except (safetensors.SafetensorError, OSError, KeyError, ValueError) as error:
        if isinstance(error, ModelFolderError):
            raise
        raise ModelFolderError(f"{path} is damaged or no checkpoint ({error}): train anew without --resume") from error


def begun_with(folder: str | Path) -> dict[str, Any]:
    """The settings that the run in ``folder`` was started with; raises as `read_checkpoint` does."""
    return read_checkpoint(Path(folder)).settings


def dealt_out(carried: Sequence[Tensors], rank: int, size: int) -> Tensors:
    """The tensors that process `rank` of `size` carries on, of those that other processes carried.

    Each of `carried` has every n-th row of the whole, in dimension 1.
    """
    before = len(carried)
    if before == size:
        return carried[rank]
    mine: dict[str, Tensor] = {}
    for name in carried[0]:  # The first process has rows if any has.
        parts = [tensors[name] for tensors in carried if name in tensors]
        first = parts[0]
        whole = first.new_empty((len(first), sum(part.shape[1] for part in parts), *first.shape[2:]))
        for other, part in enumerate(parts):
            whole[:, other::before] = part
        if whole.shape[1] > rank:
            mine[name] = whole[:, rank::size].contiguous()
    return mine


def check_settings(folder: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse to resume with settings other than the checkpoint's.

    Raises
    ------
    ModelFolderError
        If a setting differs; the message names the first one, with both values.
    """
    for name in {**before, **now}:
        old, new = before.get(name), now.get(name)
        if old != new and name == "data":
            raise ModelFolderError(
                f"the run in {folder} was trained on other data than were given: resume it with the same, or train "
                "anew without --resume"
            )
        if old != new:
            raise ModelFolderError(
                f"the run in {folder} has {name} {_short(old)} but {_short(new)} was given: resume it with the same, "
                "or train anew without --resume"
            )


def _refuse_newer(path: Path, metadata: Mapping[str, str]) -> None:
    version = int(metadata["format_version"])
    if version > CHECKPOINT_VERSION:
        raise ModelFolderError(
            f"{path} has format {version}, written by ricorda {metadata.get('ricorda_version')}, and this ricorda "
            f"({__version__}) reads up to {CHECKPOINT_VERSION}: upgrade it with `pip install --upgrade ricorda`"
        )


def _checksum(tensors: Tensors, facts: str) -> str:
    checksum = zlib.crc32(facts.encode())
    for name in sorted(tensors):
        content = tensors[name].reshape(-1).view(torch.uint8).numpy().data
        checksum = zlib.crc32(content, zlib.crc32(name.encode(), checksum))
    return f"{checksum:08x}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
