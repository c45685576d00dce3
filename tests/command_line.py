"""Running the command: in this process for speed, or in one of its own."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from small_models import LABELS, TEXTS, small

import ricorda.cli

SMALL = [
    *("--hidden-size", "4", "--embedding-size", "4", "--one-direction", "--device", "cpu", "--batch-size", "8"),
    *("--tokenizer", "word", "--min-frequency", "1", "--epochs", "2"),
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


@pytest.fixture
def ricorda_command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run `ricorda ...` in this process."""
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")  # which the command would set, and leave behind

    def run(*arguments: Any, stdin: bytes = b"") -> Done:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["ricorda", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as ended:
            ricorda.cli.main()
        return Done(int(ended.value.code or 0), *capfd.readouterr())

    return run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with a table of 30 labelled texts, `data.csv`."""
    monkeypatch.chdir(tmp_path)
    Path("data.csv").write_text(TABLE)
    return tmp_path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model of texts, `model`, and its data; not to be changed."""
    folder = tmp_path_factory.mktemp("trained")
    model = small(epochs=10, learning_rate=0.05, dropout=0.0, validation_fraction=0.2).fit(TEXTS, LABELS)
    model.save(folder / "model")
    (folder / "data.csv").write_text(TABLE)
    return folder


def in_a_process(*arguments: Any, **options: Any) -> subprocess.Popen[str]:
    """Start `ricorda ...` in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONUNBUFFERED", None)  # with which a reader that has gone is noticed at another place
    return subprocess.Popen(
        [sys.executable, "-m", "ricorda", *map(str, arguments)],
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
