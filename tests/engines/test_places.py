"""Code for processors and systems other than this one: it asks for nothing that is not to be had there."""

import ctypes
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import llvmlite.binding as llvm
import llvmlite.ir as ir
import pytest
import torch
from engine_cases import PROGRAMS, Case, check
from object_symbols import undefined

from ricorda.engines.cpu import engine as cpu
from ricorda.engines.cpu.kernels import compile as machine
from ricorda.engines.cpu.kernels import kernels as plans
from ricorda.engines.cpu.kernels import threads
from ricorda.engines.cpu.kernels.kernel import emit_backward, emit_forward
from ricorda.engines.cpu.products.library import emit_library, names
from ricorda.engines.cpu.products.tile import ROWS_APART, ROWS_TOGETHER, emit_tile, emit_tiles, most_rows
from ricorda.engines.cpu.run import call
from ricorda.engines.cpu.words.target import Target, of

NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
HASWELL = {"avx2": True, "fma": True}

PLACES: dict[str, tuple[str, dict[str, bool]]] = {
    "aarch64-unknown-linux-gnu": ("generic", {"neon": True, "fp-armv8": True}),
    "arm64-apple-darwin": ("apple-m1", {}),
    "aarch64-pc-windows-msvc": ("generic", {}),
    "x86_64-pc-windows-msvc": ("haswell", HASWELL),
    "x86_64-apple-darwin": ("haswell", HASWELL),
    "x86_64-unknown-linux-gnu": ("nehalem", {"avx2": False}),
}
"""Processors, and the features that LLVM reports of them: of Apple's none, as of no ARM processor on macOS."""

THREADS = {"GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads", "sched_yield"}
MEMORY = {"memcpy", "memset", "memmove", "bzero", "__bzero", "__chkstk", "_fltused"}
"""What every system's C library has, and a compiler may call; the last says that a file of Windows has such numbers."""


def target_of(triple: str, products: str) -> Target:
    return of(triple, *PLACES[triple], products=products)


def generator(target: Target) -> Any:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    return target.machine()


def asked_for(text: str, target: Target) -> set[str]:
    """What a module's code calls or reads and does not hold itself."""
    return undefined(generator(target).emit_object(machine.optimised(text, target)))


@pytest.mark.parametrize("triple", PLACES)
def test_code_for_other_places_asks_for_what_is_there(triple: str) -> None:
    target = target_of(triple, "bf16" if "linux" in triple else "f32")
    kernels = plans.kernels_for(PROGRAMS["rnn"], NAMES, target, training=True)
    assert kernels.backward is not None
    texts = [
        str(emit_forward(target, kernels.forward, kernels.inputs, True).module),
        str(emit_backward(target, kernels.backward, kernels.weight_operands, kernels.sums, True).module),
    ]
    own = {*map(target.symbol, names(target)), target.tiles(ROWS_APART), target.tiles(ROWS_TOGETHER)}
    asked = set().union(*(asked_for(text, target) for text in texts))
    assert asked - MEMORY - own == THREADS
    for text in (str(emit_library(target)), str(emit_tiles(target))):
        assert asked_for(text, target) - MEMORY <= own


ARM = [triple for triple in PLACES if triple.startswith(("aarch64", "arm64"))]


@pytest.mark.parametrize("form", [ROWS_APART, ROWS_TOGETHER])
@pytest.mark.parametrize("triple", ARM)
def test_sums_of_arm_processors_are_fused_multiply_adds_in_registers(triple: str, form: str) -> None:
    target = target_of(triple, "f32")
    assert (target.lanes, target.panel) == (4, 4)
    rows = most_rows(target, target.panel)
    assert rows >= 6
    module = ir.Module()
    emit_tile(module, target, rows, target.panel, form)
    text = generator(target).emit_assembly(machine.optimised(str(module), target, unroll=True))
    loops = inner_loops(text)
    assert len(loops) >= 2  # of the first block along K, and of later ones
    for loop in loops:
        sums = re.findall(r"\bfmla(?:\.4s)?\s+(v\d+)", loop)
        assert len(set(sums)) == rows * target.panel
        assert len(sums) % (rows * target.panel) == 0
        assert not re.search(r"\b(fmul|fadd|str|stp|stur)\b|\[sp", loop)  # Nothing is rounded twice or leaves them.


