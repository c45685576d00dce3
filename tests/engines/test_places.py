"""Code for processors and systems other than this one: it asks for nothing that is not to be had there."""

import re
from dataclasses import replace

import llvmlite.binding as llvm
import pytest
import torch
from engine_cases import PROGRAMS, Case, check

from ricorda.engines.cpu import engine as cpu
from ricorda.engines.cpu.kernels import compile as machine
from ricorda.engines.cpu.kernels import kernels as plans
from ricorda.engines.cpu.kernels.kernel import emit_backward, emit_forward
from ricorda.engines.cpu.products.library import emit_library, names
from ricorda.engines.cpu.products.tile import emit_tiles
from ricorda.engines.cpu.words.target import Target, host

NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
ARM = {"cpu": "generic", "lanes": 4, "registers": 32, "has_fma": True}
X86 = {"cpu": "haswell", "lanes": 8, "registers": 16, "has_fma": True}

PLACES = {
    "aarch64-unknown-linux-gnu": ARM,
    "arm64-apple-darwin": {**ARM, "cpu": "apple-m1"},
    "aarch64-pc-windows-msvc": ARM,
    "x86_64-pc-windows-msvc": X86,
    "x86_64-apple-darwin": X86,
    "x86_64-unknown-linux-gnu": {"cpu": "nehalem", "lanes": 4, "registers": 16, "has_fma": False},
}

THREADS = {"GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads", "sched_yield"}
MEMORY = {"memcpy", "memset", "memmove", "bzero", "__bzero", "__chkstk"}
"""What every system's C library has, and a compiler may call."""


def target_of(triple: str, products: str) -> Target:
    return replace(host("f32", products), triple=triple, features="", has_bf16=False, few=False, **PLACES[triple])


def asked_for(text: str, target: Target) -> set[str]:
    """What a module's code calls or reads and does not hold itself."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    module = llvm.parse_assembly(text)
    module.verify()
    object_file = target.machine().emit_assembly(module)
    prefix = "_" if "apple" in target.triple else ""
    labels = set(re.findall(r'^"?([\w.$@]+)"?:', object_file, re.M))
    called = re.findall(r'^\s+(?:callq?|bl|b|jmp)[ \t]+"?([A-Za-z_][\w.$@]*)"?\s*$', object_file, re.M)
    called += re.findall(r"movabsq[ \t]+\$([A-Za-z_][\w.$@]*)", object_file)  # Code for a JIT calls by the address.
    names = {name.removesuffix("@PLT").removeprefix(prefix) for name in called if name not in labels}
    return {name for name in names if not name.startswith("ricorda_tile_")}


@pytest.mark.parametrize("triple", PLACES)
def test_code_for_other_places_asks_for_what_is_there(triple: str) -> None:
    parallel = "linux" in triple  # where torch brings GNU's OpenMP
    target = target_of(triple, "bf16" if "linux" in triple else "f32")
    kernels = plans.kernels_for(PROGRAMS["rnn"], NAMES, target, training=True)
    assert kernels.backward is not None
    texts = [
        str(emit_forward(target, kernels.forward, kernels.inputs, parallel).module),
        str(emit_backward(target, kernels.backward, kernels.weight_operands, kernels.sums, parallel).module),
    ]
    own = set(map(target.symbol, names(target)))
    asked = set().union(*(asked_for(text, target) for text in texts))
    assert asked - MEMORY - own == (THREADS if parallel else set())
    for text in (str(emit_library(target)), str(emit_tiles(target))):
        assert asked_for(text, target) - MEMORY == set()


@pytest.mark.parametrize("how", ["no file", "no entry"])
def test_without_gnu_openmp_one_thread_serves_and_that_is_said_once(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "no file":
        monkeypatch.setattr(machine.glob, "glob", lambda _: [])
    else:
        monkeypatch.setattr(machine.ctypes, "CDLL", lambda _: object())
    caches = (machine.openmp, plans._compiled)
    for one in caches:
        one.cache_clear()
    torch.set_num_threads(2)
    try:
        with pytest.warns(UserWarning, match="run on one thread of the processor here") as caught:
            check(Case(PROGRAMS["rnn"], B=9, H=40), cpu)
        assert len(caught) == 1
        check(Case(PROGRAMS["rnn"], B=9, H=40), cpu)
    finally:
        torch.set_num_threads(1)
        for one in caches:
            one.cache_clear()
