"""From a module to machine code in this process, kept in memory and on disk.

The code is stored under a hash of everything it depends on: what it computes, the processor, and the versions of the
code that wrote it.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from ricorda import __version__
from ricorda.engines.cpu.kernels.cache import from_disk, mark, to_disk
from ricorda.engines.cpu.kernels.code import Code
from ricorda.engines.cpu.products.library import emit_library, names
from ricorda.engines.cpu.products.tile import emit_tiles, forms
from ricorda.engines.cpu.words.target import Target

_lock = threading.RLock()

PROCESS = os.getpid()
"""The process that imported this. A forked child has another number, and lacks the threads of its parent's OpenMP."""


_llvm_lock = llvm.ffi.lib._lock._lock
"""llvmlite's own lock. It is also taken when an unused kernel is freed, which can happen in any thread."""


def _before_fork() -> None:
    """Wait until no other thread compiles or frees: a child would wait for ever for a lock that a lost thread holds."""
    _lock.acquire()
    _llvm_lock.acquire()


def _after_fork() -> None:
    _llvm_lock.release()
    _lock.release()


def _in_child() -> None:
    """Keep torch's operations to one thread: the others did not come along."""
    import torch

    _after_fork()
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)


@dataclass(frozen=True)
class Compiled:
    """A kernel in memory: `run(args, threads)`, and the slot of each of its arguments.

    Forward kernels have two more functions. `run_packed` uses the weights that an earlier `run` packed in the same
    memory. `run_pair(args, other)` runs two calls at the same time, on one thread each.
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
    key : everything that the module depends on, as text
    """
    with _lock:
        library(target)

        def make() -> tuple[dict[str, int], bytes]:
            code = write()
            return code.slots, _machine_code(_marked(code.module, name), target)

        name = _name(key, target)
        slots, machine_code = _kept(name, make)
        owner = _loaded(machine_code, target)
        of_one = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)
        of_two = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)

        def function(kind: Any, name: str) -> Any:
            address = owner.get_function_address(name)
            if not address:
                return None
            # Whoever keeps a function keeps its code: two threads may compile the same kernel, and the cache keeps one.
            made = kind(address)
            made.owner = owner
            return made

        return Compiled(
            function(of_one, "run"), function(of_one, "run_packed"), function(of_two, "run_pair"), slots, owner
        )


@cache
def without_code(target: Target) -> str | None:
    """Why this machine cannot compile for a target, None if it can: what all its kernels call is compiled."""
    try:
        library(target)
    except Exception as error:  # After any error a layer must still run, in another way.
        return f"{type(error).__name__}: {error}"
    return None


@cache
def library(target: Target) -> tuple[Any, Any]:
    """What all kernels of a target call, compiled: its tiles, and the functions of the library, which call these."""
    with _lock:
        tiles = loaded_once("tiles", target, partial(emit_tiles, target), unroll=True)
        for table in map(target.tiles, forms(target)):
            llvm.add_symbol(table, tiles.get_global_value_address(table))
        functions = loaded_once("library", target, partial(emit_library, target))
        for function in map(target.symbol, names(target)):
            llvm.add_symbol(function, functions.get_function_address(function))
        return tiles, functions


def loaded_once(key: str, target: Target, emit: Callable[[], Any], unroll: bool = False) -> Any:
    """The code of a module that a target has one of, from the disk or compiled now."""
    name = _name(key, target)
    _, machine_code = _kept(name, lambda: ({}, _machine_code(_marked(emit(), name), target, unroll)))
    return _loaded(machine_code, target)


def _kept(name: str, make: Callable[[], tuple[dict[str, int], bytes]]) -> tuple[dict[str, int], bytes]:
    """The slots and the machine code of a name, from the disk or made now and stored there."""
    kept = from_disk(name)
    if kept is None:
        kept = make()
        to_disk(name, *kept)
    return kept


def _marked(module: Any, name: str) -> str:
    """A module's text, with a symbol that ties its code to its name."""
    return f"{module}\n@{mark(name)} = constant i8 0\n"


def _machine_code(text: str, target: Target, unroll: bool = False) -> bytes:
    """Object code of a module."""
    result: bytes = target.machine().emit_object(optimised(text, target, unroll))
    return result


def optimised(text: str, target: Target, unroll: bool = False) -> Any:
    """A module as LLVM improves it. Only the loops of tiles, which take most of the time, are worth unrolling."""
    module = llvm.parse_assembly(text)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=1)
    options.loop_unrolling = options.loop_interleaving = unroll
    options.loop_vectorization = options.slp_vectorization = False  # The code is in vectors already.
    builder = llvm.create_pass_builder(target.machine(), options)
    builder.getModulePassManager().run(module, builder)
    return module


def _loaded(machine_code: bytes, target: Target) -> Any:
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target.machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(machine_code))
    engine.finalize_object()
    return engine


@cache
def _writers() -> str:
    """A hash of the versions of LLVM and llvmlite, and of every source file that takes part in writing kernels."""
    digest = hashlib.sha256(f"{__version__} {llvmlite.__version__} {llvm.llvm_version_info}".encode())
    engine = Path(__file__).parents[1]
    program = engine.parents[1] / "program"
    for path in sorted([*engine.rglob("*.py"), *program.glob("*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _name(key: str, target: Target) -> str:
    """The name under which the code for a key and a target is kept."""
    return hashlib.sha256(f"{_writers()}\n{target}\n{key}".encode()).hexdigest()
