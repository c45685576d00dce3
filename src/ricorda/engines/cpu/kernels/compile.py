"""From a module to machine code in this process, kept in memory and on disk.

The code is stored under a hash of all that it follows from: what it computes, the processor, and the versions of what
wrote it. A file that is cut or altered is noticed and written anew. Files are written beside and renamed, so several
processes can share the folder.
"""

from __future__ import annotations

import contextlib
import ctypes
import glob
import hashlib
import json
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from ricorda import __version__
from ricorda.engines.cpu.kernels.code import Code
from ricorda.engines.cpu.products.tile import ROWS_APART, ROWS_TOGETHER, emit_tiles
from ricorda.engines.cpu.words.target import Target, host

_lock = threading.RLock()

PROCESS = os.getpid()
"""A forked child has another, and none of the threads that its parent's OpenMP counts on."""


_llvm_lock = llvm.ffi.lib._lock._lock
"""llvmlite's own, which is also taken where a kernel that nobody needs any more is freed, in whatever thread."""


def _before_fork() -> None:
    """Wait until no other thread compiles or frees: a child would wait for ever for a lock whose holder it lacks."""
    _lock.acquire()
    _llvm_lock.acquire()


def _after_fork() -> None:
    _llvm_lock.release()
    _lock.release()


def _in_child() -> None:
    """Let torch's operations, of which runs have some, do without the threads that stayed behind."""
    import torch

    _after_fork()
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)


@dataclass(frozen=True)
class Compiled:
    """A kernel in memory: `run(args, threads)`, and the slot of each of its arguments.

    Forward kernels have two more: `run_packed` takes the weights as an earlier `run` on the same memory has packed
    them, and `run_pair(args, other)` runs two calls, made for one thread each, side by side.
    """

    run: Callable[[Any, int], None]
    run_packed: Callable[[Any, int], None] | None
    run_pair: Callable[[Any, Any], None] | None
    slots: dict[str, int]
    owner: Any


def compiled(key: str, target: Target, write: Callable[[], Code]) -> Compiled:
    """The kernel of a module, from the cache or written and compiled now.

    Parameters
    ----------
    key : all that the module follows from, in words
    """
    with _lock:
        tiles(target)
        slots, machine_code = _from_disk(key, target) or (None, b"")
        if slots is None:
            code = write()
            slots, machine_code = code.slots, _machine_code(str(code.module), target)
            _to_disk(key, target, slots, machine_code)
        owner = _loaded(machine_code, target)
        kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)
        packed, pair = (owner.get_function_address(name) for name in ("run_packed", "run_pair"))
        of_two = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
        return Compiled(
            kind(owner.get_function_address("run")),
            kind(packed) if packed else None,
            of_two(pair) if pair else None,
            slots,
            owner,
        )


def check() -> None:
    """Compile what all kernels call; raises whatever keeps this machine from it."""
    with _lock:
        tiles(host())


@cache
def tiles(target: Target) -> Any:
    """The tiles of a target, which all its kernels call."""
    with _lock:
        stored = _from_disk("tiles", target)
        if stored is None:
            stored = {}, _machine_code(str(emit_tiles(target)), target, True)
            _to_disk("tiles", target, *stored)
        owner = _loaded(stored[1], target)
        for form in (ROWS_APART, ROWS_TOGETHER):
            name = target.tiles(form)
            llvm.add_symbol(name, owner.get_global_value_address(name))
        return owner


@cache
def openmp() -> bool:
    """Whether torch's OpenMP runtime is one whose threads kernels can run on; makes its entries known to LLVM."""
    import torch

    for path in glob.glob(str(Path(torch.__file__).parent / "lib" / "libgomp*")):
        runtime = ctypes.CDLL(path)
        for name in ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads"):
            llvm.add_symbol(name, ctypes.cast(getattr(runtime, name), ctypes.c_void_p).value)
        return True
    return False


def _machine_code(text: str, target: Target, unroll: bool = False) -> bytes:
    """Object code of a module; the loops that most of the time goes to, the tiles', are worth unrolling."""
    machine = target.machine()
    module = llvm.parse_assembly(text)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_unrolling = options.loop_interleaving = unroll
    options.loop_vectorization = options.slp_vectorization = False  # what can be in vectors is written in them
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    result: bytes = machine.emit_object(module)
    return result


def _loaded(machine_code: bytes, target: Target) -> Any:
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target.machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(machine_code))
    engine.finalize_object()
    return engine


def folder() -> Path | None:
    """Where compiled kernels are kept: `RICORDA_CACHE`, or a folder of the user's; none where it is set to nothing."""
    path = os.environ.get("RICORDA_CACHE")
    if path is not None:
        return Path(path) if path else None
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "ricorda"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "ricorda"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ricorda"


@cache
def _writers() -> str:
    """The versions of what wrote the code: of LLVM, and of every file that takes part."""
    digest = hashlib.sha256(f"{__version__} {llvmlite.__version__} {llvm.llvm_version_info}".encode())
    engine = Path(__file__).parents[1]
    program = engine.parents[1] / "program"
    for path in sorted([*engine.rglob("*.py"), *program.glob("*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _file(key: str, target: Target) -> Path | None:
    where = folder()
    name = hashlib.sha256(f"{_writers()}\n{target}\n{key}".encode()).hexdigest()
    return None if where is None else where / f"{name}.kernel"


def _from_disk(key: str, target: Target) -> tuple[dict[str, int], bytes] | None:
    path = _file(key, target)
    try:
        if path is None or not _ours(path):
            return None
        data = path.read_bytes()
    except OSError:
        return None
    digest, _, rest = data.partition(b"\n")
    if not rest or hashlib.sha256(rest).hexdigest().encode() != digest:
        return None
    slots, _, machine_code = rest.partition(b"\n")
    return json.loads(slots), machine_code


def _ours(path: Path) -> bool:
    """Whether a file is the user's own, so that nobody else wrote the code in it."""
    return not hasattr(os, "getuid") or path.stat().st_uid in (os.getuid(), 0)


def _to_disk(key: str, target: Target, slots: dict[str, int], machine_code: bytes) -> None:
    path = _file(key, target)
    if path is None:
        return
    rest = json.dumps(slots).encode() + b"\n" + machine_code
    beside = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside.write_bytes(hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest)
        beside.replace(path)
    except OSError:  # without a cache everything works, if slower at the start
        with contextlib.suppress(OSError):
            beside.unlink()
