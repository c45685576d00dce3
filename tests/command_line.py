"""Running the command: in this process for speed, or in one of its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from small_models import LABELS, TEXTS

SMALL = [
    *("--hidden-size", "4", "--embedding-size", "4", "--one-direction", "--device", "cpu", "--batch-size", "8"),
    *("--tokenizer", "word", "--min-frequency", "1", "--epochs", "2"),
    *("--validation-fraction", "0.1"),
]
"""Options of a training that takes some 50 ms."""
TRAIN = ["train", "classify", "data.csv", "--out", "model", *SMALL]
TABLE = "text,label\n" + "".join(f'"{text}",{label}\n' for text, label in zip(TEXTS, LABELS, strict=True))


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one sentence that a mistake of the user gets, without "error: "."""
        assert self.code == 2, self
        assert self.out == ""
        *progress, last, end = self.err.split("\n")
        assert end == ""
        assert last.startswith("error: ")
        assert not progress, progress
        return last.removeprefix("error: ")


Command = Callable[..., Done]


def in_a_process(*arguments: Any, python: Sequence[str] = ("-m", "ricorda"), **options: Any) -> subprocess.Popen[str]:
    """Start `ricorda ...` in a process of its own; `python` is what Python is told to run."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONUNBUFFERED", None)  # with which a reader that has gone is noticed at another place
    return subprocess.Popen(
        [sys.executable, *python, *map(str, arguments)],
        env=environment,
        stdin=options.pop("stdin", subprocess.DEVNULL),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
