"""Where a search keeps its trials: a journal file, or any database that Optuna knows."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from ricorda.errors import ArgumentError, ModelFolderError
from ricorda.files import why_not_written
from ricorda.searching.extra import journal, optuna

HEARTBEAT = 30
"""Seconds between two signs of life of a trial in a database; without one for twice as long it counts as lost."""

LOCKED = 10
"""Seconds after which the lock of a process that was killed while it wrote to the journal is broken."""

RETRIES = 2
"""How often the parameters of lost trials are tried again: those that kill their process are given up in the end."""

BEGINNING = b'{"op_code":'
"""What every line of a journal begins with."""


def retry(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
    """Put the parameters of a lost trial into the queue."""
    optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=RETRIES)(study, trial)


def journal_of(storage: str) -> Path | None:
    """The journal file that a storage names; None for a database's URL."""
    return None if "://" in storage else Path(storage).resolve()


def open_storage(storage: str) -> Any:
    """Open a storage, or make it.

    Raises
    ------
    ArgumentError
        If a database does not answer, or a file is no journal.
    ModelFolderError
        If the file cannot be written.
    """
    path = journal_of(storage)
    if path is not None:
        return _open_journal(path)
    try:
        return optuna.storages.RDBStorage(
            storage,
            heartbeat_interval=HEARTBEAT,
            grace_period=2 * HEARTBEAT,
            heartbeat_stale_trial_callback=retry,
        )
    except Exception as error:  # Every database has errors of its own.
        raise ArgumentError(
            f"--storage {without_password(storage)} cannot be opened ({_reason(error)}): check that the database runs, "
            "its address and its driver, or give a file"
        ) from None


def without_password(storage: str) -> str:
    """A database's URL as it may be shown."""
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", storage)


class _WholeLines(journal.JournalFileOpenLock):
    """The journal's lock: who gets it first drops a line that a killed process has left unfinished."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), grace_period=LOCKED)
        self._path = path

    def acquire(self) -> bool:
        """Wait for the lock."""
        held = super().acquire()
        try:
            drop_unfinished_line(self._path)
        except BaseException:
            self.release()
            raise
        return held


def drop_unfinished_line(path: Path) -> None:
    """Cut a file after its last line end."""
    with open(path, "r+b") as file:
        end = file.seek(0, os.SEEK_END)
        if not end:
            return
        file.seek(end - 1)
        if file.read(1) != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)


def check_storage(storage: str) -> None:
    """Raise what `open_storage` would raise, before anything long begins; no file is made."""
    path = journal_of(storage)
    if path is None:
        open_storage(storage)
    elif path.exists():
        _check_journal(path)


def _check_journal(path: Path) -> None:
    try:
        with open(path, "rb") as file:
            first = file.readline()
    except OSError as error:
        raise ModelFolderError(f"{path} cannot be opened, {why_not_written(path, error)}") from error
    if first[: len(BEGINNING)] != BEGINNING[: len(first)]:
        raise ArgumentError(f"--storage {path} is no journal of Optuna, and so it is kept: give another file")


def _open_journal(path: Path) -> Any:
    if path.exists():
        _check_journal(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        backend = journal.JournalFileBackend(str(path), lock_obj=_WholeLines(path))
        return optuna.storages.JournalStorage(backend)
    except OSError as error:
        raise ModelFolderError(f"{path} was not written, {why_not_written(path, error)}") from error


def _reason(error: Exception) -> str:
    """The first line of a library's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
