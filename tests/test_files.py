import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ricorda.errors import ModelFolderError
from ricorda.files import write_atomically


def failing(number: int) -> Callable[..., Any]:
    def fail(*_args: Any, **_keywords: Any) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_text_and_bytes_replace_the_old_file_and_missing_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "notes.txt"
    write_atomically(path, b"old")
    write_atomically(path, "perché\n")
    assert path.read_bytes() == "perché\n".encode()
    assert os.listdir(path.parent) == ["notes.txt"]


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_the_mode_is_that_of_any_new_file(tmp_path: Path) -> None:
    write_atomically(tmp_path / "ours", "x")
    (tmp_path / "any").write_text("x", encoding="utf-8")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "any").stat().st_mode


@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "no space is left on the disk .* free some and try again"),
        (errno.EROFS, "not permitted: change the permissions or choose another folder"),
        (errno.EIO, "the system says Input/output error"),
    ],
)
def test_a_failure_leaves_the_old_file_alone_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, number: int, sentence: str
) -> None:
    path = tmp_path / "model.safetensors"
    path.write_text("old", encoding="utf-8")
    monkeypatch.setattr(os, function, failing(number))
    with pytest.raises(ModelFolderError, match=f"{re.escape(str(path))} was not written, .*{sentence}"):
        write_atomically(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["model.safetensors"]


def test_ctrl_c_while_writing_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def press(_descriptor: int) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "model.safetensors"
    path.write_text("old", encoding="utf-8")
    monkeypatch.setattr(os, "fsync", press)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["model.safetensors"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on the size of files")
def test_a_write_that_the_system_cuts_short_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_text("old", encoding="utf-8")
    script = (
        "import resource, signal, sys; from ricorda.files import write_atomically\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_atomically(sys.argv[1], b'x' * 5000)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True)
    assert f"ModelFolderError: {path} was not written, the system says File too large" in done.stderr
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["model.safetensors"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_folder_gets_a_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ModelFolderError, match="not permitted"):
        write_atomically(tmp_path / "x", "new")


@pytest.mark.parametrize("below", ["x", "a/b/x"])
def test_a_file_where_a_folder_is_needed_is_named(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("old", encoding="utf-8")
    with pytest.raises(ModelFolderError, match=f"{re.escape(str(tmp_path / 'file'))} is a file where a folder"):
        write_atomically(tmp_path / "file" / below, "new")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "old"


def test_a_folder_where_a_file_is_needed_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ModelFolderError, match="it is a folder where a file is needed"):
        write_atomically(tmp_path / "folder", "new")
    assert os.listdir(tmp_path) == ["folder"]
