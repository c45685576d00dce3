"""Pointwise kernels compiled for the tests, for this processor and for lesser ones that it can run."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import llvmlite.ir as ir
import numpy as np
import pytest

from ricorda.engines.cpu.words import target as words
from ricorda.engines.cpu.words.emit import I64, VOID
from ricorda.engines.cpu.words.target import Target, host

LESSER = {"haswell": ("avx2", "fma", "bmi", "bmi2"), "x86-64": ("sse2",)}
"""Processors of the x86 family, and what one has to have to run their code."""

PROCESSORS = pytest.mark.parametrize("cpu", [None, *LESSER], ids=["host", *LESSER])


def target(element: str, cpu: str | None = None) -> Target:
    """This processor, or a lesser one; the test is skipped where this one cannot run the lesser one's code."""
    if cpu is not None:
        features = llvm.get_host_cpu_features()
        missing = [name for name in LESSER[cpu] if not features.get(name)]
        if missing:
            pytest.skip(f"this processor has no {', '.join(missing)}")
    return host(element, cpu=cpu)


def work_on(cpu: str, monkeypatch: pytest.MonkeyPatch) -> list[Target]:
    """Have the engine make kernels for a lesser processor; returns the targets that it then asks for."""
    target("f32", cpu)  # skips where this processor cannot run the code
    asked: list[Target] = []

    def lesser(*arguments: Any, **options: Any) -> Target:
        asked.append(host(*arguments, cpu=cpu, **options))
        return asked[-1]

    monkeypatch.setattr(words, "host", lesser)
    return asked


class Kernel:
    """A compiled function of arrays: `kernel(a, b, ...)` applies the operation to each element."""

    def __init__(self, emit: Callable[..., ir.Value], arity: int, element: str, cpu: str | None = None) -> None:
        self.target = target(element, cpu)
        self.dtype = np.dtype(np.float64 if element == "f64" else np.float32)
        self.machine = self.target.machine()
        self.parsed = llvm.parse_assembly(str(self._module(emit, arity)))
        self.parsed.verify()
        tuning = llvm.create_pipeline_tuning_options(speed_level=3)
        builder = llvm.create_pass_builder(self.machine, tuning)
        builder.getModulePassManager().run(self.parsed, builder)
        self.assembly = self.machine.emit_assembly(self.parsed)
        self.engine = llvm.create_mcjit_compiler(self.parsed, self.machine)
        self.engine.finalize_object()
        kind: Any = ctypes.CFUNCTYPE(None, ctypes.c_int64, *[ctypes.c_void_p] * (arity + 1))
        self.function = kind(self.engine.get_function_address("kernel"))

    def _module(self, emit: Callable[..., ir.Value], arity: int) -> ir.Module:
        module = ir.Module()
        pointers = [self.target.number.as_pointer()] * (arity + 1)
        kernel = ir.Function(module, ir.FunctionType(VOID, [I64, *pointers]), "kernel")
        e = self.target.emitter(ir.IRBuilder(kernel.append_basic_block()))
        count, out, *inputs = kernel.args

        def body(i: ir.Value) -> None:
            e.store(emit(e, *[e.load(e.at(a, i)) for a in inputs]), e.at(out, i))

        e.loop(I64(0), count, self.target.lanes, body)
        e.b.ret_void()
        return module

    def __call__(self, *arrays: Any) -> Any:
        size = len(arrays[0])
        padded = -(-size // self.target.lanes) * self.target.lanes
        inputs = [np.zeros(padded, self.dtype) for _ in arrays]
        for whole, array in zip(inputs, arrays, strict=True):
            whole[:size] = array
        out = np.empty(padded, self.dtype)
        self.function(padded, out.ctypes.data, *[a.ctypes.data for a in inputs])
        return out[:size]
