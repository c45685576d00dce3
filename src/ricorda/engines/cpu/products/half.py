"""Numbers rounded to bf16, the upper half of a float32, in pairs along K: a pair is as large as one float32.

Only the factors of products are rounded; sums and states stay in float32. Lengths of these buffers count pairs: a row
of K numbers has `pairs(K)` of them. If K is odd, the second half of the last pair is zero.
"""

from __future__ import annotations

import llvmlite.ir as ir

from ricorda.engines.cpu.kernels.code import Frame
from ricorda.engines.cpu.words.emit import I64, Emitter


def rounded(e: Emitter, value: ir.Value) -> ir.Value:
    """The nearest bf16 (ties to even) of float32 numbers, in the lower halves of integers; NaN stays NaN."""
    b = e.b
    bits = b.bitcast(value, e.integers)
    odd = b.and_(b.lshr(bits, e.whole(16)), e.whole(1))
    nearest = b.lshr(b.add(bits, b.add(odd, e.whole(0x7FFF))), e.whole(16))
    return b.select(b.fcmp_unordered("uno", value, value), e.whole(0x7FC0), nearest)


def pair(e: Emitter, first: ir.Value, second: ir.Value) -> ir.Value:
    """A vector of pairs, each of a number of `first` and one of `second`."""
    return e.b.bitcast(e.b.or_(rounded(e, first), e.b.shl(rounded(e, second), e.whole(16))), e.vector)


def put_row(f: Frame, k: ir.Value, value: ir.Value, base: ir.Value, stride: ir.Value) -> None:
    """Store row `k` of one vector column of a panel that begins at `base`; rows must come in order."""
    e, b = f.e, f.b
    if f.target.products != "bf16":
        e.store(value, e.at(base, f.times(k, stride)))
        return
    place = e.at(base, f.times(b.lshr(k, I64(1)), stride))

    def second() -> None:
        both = b.or_(b.bitcast(e.load(place), e.integers), b.shl(rounded(e, value), e.whole(16)))
        e.store(b.bitcast(both, e.vector), place)

    f.when(
        b.icmp_signed("==", b.and_(k, I64(1)), I64(0)),
        lambda: e.store(b.bitcast(rounded(e, value), e.vector), place),
        second,
    )


def store_half(f: Frame, value: ir.Value, row: ir.Value, unit: ir.Value, mask: ir.Value | None) -> None:
    """Store a vector of units in a row of pairs that begins at `row`; vectors must come in order."""
    e, b = f.e, f.b
    if mask is not None:
        value = b.select(mask, value, e.constant(0.0))
    words = b.trunc(rounded(e, value), ir.VectorType(ir.IntType(16), e.lanes))
    place = b.bitcast(e.at(row, b.lshr(unit, I64(1))), words.type.as_pointer())
    if mask is None:
        b.store(words, place, align=2)
        return
    # In a row of odd length the second half of the last pair is stored too, as zero.
    following = ir.Constant(ir.VectorType(ir.IntType(32), e.lanes), [max(lane - 1, 0) for lane in range(e.lanes)])
    odd = ir.Constant(ir.VectorType(ir.IntType(1), e.lanes), [lane % 2 for lane in range(e.lanes)])
    wider = b.or_(mask, b.and_(odd, b.shuffle_vector(mask, mask, following)))
    name = f"llvm.masked.store.v{e.lanes}i16.p0"
    e.intrinsic(name, words, place, ir.IntType(32)(2), wider, result=ir.VoidType())


def emit_halve(f: Frame) -> None:
    """Write `halve(columns, row0, row1, source, target)`: rows of numbers copied as rows of pairs."""
    columns, row0, row1, source, target = f.arguments

    def row(r: ir.Value) -> None:
        line, place = f.e.at(source, f.times(r, columns)), f.e.at(target, f.times(r, f.words(columns)))
        f.vectors(
            0,
            f.ceil(columns, f.target.lanes),
            columns,
            lambda unit, mask: store_half(f, f.e.load(f.e.at(line, unit), mask), place, unit, mask),
        )

    f.loop(row0, row1, row)
    f.finish()
