"""What every test runs under, and the fixtures that several files share. Helpers that are no fixtures stand beside."""

import io
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch: processes side by side share the cores
os.environ.setdefault("RICORDA_CACHE", os.path.join(tempfile.gettempdir(), "ricorda-tests"))  # not the user's

import pytest
import torch
from hypothesis import settings

if TYPE_CHECKING:
    from command_line import Command
    from failing_disk import Disk

    from ricorda import SequenceClassifier

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as for commands that a shell starts in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)

torch.set_num_threads(1)
settings.register_profile("ricorda", deadline=None, derandomize=True, max_examples=40)
settings.load_profile("ricorda")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """One thread, whatever the test before has left."""
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(1)


@pytest.fixture
def ricorda_command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> "Command":
    """Run `ricorda ...` in this process."""
    from command_line import Done

    import ricorda.cli

    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")  # which the command would set, and leave behind

    def run(*arguments: Any, stdin: bytes = b"") -> Done:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["ricorda", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        with pytest.raises(SystemExit) as ended:
            ricorda.cli.main()
        return Done(int(ended.value.code or 0), *capfd.readouterr())

    return run


@pytest.fixture(scope="module")
def without_learning_curves() -> Iterator[None]:
    """They take most of the time of a tiny training."""
    from ricorda.tasks import saving

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saving, "learning_curve", lambda *_: None)
        patch.setattr(saving, "as_png", lambda _: b"")
        yield


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with a table of 30 labelled texts, `data.csv`."""
    from command_line import TABLE

    monkeypatch.chdir(tmp_path)
    Path("data.csv").write_text(TABLE, encoding="utf-8")
    return tmp_path


@pytest.fixture(scope="session")
def fitted() -> "SequenceClassifier":
    """A classifier of texts that has learned something; not to be changed."""
    from small_models import LABELS, LEARNING, TEXTS, small

    return small(**LEARNING).fit(TEXTS, LABELS)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model of texts, `model`, and its data; not to be changed."""
    from command_line import TABLE
    from small_models import LABELS, TEXTS, small

    folder = tmp_path_factory.mktemp("trained")
    model = small(epochs=10, learning_rate=0.05, dropout=0.0, validation_fraction=0.2).fit(TEXTS, LABELS)
    model.save(folder / "model")
    (folder / "data.csv").write_text(TABLE, encoding="utf-8")
    return folder


@pytest.fixture
def disk(tmp_path: Path) -> Iterator["Disk"]:
    """The disk below `tmp_path/model`."""
    from failing_disk import DISKS, Disk

    if not DISKS:  # a hook cannot be taken away again
        sys.addaudithook(lambda event, arguments: DISKS[-1](event, arguments))
    DISKS.append(Disk(tmp_path / "model"))
    yield DISKS[-1]
    DISKS[-1].work()
