"""What a page was started with: one for all browsers."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ricorda.engines.cpu.kernels import cache


@dataclass(frozen=True)
class Settings:
    """What a page was started with.

    Parameters
    ----------
    models : name -> folder of a trained model, as they were named on the command line
    host : the address that the page listens on
    files : whether somebody who sits at this machine may name files of it
    """

    models: Mapping[str, Path]
    host: str
    files: bool = True

    @property
    def local(self) -> bool:
        """Whether nobody but the people at this machine can reach the page."""
        return self.host in ("127.0.0.1", "::1", "localhost")

    @property
    def opens_files(self) -> bool:
        """Whether a browser may name a file of this machine to be opened."""
        return self.files and self.local

    @cached_property
    def folder(self) -> Path:
        """Where browsers have their folders: the user's cache folder, or one that is gone with the page."""
        kept = cache.folder()
        return kept / "page" if kept is not None else Path(tempfile.mkdtemp(prefix="ricorda-page-"))


def folder_of(settings: Settings, browser: str) -> Path:
    """The folder of one browser alone, by the random name that it was given; it is made if there is none."""
    own = settings.folder / hashlib.sha256(browser.encode()).hexdigest()[:32]
    own.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.utime(own)  # Folders that nobody looks into any more are removed one day.
    return own
