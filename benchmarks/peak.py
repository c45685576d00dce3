"""The most multiplications and additions a second that this machine does: fused multiply-adds without memory."""

from __future__ import annotations

import ctypes
import functools
import platform
import threading
import time

import llvmlite.binding as llvm
import numpy as np

STEPS = 5_000_000
TRIES = 5


@functools.cache
def features() -> str:
    """What the processor has, with LLVM's preference for half vectors switched off."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return str(llvm.get_host_cpu_features().flatten()).replace("+prefer-256-bit", "-prefer-256-bit")


def shape() -> tuple[int, int]:
    """Lanes of a vector, and accumulators: enough to hide the latency, not more than the registers hold."""
    known = features().split(",")
    if "+avx512f" in known:
        return 16, 24
    if "+avx" in known:
        return 8, 12
    return 4, 24 if platform.machine().lower() in ("aarch64", "arm64") else 12


def kernel_text(lanes: int, accumulators: int) -> str:
    """`void peak(float *data, i64 steps)`: data holds the accumulators and two vectors more, aligned to a vector."""
    vector, size, every = f"<{lanes} x float>", 4 * lanes, range(accumulators)
    lines = [f"declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})"]
    lines += ["define void @peak(ptr %data, i64 %steps) {", "entry:"]
    lines += [f"  %p{i} = getelementptr i8, ptr %data, i64 {i * size}" for i in range(accumulators + 2)]
    lines += [f"  %v{i} = load {vector}, ptr %p{i}, align {size}" for i in range(accumulators + 2)]
    lines += ["  br label %loop", "loop:", "  %step = phi i64 [0, %entry], [%next, %loop]"]
    lines += [f"  %a{i} = phi {vector} [%v{i}, %entry], [%n{i}, %loop]" for i in every]
    scale, shift = f"{vector} %v{accumulators}", f"{vector} %v{accumulators + 1}"
    lines += [f"  %n{i} = call {vector} @llvm.fma.v{lanes}f32({vector} %a{i}, {scale}, {shift})" for i in every]
    lines += ["  %next = add i64 %step, 1", "  %more = icmp slt i64 %next, %steps"]
    lines += ["  br i1 %more, label %loop, label %done", "done:"]
    lines += [f"  store {vector} %n{i}, ptr %p{i}, align {size}" for i in every]
    return "\n".join([*lines, "  ret void", "}"])


class Peak:
    """The compiled kernel."""

    def __init__(self) -> None:
        self.lanes, self.accumulators = shape()
        machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(), features=features(), opt=3
        )
        module = llvm.parse_assembly(kernel_text(self.lanes, self.accumulators))
        module.verify()
        self._engine = llvm.create_mcjit_compiler(module, machine)  # The engine owns the code.
        self._engine.finalize_object()
        address = self._engine.get_function_address("peak")
        self._call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(address)

    def gflops(self, threads: int, steps: int = STEPS, tries: int = TRIES) -> float:
        """Billions of operations a second of all threads together, the best of some tries."""
        return max(self._once(threads, steps) for _ in range(tries))

    def _once(self, threads: int, steps: int) -> float:
        ready = threading.Barrier(threads)
        spans: list[tuple[float, float]] = []

        def work(data: np.ndarray) -> None:
            ready.wait()
            start = time.perf_counter()
            self._call(data.ctypes.data, steps)
            spans.append((start, time.perf_counter()))

        workers = [threading.Thread(target=work, args=(self._buffer(),)) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        seconds = max(end for _, end in spans) - min(start for start, _ in spans)
        return threads * steps * self.accumulators * self.lanes * 2 / seconds / 1e9

    def _buffer(self) -> np.ndarray:
        """Memory at a multiple of the vector's size: the kernel's aligned loads fault elsewhere."""
        count = (self.accumulators + 2) * self.lanes
        raw = np.empty(count + self.lanes, np.float32)
        first = (-raw.ctypes.data % (4 * self.lanes)) // 4
        data = raw[first : first + count]
        data[: -2 * self.lanes] = np.arange(count - 2 * self.lanes)  # They differ, or LLVM would keep only one.
        data[-2 * self.lanes : -self.lanes], data[-self.lanes :] = 0.5, 1.0  # Every sum tends to 2.
        return data
