"""Vector code in LLVM's language: the few operations that all kernels are written with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.ir as ir

I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
VOID = ir.VoidType()
BYTES = I8.as_pointer()
LINE = 64
"""Bytes of a cache line."""


class Emitter:
    """A builder of vector code for one element type and one number of lanes.

    Parameters
    ----------
    builder : ir.IRBuilder
        Where the code goes.
    element : {"f32", "f64"}
        Type of the numbers.
    lanes : int
        Numbers in a vector.
    fused : bool
        Whether the processor multiplies and adds in one instruction.
    """

    def __init__(self, builder: ir.IRBuilder, element: str, lanes: int, fused: bool = True) -> None:
        self.b = builder
        self.fused = fused
        self.double = element == "f64"
        self.lanes = lanes
        self.scalar = ir.DoubleType() if self.double else ir.FloatType()
        self.integer = I64 if self.double else I32
        self.vector = ir.VectorType(self.scalar, lanes)
        self.integers = ir.VectorType(self.integer, lanes)

    @property
    def module(self) -> ir.Module:
        """The module that is being written."""
        return self.b.module

    # numbers

    def constant(self, number: float) -> ir.Constant:
        """A vector of the same number in all lanes."""
        return ir.Constant(self.vector, [ir.Constant(self.scalar, number)] * self.lanes)

    def whole(self, number: int) -> ir.Constant:
        """A vector of the same integer in all lanes, as wide as the numbers."""
        return ir.Constant(self.integers, [number] * self.lanes)

    def splat(self, scalar: ir.Value) -> ir.Value:
        """A vector of the same value in all lanes."""
        kind = ir.VectorType(scalar.type, self.lanes)
        undefined = ir.Constant(kind, ir.Undefined)
        first = self.b.insert_element(undefined, scalar, I32(0))
        return self.b.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(I32, self.lanes), [0] * self.lanes))

    def intrinsic(self, name: str, *args: ir.Value, result: ir.Type | None = None) -> ir.Value:
        """Call LLVM's intrinsic by its full name, such as `llvm.fma.v16f32`."""
        function = self.module.globals.get(name)
        if function is None:
            kind = ir.FunctionType(result or args[0].type, [arg.type for arg in args])
            function = ir.Function(self.module, kind, name)
        return self.b.call(function, args)

    def on_vectors(self, name: str, *args: ir.Value) -> ir.Value:
        """Call an intrinsic on vectors of numbers by its short name, such as `fma`."""
        return self.intrinsic(f"llvm.{name}.v{self.lanes}{'f64' if self.double else 'f32'}", *args)

    def fma(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        """The sum a * b + c with one rounding."""
        return self.on_vectors("fma", a, b, c)

    def multiply_add(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        """The sum a * b + c, in one instruction if the processor has one."""
        return self.fma(a, b, c) if self.fused else self.b.fadd(self.b.fmul(a, b), c)

    def total(self, vector: ir.Value, join: Callable[[ir.Value, ir.Value], ir.Value] | None = None) -> ir.Value:
        """The sum of a vector's numbers, or what else joins two: halves are joined until one number is left."""
        lanes = self.lanes
        while lanes > 1:
            lanes //= 2
            halves = [
                self.b.shuffle_vector(vector, vector, ir.Constant(ir.VectorType(I32, lanes), list(half)))
                for half in (range(lanes), range(lanes, 2 * lanes))
            ]
            vector = (join or self.b.fadd)(*halves)
        return self.b.extract_element(vector, I32(0))

    # memory

    def at(self, pointer: ir.Value, *indices: ir.Value | int) -> ir.Value:
        """The pointer moved by `indices` elements."""
        for index in indices:
            pointer = self.b.gep(pointer, [I64(index) if isinstance(index, int) else index])
        return pointer

    def load(self, pointer: ir.Value, mask: ir.Value | None = None) -> ir.Value:
        """Load a vector; lanes whose mask is 0 become zero."""
        address = self.b.bitcast(pointer, self.vector.as_pointer())
        if mask is None:
            return self.b.load(address, align=self.scalar_bytes)
        name = f"llvm.masked.load.v{self.lanes}{'f64' if self.double else 'f32'}.p0"
        return self.intrinsic(name, address, I32(self.scalar_bytes), mask, self.constant(0.0), result=self.vector)

    def store(self, value: ir.Value, pointer: ir.Value, mask: ir.Value | None = None) -> None:
        """Store a vector; lanes whose mask is 0 are left as they are."""
        address = self.b.bitcast(pointer, self.vector.as_pointer())
        if mask is None:
            self.b.store(value, address, align=self.scalar_bytes)
            return
        name = f"llvm.masked.store.v{self.lanes}{'f64' if self.double else 'f32'}.p0"
        self.intrinsic(name, value, address, I32(self.scalar_bytes), mask, result=VOID)

    def prefetch(self, pointer: ir.Value, writing: bool = False) -> None:
        """Have all caches fetch the line of an address, to be read or to be written."""
        self.intrinsic(
            "llvm.prefetch.p0", self.b.bitcast(pointer, BYTES), I32(int(writing)), I32(3), I32(1), result=VOID
        )

    def kept(self, pointer: ir.Value) -> ir.Value:
        """The same pointer in a register; LLVM cannot see how it was computed, so it does not compute it again."""
        address = self.b.ptrtoint(pointer, I64)
        same = self.b.asm(ir.FunctionType(I64, [I64]), "", "=r,0", [address], False)
        return self.b.inttoptr(same, pointer.type)

    @property
    def scalar_bytes(self) -> int:
        """Bytes of a number."""
        return 8 if self.double else 4

    # control

    def loop(self, start: ir.Value, stop: ir.Value, step: int | ir.Value, body: Callable[[ir.Value], Any]) -> None:
        """Run `body(i)` for each i in range(start, stop, step)."""
        b = self.b
        before, head = b.block, b.append_basic_block("loop")
        inside, after = b.append_basic_block("body"), b.append_basic_block("after")
        b.branch(head)
        b.position_at_end(head)
        i = b.phi(I64)
        i.add_incoming(start, before)
        b.cbranch(b.icmp_signed("<", i, stop), inside, after)
        b.position_at_end(inside)
        body(i)
        i.add_incoming(b.add(i, I64(step) if isinstance(step, int) else step), b.block)
        b.branch(head)
        b.position_at_end(after)
