"""The words that the code of a module is written in: the engine's own, on vectors of 128 bits and addresses of 32."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import llvmlite.ir as ir

from ricorda.engines.cpu.words.emit import I32, Emitter
from ricorda.export.to_wasm.memory import BYTES

LANES = 4


class Words(Emitter):
    """A builder of code for a function of a module."""

    def __init__(self, builder: ir.IRBuilder) -> None:
        super().__init__(builder, "f32", LANES, fused=False)

    def address(self, address: int) -> ir.Value:
        """A pointer to numbers at an address."""
        return ir.Constant(I32, address).inttoptr(self.scalar.as_pointer())

    def at(self, pointer: ir.Value, *indices: ir.Value | int) -> ir.Value:
        """The pointer moved by `indices` numbers."""
        for index in indices:
            number = I32(index) if isinstance(index, int) else index
            pointer = self.b.gep(pointer, [number], inbounds=True)  # So a constant goes into the load's own offset.
        return pointer

    def number(self, pointer: ir.Value) -> ir.Value:
        """A number of memory in all lanes."""
        return self.splat(self.b.load(pointer, align=BYTES))

    def put(self, value: ir.Value, pointer: ir.Value, count: int = LANES) -> None:
        """Store the first numbers of a vector."""
        if count == LANES:
            self.store(value, pointer)
            return
        for lane in range(count):
            self.b.store(self.b.extract_element(value, I32(lane)), self.at(pointer, lane), align=BYTES)

    def repeat(
        self, count: int | ir.Value, body: Callable[..., Sequence[ir.Value]], *carried: ir.Value
    ) -> Sequence[ir.Value]:
        """Run `body(i, *carried)`, which gives what is carried on, for each i in range(count); what is left at the end.

        A count that is known is at least 1, so the loop is left at its end.
        """
        b = self.b
        if count == 1:
            return body(I32(0), *carried)
        known = isinstance(count, int)
        before = b.block
        inside = b.append_basic_block("body")
        after = b.append_basic_block("after")
        stop = I32(count) if known else count
        if known:
            b.branch(inside)
        else:
            b.cbranch(b.icmp_signed(">", stop, I32(0)), inside, after)
        b.position_at_end(inside)
        i = b.phi(I32)
        phis = [b.phi(value.type) for value in carried]
        i.add_incoming(I32(0), before)
        for phi, value in zip(phis, carried, strict=True):
            phi.add_incoming(value, before)
        results = body(i, *phis)
        following = b.add(i, I32(1))
        i.add_incoming(following, b.block)
        for phi, value in zip(phis, results, strict=True):
            phi.add_incoming(value, b.block)
        end = b.block
        b.cbranch(b.icmp_signed("<", following, stop), inside, after)
        b.position_at_end(after)
        if known:
            return results
        left = [b.phi(value.type) for value in carried]
        for phi, first, last in zip(left, carried, results, strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(last, end)
        return left
