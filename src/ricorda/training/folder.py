"""The folder that a run writes into: no file of others is replaced there, and one training at a time writes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import safetensors

from ricorda.errors import ModelFolderError
from ricorda.files import why_not_written
from ricorda.locks import lock
from ricorda.training.checkpoint import CHECKPOINT

HISTORY, BOARD = "history.jsonl", "tensorboard"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep a folder for this process within the block, where the system can.

    A folder that is missing is made, and removed again if nothing was written into it.

    The lock is the folder's own, so there is no file of it, and the system frees it when the process ends, even killed.

    Raises
    ------
    ModelFolderError
        If a training writes into the folder, or it cannot be made.
    """
    missing = not os.path.exists(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = None if os.name == "nt" else os.open(folder, os.O_RDONLY)  # Windows opens no folders.
    except OSError as error:
        raise ModelFolderError(f"{folder} was not written, {why_not_written(folder / CHECKPOINT, error)}") from error
    try:
        if descriptor is not None and lock(descriptor) is False:
            raise ModelFolderError(
                f"another training is writing into {folder}: wait until it ends, or choose another folder"
            )
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)
        if missing:
            with suppress(OSError):  # It is not empty.
                folder.rmdir()


def check_no_others(folder: Path) -> None:
    """Raise ModelFolderError if a run that starts anew would replace a file that no run wrote."""
    for name in (CHECKPOINT, HISTORY):
        if (folder / name).exists() and not holds_run(folder):
            raise ModelFolderError(
                f"{folder / name} is no training's of ricorda, and so it is kept: choose another folder"
            )


def holds_run(folder: Path) -> bool:
    """Whether a folder has the checkpoint of a run, be it a damaged one."""
    try:
        with safetensors.safe_open(folder / CHECKPOINT, framework="pt") as file:
            return "ricorda_version" in (file.metadata() or {})
    except safetensors.SafetensorError:
        return True
    except OSError:
        return False


def empty_or_a_run(folder: Path) -> bool:
    """Whether nothing but a run is in a folder; hidden files do not count."""
    return holds_run(folder) or all(name.startswith(".") for name in os.listdir(folder))


def remove_run(folder: Path) -> None:
    """Remove what a run left, and the folder if nothing else is in it."""
    for name in (CHECKPOINT, HISTORY):
        (folder / name).unlink(missing_ok=True)
    with suppress(OSError):  # It is not empty, or was removed.
        folder.rmdir()
