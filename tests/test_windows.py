"""What is otherwise on Windows, as far as it can be seen from another system."""

import errno
import io
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from command_line import Command
from training_tasks import SHORT, Signs

from ricorda import telling
from ricorda.cli import cells, command, source
from ricorda.data.read import read_examples
from ricorda.data.source import unreadable
from ricorda.errors import DataError
from ricorda.training import CHECKPOINT, Interrupted, train
from ricorda.training.checkpoint import read_checkpoint

MAPS = Path("/proc/self/maps")


def mapped(path: Path) -> bool:
    """Whether memory of this process is a part of a file, which Windows would not let another file replace."""
    return str(path) in MAPS.read_text(encoding="utf-8")


@pytest.mark.skipif(not MAPS.exists(), reason="the system does not tell what is mapped")
def test_a_resumed_training_keeps_no_part_of_the_checkpoint_that_it_replaces(tmp_path: Path) -> None:
    stopped = Signs()
    stopped.hook = lambda call: signal.raise_signal(signal.SIGINT) if call == 7 else None
    with pytest.raises(Interrupted):
        train(stopped, SHORT, folder=tmp_path)
    path = tmp_path / CHECKPOINT
    checkpoint = read_checkpoint(tmp_path)
    assert not mapped(path)
    assert checkpoint.tensors
    seen: list[bool] = []
    resumed = Signs()
    resumed.hook = lambda call: seen.append(mapped(path))
    train(resumed, SHORT, folder=tmp_path, resume=True)
    assert seen
    assert not any(seen)


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "WINDOWS", True)


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSPC])
def test_a_pipe_that_nobody_reads_ends_a_command_in_silence(
    code: int, windows: None, ricorda_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(*_: object) -> None:
        raise OSError(code, "of a system")

    replaced: list[int] = []
    monkeypatch.setattr(cells, "print_json", closed)
    monkeypatch.setattr(command.os, "dup2", lambda new, old: replaced.append(old))
    monkeypatch.setattr(sys.stdout, "fileno", lambda: 1, raising=False)
    if code == errno.EINVAL:
        assert ricorda_command("cells", "lstm", "--json").code == 0
        assert len(replaced) == 1
    else:
        with pytest.raises(OSError, match="of a system"):
            ricorda_command("cells", "lstm", "--json")


@pytest.mark.usefixtures("windows")
def test_advice_names_no_commands_of_other_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv"
    told = [unreadable(str(path), PermissionError())]
    for content in (b"text,label\ncaff\xe8,y\n", "text,label\nx,y\n".encode("utf-16"), b"text,label\rx,y\r"):
        path.write_bytes(content)
        with pytest.raises(DataError) as refused:
            read_examples(str(path))
        told.append(str(refused.value))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"caff\xe8\n"), isatty=lambda: False))
    with pytest.raises(DataError) as refused:
        list(source._lines_of_standard_input())
    told.append(str(refused.value))
    assert "in its properties, under Security" in told[0]
    assert all("Notepad" in sentence for sentence in told[1:3])
    assert "in an editor" in told[3]
    assert "PowerShell" in told[4]
    assert not any(word in sentence for sentence in told for word in ("chmod", "iconv", "tr '"))
