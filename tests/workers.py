"""Processes that train together on this machine, as torchrun starts them but without its own two seconds."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def free_port() -> int:
    """A port that nobody listens to."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def start_workers(
    size: int, *command: Any, folders: Sequence[Path] | None = None, environment: Mapping[str, str] | None = None
) -> list[subprocess.Popen[str]]:
    """Start Python with a command in each of several processes, each in its folder if there are folders."""
    port = str(free_port())
    of_all = {
        **os.environ,
        **{
            "OMP_NUM_THREADS": "1",
            "TORCHELASTIC_RUN_ID": "test",
            "WORLD_SIZE": str(size),
            "LOCAL_WORLD_SIZE": str(size),
        },
        **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, **(environment or {})},
    }
    return [
        subprocess.Popen(
            [sys.executable, *map(str, command)],
            env={**of_all, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            cwd=folders[rank] if folders else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]


def ended(workers: Sequence[subprocess.Popen[str]], seconds: float = 90) -> list[tuple[int, str, str]]:
    """Wait for all of them: exit code, standard output and error of each; none is left running."""
    try:
        said = [worker.communicate(timeout=seconds) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    return [(worker.returncode, *words) for worker, words in zip(workers, said, strict=True)]
