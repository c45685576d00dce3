"""One thread of a kernel: its share of the work, and the barriers at which it waits for the others."""

from __future__ import annotations

from collections.abc import Callable

import llvmlite.ir as ir

from ricorda.engines.cpu.kernels.code import Frame
from ricorda.engines.cpu.words.emit import I64


class Worker:
    """One thread in the body of a kernel."""

    def __init__(self, f: Frame, thread: ir.Value, threads: ir.Value, barrier: ir.Function | None) -> None:
        self.f, self.thread, self.threads = f, thread, threads
        self._barrier = barrier

    def meet(self) -> None:
        """Wait until all threads are here; nothing to do where there is one alone."""
        if self._barrier is not None:
            self.f.b.call(self._barrier, [self.f.pointer("barrier", I64), self.threads])

    def parts(self, body: Callable[[ir.Value], None]) -> None:
        """Run `body(part)` for this thread's parts: one, unless the team is smaller than requested."""
        f = self.f
        f.e.loop(self.thread, f.number("parts"), self.threads, body)

    def share(self, total: ir.Value, body: Callable[[ir.Value, ir.Value], None]) -> None:
        """Run `body(first, last)` for this thread's share of `total` pieces of work."""
        f = self.f
        parts = f.number("parts")
        self.parts(lambda part: body(f.part(total, part, parts), f.part(total, f.sum(part, 1), parts)))

    def chunk(self, number: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value, ir.Value]:
        """The first step of a chunk and the end of its steps, its first row and the end of its rows."""
        f = self.f
        steps, rows = f.pointer("chunk_steps", I64), f.pointer("chunk_bounds", I64)
        load = f.b.load
        return (
            load(f.e.at(steps, number)),
            load(f.e.at(steps, f.sum(number, 1))),
            load(f.e.at(rows, f.times(number, 2))),
            load(f.e.at(rows, f.sum(f.times(number, 2), 1))),
        )
