"""Writing files so that nothing half-written ever has the final name, and saying in one sentence why it failed."""

import errno
import os
import secrets
from pathlib import Path

from ricorda.errors import ModelFolderError


def write_atomically(path: str | os.PathLike[str], data: bytes | str) -> None:
    """Write ``data`` beside ``path``, flush it to the disk, then rename it to ``path``.

    Readers see the old file or the new one, never a part of either, whatever stops the writing. Missing
    folders on the way to ``path`` are made.

    Parameters
    ----------
    path
        The file to make or replace.
    data
        Its whole content; text is written as UTF-8.

    Raises
    ------
    ModelFolderError
        The disk is full, writing there is not permitted, or a file and a folder are in each other's place.
        The old file is unchanged and no temporary file is left.
    """
    path = Path(path)
    content = data.encode("utf-8") if isinstance(data, str) else data
    # A name of fixed length: the final one with a suffix could pass the file system's limit.
    beside = path.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(beside, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        except BaseException:  # KeyboardInterrupt among them: it must not leave the temporary file either
            beside.unlink(missing_ok=True)
            raise
        _flush_folder(path.parent)
    except OSError as error:
        raise ModelFolderError(f"{path} was not written, {why_not_written(path, error)}") from error


def why_not_written(path: Path, error: OSError) -> str:
    """Why the system did not write a file, and what to do, as the end of a sentence."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return "no space is left on the disk (what was there before is unchanged): free some and try again"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return "writing there is not permitted: change the permissions or choose another folder"
        case errno.EEXIST | errno.ENOTDIR:
            return f"{_file_in_the_way(path)} is a file where a folder is needed: choose another folder"
        case errno.EISDIR:
            return "it is a folder where a file is needed: remove it or choose another name"
    return f"the system says {error.strerror or error}: choose another folder"


def _file_in_the_way(path: Path) -> Path:
    return next((part for part in reversed(path.parents) if part.exists() and not part.is_dir()), path)


def _flush_folder(folder: Path) -> None:
    """Let the renaming survive a power cut too, where the system can open a folder (Windows cannot)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
