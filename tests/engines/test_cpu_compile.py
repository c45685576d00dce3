"""Machine code in memory and on disk: other processes, damaged files, forks and threads."""

import gc
import hashlib
import multiprocessing
import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest
import torch
from engine_cases import PROGRAMS, Case, check

from ricorda.engines import reference
from ricorda.engines.cpu import engine as cpu
from ricorda.engines.cpu.kernels import cache as kept
from ricorda.engines.cpu.kernels import compile as machine
from ricorda.engines.cpu.kernels import kernels as plans
from ricorda.engines.cpu.run import call
from ricorda.engines.cpu.words.target import Target, host
from ricorda.program.weights import layout

RNN = PROGRAMS["rnn"]
KERNELS = 4
"""Files of a cell that is trained: the tiles, the functions that all cells call, its loops forward and backward."""


def forget() -> None:
    """Forget what is in memory, as a new process would have it."""
    plans.kernels_for.cache_clear()
    plans._compiled.cache_clear()
    machine.library.cache_clear()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "new" / "cache"
    monkeypatch.setenv("RICORDA_CACHE", str(folder))
    forget()
    yield folder
    forget()


machine_code = cache(machine._machine_code)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is compiled from now on; the same text is compiled but once, to save time."""
    found: list[str] = []

    def counted(text: str, target: Target, *unroll: bool) -> bytes:
        found.append(text)
        return machine_code(text, target, *unroll)

    monkeypatch.setattr(machine, "_machine_code", counted)
    return found


def train() -> None:
    check(Case(RNN), cpu)


def test_what_was_compiled_is_read_from_the_folder(folder: Path, compiled: list[str]) -> None:
    train()
    assert len(compiled) == KERNELS
    assert len(list(folder.iterdir())) == KERNELS
    train()
    forget()
    train()
    assert len(compiled) == KERNELS


@pytest.mark.parametrize("how", ["empty", "cut", "altered", "other text"])
def test_a_damaged_file_is_noticed_and_written_anew(folder: Path, compiled: list[str], how: str) -> None:
    train()
    whole = {path: path.read_bytes() for path in folder.iterdir()}
    for path, data in whole.items():
        middle = len(data) // 2
        altered = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        path.write_bytes({"empty": b"", "cut": data[:middle], "altered": altered, "other text": b"hello\nworld\n"}[how])
    forget()
    train()
    assert len(compiled) == 2 * KERNELS
    assert {path: path.read_bytes() for path in folder.iterdir()} == whole


def test_files_that_change_places_are_noticed(folder: Path, compiled: list[str]) -> None:
    train()
    whole = {path: path.read_bytes() for path in sorted(folder.iterdir())}
    for path, other in zip(whole, [*list(whole)[1:], next(iter(whole))], strict=True):
        path.write_bytes(whole[other])
    forget()
    train()
    assert len(compiled) == 2 * KERNELS
    assert {path: path.read_bytes() for path in folder.iterdir()} == whole


@pytest.mark.parametrize("own", [False, True], ids=["sound for the bytes", "sound for the name too"])
@pytest.mark.parametrize("what", ["no code", "another kernel's", "no slots", "slots of another kind"])
def test_a_sound_checksum_over_something_else_is_not_trusted(
    folder: Path, compiled: list[str], what: str, own: bool
) -> None:
    train()
    whole = {path: path.read_bytes() for path in sorted(folder.iterdir())}
    for path, other in zip(whole, [*list(whole)[1:], next(iter(whole))], strict=True):
        slots, code = whole[path].split(b"\n", 2)[1:]
        rest = {
            "no code": slots + b"\n" + b"\x90" * len(code),
            "another kernel's": whole[other].partition(b"\n")[2],
            "no slots": b"{\n" + code,
            "slots of another kind": b"[1]\n" + code,
        }[what]
        digest = kept._digest(path.stem, rest) if own else hashlib.sha256(rest).hexdigest().encode()
        path.write_bytes(digest + b"\n" + rest)
    forget()
    train()
    assert len(compiled) == 2 * KERNELS
    assert {path: path.read_bytes() for path in folder.iterdir()} == whole


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no FIFOs")
@pytest.mark.parametrize("what", ["a FIFO", "a folder", "a device", "a file without end", "a file of anybody's"])
def test_what_is_no_file_of_ours_is_neither_run_nor_waited_for(folder: Path, compiled: list[str], what: str) -> None:
    train()
    for path in list(folder.iterdir()):
        if what == "a file of anybody's":
            path.chmod(0o666)
            continue
        path.unlink()
        if what == "a FIFO":
            os.mkfifo(path)
        elif what == "a folder":
            path.mkdir()
        elif what == "a device":
            path.symlink_to("/dev/zero")
        else:
            path.touch()
            os.truncate(path, 2**40)
    forget()
    train()
    assert len(compiled) == 2 * KERNELS
    forget()
    train()
    assert len(compiled) == (3 if what == "a folder" else 2) * KERNELS  # which alone cannot be replaced


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="the system has no such rights")
@pytest.mark.parametrize("whose", ["everybody's", "the group's", "another user's"])
def test_a_folder_that_others_can_write_is_left_unused_and_that_is_said_once(
    folder: Path, compiled: list[str], whose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    train()
    before = {path: path.read_bytes() for path in folder.iterdir()}
    folder.chmod({"everybody's": 0o777, "the group's": 0o770}.get(whose, 0o700))
    if whose == "another user's":
        uid = folder.stat().st_uid
        os.chown(folder, 12_345, -1) if uid == 0 else monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    forget()
    with pytest.warns(UserWarning, match="as others can write there") as caught:
        train()
    assert len(caught) == 1
    assert str(folder) in str(caught[0].message)
    assert len(compiled) == 2 * KERNELS
    forget()
    train()  # a second warning would be an error
    assert len(compiled) == 3 * KERNELS
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_nobody_else_can_read_or_write_what_is_kept(folder: Path) -> None:
    before = os.umask(0)
    try:
        train()
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_an_empty_name_turns_the_folder_off(compiled: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RICORDA_CACHE", "")
    monkeypatch.chdir(folder.parent.parent)
    train()
    forget()
    train()
    assert len(compiled) == 2 * KERNELS
    assert not list(folder.parent.parent.iterdir())


def test_a_user_without_a_home_is_served_without_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a number without a name in a container, or a service: the engine was lost to an error about the folder."""
    for variable in ("RICORDA_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA", "HOME", "USERPROFILE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # which is what it does then
    with pytest.raises(RuntimeError, match="home"):
        Path.home()
    assert kept.folder() is None
    forget()
    train()
    forget()


@pytest.mark.parametrize("where", ["a file", "below a file", "a folder of that name", "read only"])
def test_a_folder_that_cannot_be_written_is_done_without(
    where: str, folder: Path, compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.parent.mkdir()
    if where == "a folder of that name":
        folder.mkdir()
        monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(IsADirectoryError()))
    elif where == "read only":
        folder.mkdir()
        monkeypatch.setattr(Path, "write_bytes", lambda *_: (_ for _ in ()).throw(PermissionError()))
    else:
        folder.write_text("here", encoding="utf-8")
        monkeypatch.setenv("RICORDA_CACHE", str(folder / "below" if where == "below a file" else folder))
    train()
    assert len(compiled) == KERNELS
    assert not folder.is_dir() or not list(folder.iterdir())


SCRIPT = """
import sys
sys.path[:0] = {path!r}
import torch
torch.set_num_threads(1)
from engine_cases import PROGRAMS, Case, check
from ricorda.engines.cpu.kernels import compile as machine
from ricorda.engines.cpu import engine as cpu
count, whole = 0, machine._machine_code
def counted(*args):
    global count
    count += 1
    return whole(*args)
machine._machine_code = counted
check(Case(PROGRAMS["lstm"]), cpu)
print("compiled", count)
"""


def start(hash_seed: str) -> "subprocess.Popen[str]":
    script = SCRIPT.format(path=[path for path in sys.path if path])
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_processes_share_the_folder(folder: Path, compiled: list[str]) -> None:
    together = [start(hash_seed) for hash_seed in "12"]
    for process in together:
        out, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert out.startswith("compiled ")
    assert len(list(folder.iterdir())) == KERNELS  # whichever came first: the same names, and no temporary ones
    out, errors = start("3").communicate(timeout=120)
    assert out == "compiled 0\n", errors
    check(Case(PROGRAMS["lstm"]), cpu)
    assert not compiled


def in_child(H: int, expected: dict[str, np.ndarray]) -> None:
    """The engine alone: torch's own products wait for ever in a child of a process that had several threads."""
    torch.set_num_threads(2)  # of which a child has one at first
    for name, value in Case(PROGRAMS["gru"], B=9, H=H).everything(cpu).items():
        np.testing.assert_allclose(value.numpy(), expected[name], atol=1e-10, rtol=0)


def end_well(method: str, sizes: list[int]) -> None:
    """Start child processes, which have to come to a good end."""
    context = multiprocessing.get_context(method)
    children = []
    for H in sizes:
        found = Case(PROGRAMS["gru"], B=9, H=H).everything(reference)
        expected = {name: value.numpy() for name, value in found.items()}
        children.append(context.Process(target=in_child, args=(H, expected)))
    for child in children:
        child.start()
    end = time.monotonic() + 60
    for child in children:
        child.join(timeout=max(0.0, end - time.monotonic()))
    codes = [child.exitcode for child in children]
    for child in children:
        child.kill()
    assert codes == [0] * len(sizes)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning", r"ignore:os\.fork\(\) was called:RuntimeWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_started_from_one_that_used_several_threads(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"the system has no {method}")
    monkeypatch.setattr(call, "ALONE", 0)
    torch.set_num_threads(2)
    try:
        check(Case(PROGRAMS["gru"], B=9, H=40), cpu)
        end_well(method, [40, 7])
    finally:
        torch.set_num_threads(1)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning", r"ignore:os\.fork\(\) was called:RuntimeWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_child_forked_while_another_thread_compiles(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, whole = threading.Event(), machine._machine_code

    def announced(*args: object) -> bytes:
        begun.set()
        return whole(*args)

    monkeypatch.setattr(machine, "_machine_code", announced)
    thread = threading.Thread(target=train)
    thread.start()
    assert begun.wait(60)
    end_well("fork", [7])
    thread.join()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning", r"ignore:os\.fork\(\) was called:RuntimeWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_child_forked_while_another_thread_is_inside_llvm() -> None:
    """As where a kernel is freed, which no lock of ours is held for."""
    inside = threading.Event()

    def linger() -> None:
        inside.set()
        time.sleep(0.5)

    def leave() -> None:
        pass

    llvm.ffi.register_lock_callback(linger, leave)
    thread = threading.Thread(target=llvm.get_default_triple)
    thread.start()
    assert inside.wait(60)
    llvm.ffi.unregister_lock_callback(linger, leave)
    child = multiprocessing.get_context("fork").Process(target=llvm.get_default_triple)
    child.start()
    child.join(timeout=60)
    code = child.exitcode
    child.kill()
    thread.join()
    assert code == 0


def test_several_threads_of_python_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call, "ALONE", 0)
    failures: list[BaseException] = []
    together = threading.Barrier(4)

    def work(number: int) -> None:
        try:
            torch.set_num_threads(1 + number % 2)
            together.wait(60)
            for size in range(1, 20):
                check(Case(RNN, T=3, B=size, H=3 * size + number), cpu)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    torch.set_num_threads(1)
    assert not any(thread.is_alive() for thread in threads)
    assert not failures


def test_a_function_keeps_its_code_though_another_thread_compiled_the_same_kernel() -> None:
    kernels = plans.kernels_for(RNN, tuple(layout(RNN, True).shapes), host())
    kept_one, lost = (plans._compiled.__wrapped__(kernels, False) for _ in range(2))
    run, code = lost.run, weakref.ref(lost.owner)
    del lost
    gc.collect()
    assert code() is not None
    del run
    gc.collect()
    assert code() is None
    assert kept_one.run is not None