def inner_loops(text: str) -> list[str]:
    """The blocks that branch back to their own beginning."""
    blocks = re.split(r"^(?=\S+:)", text, flags=re.M)
    back = r"^\s+(?:b\.\w+|cbn?z\s+\w+,)\s+"
    return [block for block in blocks if re.search(rf"{back}{re.escape(block.partition(':')[0])}\s*$", block, re.M)]


def forget_threads() -> None:
    for one in (threads.team, threads.openmp, threads._run, plans._compiled):
        one.cache_clear()


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Two threads of torch, whose OpenMP is looked for anew."""
    forget_threads()
    torch.set_num_threads(2)
    yield monkeypatch
    torch.set_num_threads(1)
    monkeypatch.undo()
    forget_threads()


@pytest.mark.parametrize("how", ["no library", "no function"])
def test_without_openmp_one_thread_serves_and_that_is_said_once(how: str, two_threads: pytest.MonkeyPatch) -> None:
    two_threads.setattr(threads, "_libraries", lambda: [] if how == "no library" else [SimpleNamespace()])
    reason = {
        "no library": "torch's own library cannot be found",
        "no function": "has neither GOMP_parallel nor __kmpc",
    }
    with pytest.warns(UserWarning, match=rf"run on one thread of the processor here: .*{reason[how]}") as caught:
        check(Case(PROGRAMS["rnn"], B=9, H=40), cpu)
    assert len(caught) == 1
    check(Case(PROGRAMS["rnn"], B=9, H=40), cpu)


@pytest.mark.skipif(not torch.backends.openmp.is_available(), reason="this torch has no OpenMP")
def test_threads_are_found_wherever_torch_keeps_its_openmp(two_threads: pytest.MonkeyPatch) -> None:
    """Some builds have it in `torch.libs`, others take the system's: nobody may look for a file of its name."""
    listed = Path.glob
    two_threads.setattr(Path, "glob", lambda path, pattern: [p for p in listed(path, pattern) if "omp" not in p.name])
    start, sentence = threads.team()
    assert start is not None, sentence
    assert threads.openmp()


def test_threads_of_an_openmp_that_has_llvms_names_alone(two_threads: pytest.MonkeyPatch) -> None:
    """As on Windows: here two threads of Python's stand in for its team."""
    local = threading.local()
    forked: list[tuple[int, int]] = []
    Member = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)

    def push(place: int, thread: int, number: int) -> None:
        local.wanted = number

    def fork(place: int, count: int, member: Any, function: int, data: int) -> None:
        forked.append((count, local.wanted))

        def run(number: int) -> None:
            local.number = number
            one = ctypes.byref(ctypes.c_int32(number))
            Member(member)(one, one, function, data)

        team = [threading.Thread(target=run, args=(number,)) for number in range(local.wanted)]
        for thread in team:
            thread.start()
        for thread in team:
            thread.join()

    I, P = ctypes.c_int32, ctypes.c_void_p
    stand_in = SimpleNamespace(
        __kmpc_global_thread_num=ctypes.CFUNCTYPE(I, P)(lambda place: 0),
        __kmpc_push_num_threads=ctypes.CFUNCTYPE(None, P, I, I)(push),
        __kmpc_fork_call=ctypes.CFUNCTYPE(None, P, I, P, P, P)(fork),
        omp_get_thread_num=ctypes.CFUNCTYPE(I)(lambda: local.number),
        omp_get_num_threads=ctypes.CFUNCTYPE(I)(lambda: 2),
    )
    two_threads.setattr(threads, "_libraries", lambda: [stand_in])
    two_threads.setattr(call, "ALONE", 0)
    assert threads.team() == ("__kmpc_fork_call", "those of torch, by __kmpc_fork_call of its OpenMP")
    check(Case(PROGRAMS["rnn"], B=9, H=43), cpu)
    assert forked
    assert set(forked) == {(2, 2)}


@pytest.mark.parametrize("triple", [triple for triple in PLACES if "windows" in triple])
def test_the_function_that_starts_a_team_on_windows_asks_for_what_is_there(triple: str) -> None:
    target = target_of(triple, "f32")
    assert asked_for(str(threads.emit_run()), target) == set(threads.FORK)
