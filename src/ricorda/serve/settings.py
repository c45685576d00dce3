"""What a server was started with, and the limits that it keeps."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ricorda.errors import ArgumentError

LOCAL = ("127.0.0.1", "::1", "localhost")
"""Hosts that this machine alone can reach."""

VARIABLE = "RICORDA_SERVE"
"""The environment variable by which processes of a server learn its settings."""

LARGEST = 4 * 2**20
"""Bytes of a request's body, and of a message to a stream, at most."""

MOST_INPUTS = 1_024
"""Inputs of a request at most."""

MOST_WAITING = 4_096
"""Inputs that may wait for a model's worker."""

SECONDS = 60.0
"""How long a request may take."""

GRACE = 10.0
"""Seconds in which streams may still ask for their state when the server is told to end."""


@dataclass(frozen=True)
class Settings:
    """What a server was started with.

    Parameters
    ----------
    models : name -> folder
    tokens : what requests have to bring, one of them; nothing if there is none
    workers : processes
    max_sessions : sessions of all processes together: streams, and sequences of the inference protocol
    idle : seconds after which a session that is not used ends
    watch : whether a model that is replaced on disk is opened anew
    shared : a folder of the server's own, for sockets and metrics of its processes; empty with one process
    """

    models: Mapping[str, str]
    host: str = "127.0.0.1"
    port: int = 8000
    tokens: tuple[str, ...] = field(default=(), repr=False)
    workers: int = 1
    max_sessions: int = 10_000
    idle: float = 600.0
    watch: bool = False
    shared: str = ""

    @property
    def local(self) -> bool:
        """Whether nobody but this machine can reach it."""
        return self.host in LOCAL

    def to_environment(self) -> None:
        """Leave the settings to the processes that this one starts."""
        os.environ[VARIABLE] = json.dumps(asdict(self))

    @classmethod
    def from_environment(cls) -> Settings:
        """The settings that `to_environment` left."""
        kept = json.loads(os.environ[VARIABLE])
        return cls(**{**kept, "tokens": tuple(kept["tokens"])})


def named(models: Sequence[str]) -> dict[str, str]:
    """The folders of models by name: `name=folder`, or a folder, which is called as its last part.

    Raises
    ------
    ArgumentError
        If two have the same name, or a name has other characters than letters, digits, `.`, `-` and `_`.
    """
    folders: dict[str, str] = {}
    for text in models:
        name, equals, folder = text.partition("=")
        if not equals or Path(text).is_dir():
            name, folder = Path(text).resolve().name, text
        if not name or not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or not name.isascii():
            raise ArgumentError(
                f"the model {text!r:.80} would be called {name!r:.40} in addresses: give it a name of letters, digits, "
                "'.', '-' and '_', as in reviews=FOLDER"
            )
        if name in folders:
            raise ArgumentError(f"two models are called {name!r}: name one of them, as in other={text}")
        folders[name] = folder
    return folders


def read_tokens(path: Path) -> tuple[str, ...]:
    """The tokens of a file, one a line; empty lines and those that begin with # are none.

    Raises
    ------
    ArgumentError
        If it cannot be read or holds none, or one that no header can carry.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise ArgumentError(
            f"the tokens of {path} cannot be read ({reason}): give a file with a token a line"
        ) from None
    tokens = tuple(line for line in lines if line and not line.startswith("#"))
    if not tokens:
        raise ArgumentError(f"{path} holds no token: write one a line, as `openssl rand -hex 32` prints it")
    for number, token in enumerate(lines, 1):
        if token in tokens and not (token.isascii() and token.isprintable() and " " not in token):
            raise ArgumentError(
                f"{path}, line {number}, holds a token that no header can carry: use letters and digits"
            )
    return tokens
