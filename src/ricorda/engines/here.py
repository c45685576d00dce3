"""What this machine computes layers with, for people who ask: processor, vectors, threads, cache, engine."""

from __future__ import annotations

import os
import platform
import re

import torch

from ricorda.engines import Request, choose
from ricorda.engines.cpu import engine as cpu


def processor() -> str:
    """The processor's name, as Linux has it; where it has none, as on ARM, and elsewhere LLVM's, such as "apple-m1"."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            model = re.search(r"^model name\s*:\s*(.+)$", file.read(), re.MULTILINE)
    except OSError:
        model = None
    return model[1] if model else _llvm_name() or platform.processor() or platform.machine() or "unknown"


def _llvm_name() -> str | None:
    try:
        import llvmlite.binding as llvm

        name = str(llvm.get_host_cpu_name())
    except (ImportError, OSError, RuntimeError):
        return None
    return None if name == "generic" else name


def report() -> dict[str, str]:
    """What recurrent layers find on this machine, by name; each line has its reason where something is missing."""
    lacks = cpu.without_machine()
    return {
        "processor": f"{processor()} ({platform.machine()}), {os.cpu_count()} cores",
        **({} if lacks else _of_code()),
        "serves": _serves(),
    }


def _of_code() -> dict[str, str]:
    """What machine code is made for and where it is kept; only asked for where it can be had."""
    from ricorda.engines.cpu.kernels import cache
    from ricorda.engines.cpu.kernels.compile import without_code
    from ricorda.engines.cpu.kernels.threads import team
    from ricorda.engines.cpu.words.target import host

    target = host()
    adds = f"multiplied and added in {'one instruction' if target.has_fma else 'two instructions'}"
    start, reason = team()
    error = without_code(host("f32", "bf16"))
    own = "by the processor's own instruction" if target.has_bf16 else "widened to float32, which takes longer"
    return {
        "code for": f"{target.cpu}, {target.triple}",
        "vectors": f"{target.lanes} numbers of float32 in each of {target.registers} registers, {adds}",
        "bf16": f"in full precision, as no machine code can be had ({error})" if error else f"products {own}",
        "int8": "products in vectors of wider numbers"
        if target.dot in ("pmaddwd", "")
        else f"products by {target.dot}",
        "threads": f"{torch.get_num_threads()}, {reason}" if start else f"one: {reason}",
        "cache": cache.told(),
    }


def _serves() -> str:
    """Which engine a layer of float32 on the processor gets, and why no other before it."""
    from ricorda.catalogue import find_cell
    from ricorda.program.weights import layout

    program = find_cell("lstm").program
    parameters = {name: torch.zeros(4, 1) for name in layout(program, True).shapes}
    asked = choose.wanted("auto")
    request = Request(program, parameters, torch.zeros(1, 1, 1), [torch.zeros(1, 1)] * 2, engine=asked)
    engine, obstacles = choose.first(request)
    because = [f"as {choose.VARIABLE} says"] if asked != "auto" else []
    because += [f"as {other.title} cannot: {obstacle}" for other, obstacle in obstacles]
    return ", ".join([engine.title, *because])
