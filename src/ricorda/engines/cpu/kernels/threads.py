"""The threads of torch's OpenMP for kernels: its functions are found and made known to LLVM, or it is told why not.

Kernels call GNU's names, which the OpenMP of GNU has and so does LLVM's, which torch brings for macOS. That of Windows
has LLVM's own names alone: there a function of GNU's name is written that calls them.
"""

from __future__ import annotations

import ctypes
import sys
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import llvmlite.ir as ir

from ricorda.engines.cpu.kernels.compile import loaded_once
from ricorda.engines.cpu.words.emit import BYTES, I8, I32, VOID
from ricorda.engines.cpu.words.target import host

RUN = "GOMP_parallel"
WHO = ("omp_get_thread_num", "omp_get_num_threads")
FORK = ("__kmpc_global_thread_num", "__kmpc_push_num_threads", "__kmpc_fork_call")
"""What LLVM's OpenMP has in the place of `RUN`."""

WINDOWS = ("libiomp5md.dll", "libomp140.x86_64.dll", "libomp140.aarch64.dll")
"""The OpenMP that torch has loaded there: Intel's, or that of Microsoft's compiler."""


@cache
def team() -> tuple[str | None, str]:
    """The function that starts a team of threads, and a sentence on it; None and the reason if there is none."""
    libraries = list(_libraries())
    for library in libraries:
        for start in (RUN, FORK[-1]):
            functions = [start, *WHO] if start == RUN else [*FORK, *WHO]
            try:
                addresses = {name: ctypes.cast(getattr(library, name), ctypes.c_void_p).value for name in functions}
            except AttributeError:
                continue
            for name, address in addresses.items():
                llvm.add_symbol(name, address)
            if start != RUN:
                llvm.add_symbol(RUN, _run().get_function_address(RUN))
            if sys.platform == "win32":  # It gives its time to others under another name.
                yields = ctypes.WinDLL("kernel32").SwitchToThread
                llvm.add_symbol("sched_yield", ctypes.cast(yields, ctypes.c_void_p).value)
            return start, f"those of torch, by {start} of its OpenMP"
    if not libraries:
        return None, "torch's own library cannot be found, and so no OpenMP"
    return None, f"the OpenMP of this torch has neither {RUN} nor {FORK[-1]}"


@cache
def openmp() -> bool:
    """Whether kernels can run on the threads of torch's OpenMP; a warning says once why not, if torch has several."""
    import torch

    start, reason = team()
    if start is None and torch.get_num_threads() > 1:
        warnings.warn(f"recurrent layers run on one thread of the processor here: {reason}", UserWarning, stacklevel=2)
    return start is not None


def _libraries() -> Iterator[Any]:
    """Torch's own library, which finds what it depends on wherever that lies; on Windows the OpenMP that is loaded."""
    import torch

    if sys.platform == "win32":
        kernel = ctypes.WinDLL("kernel32")
        kernel.GetModuleHandleW.restype = ctypes.c_void_p
        for name in WINDOWS:
            handle = kernel.GetModuleHandleW(name)
            if handle:
                yield ctypes.CDLL(name, handle=handle)
        return
    for path in [*sorted((Path(torch.__file__).parent / "lib").glob("libtorch_cpu.*")), Path(torch._C.__file__)]:
        try:
            yield ctypes.CDLL(str(path))
        except OSError:
            continue


@cache
def _run() -> Any:
    """The code of `emit_run`, which lives as long as this object."""
    return loaded_once("openmp", host(), emit_run)


def emit_run() -> ir.Module:
    """Write `GOMP_parallel(function, data, threads, flags)` with LLVM's OpenMP: `function(data)` on each thread."""
    module = ir.Module("openmp")
    function = ir.FunctionType(VOID, [BYTES]).as_pointer()
    number = I32.as_pointer()
    # Each thread of a team calls this with two numbers of its own, then the arguments that the team was started with.
    member = ir.Function(module, ir.FunctionType(VOID, [number, number, function, BYTES]), "member")
    member.linkage = "internal"
    b = ir.IRBuilder(member.append_basic_block())
    b.call(member.args[2], [member.args[3]])
    b.ret_void()

    words = bytearray(b";ricorda;run;0;0;;\0")
    text = ir.GlobalVariable(module, ir.ArrayType(I8, len(words)), "words")
    text.linkage, text.initializer = "internal", ir.Constant(text.value_type, words)
    kind = ir.LiteralStructType([I32, I32, I32, I32, text.type])
    place = ir.GlobalVariable(module, kind, "place")  # Where a program's text starts the team: all of them need one.
    place.linkage, place.initializer = "internal", ir.Constant(kind, [I32(0), I32(2), I32(0), I32(0), text])

    here = place.type
    asks = ir.Function(module, ir.FunctionType(I32, [here]), FORK[0])
    pushes = ir.Function(module, ir.FunctionType(VOID, [here, I32, I32]), FORK[1])
    forks = ir.Function(module, ir.FunctionType(VOID, [here, I32, member.type], var_arg=True), FORK[2])
    run = ir.Function(module, ir.FunctionType(VOID, [function, BYTES, I32, I32]), RUN)
    b = ir.IRBuilder(run.append_basic_block())
    b.call(pushes, [place, b.call(asks, [place]), run.args[2]])
    b.call(forks, [place, I32(2), member, run.args[0], run.args[1]])
    b.ret_void()
    return module
