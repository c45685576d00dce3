"""Numbers rounded to int8, four to a word, with one scale a row: x is about `scale * q`, and q within -127 and 127.

A row of an operand is its words and then its scale. The words hold the bytes q, or q + 128 for a processor that
multiplies unsigned by signed bytes. A packed matrix has a scale for each column, which is a row of the weights. Two
rows follow its words: the scales, and what the sums of products begin with, which takes away what the 128 add.

Products and their sums are whole numbers, and so the same to the bit on every processor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, reduce

import llvmlite.ir as ir

from ricorda.engines.cpu.kernels.code import Frame
from ricorda.engines.cpu.products.transposed import transpose
from ricorda.engines.cpu.words.emit import BYTES, I8, I32, I64, Emitter

TOGETHER = 4
"""Vectors of a row that are read side by side."""

LARGEST = 127.0
LEAST = 2.0**-100
"""Rows whose largest number is smaller are zeros: the reciprocal of their scale would not be finite."""

SHIFT = 12582912.0  # 1.5 * 2**23
"""Added to a number of at most 127, it leaves the nearest whole number (ties to even) in the lowest byte."""


def emit_quantise(f: Frame) -> None:
    """Write `quantise(ld, columns, row0, row1, source, target)`: rows of numbers as rows of bytes with their scales."""
    ld, columns, row0, row1, source, target = f.arguments
    e, b, lanes = f.e, f.b, f.target.lanes
    words, rooms = f.words(columns), _rooms(f)

    def row(r: ir.Value) -> None:
        line, place = e.at(source, f.times(r, ld)), e.at(target, f.times(r, f.row(columns)))
        top = _largest(f, rooms, line, columns)
        inverse = e.splat(_inverse(e, top))

        def put(_: int, unit: ir.Value, mask: ir.Value | None) -> None:
            whole = _shifted(e, e.load(e.at(line, unit), mask), inverse)
            if f.target.offset:
                whole = b.xor(whole, e.whole(f.target.offset))
            _store_bytes(e, b.trunc(whole, ir.VectorType(I8, lanes)), b.gep(b.bitcast(place, BYTES), [unit]), mask)

        _over(f, columns, put)
        b.store(b.fdiv(top, ir.Constant(e.scalar, LARGEST)), e.at(place, words))

    f.loop(row0, row1, row)
    f.finish()


def emit_pack_int8(f: Frame) -> None:
    """Write `pack_transposed(ld, K, units, unit, stride, source, target)` in bytes: one column vector of a panel.

    Byte k % 4 of target[k // 4 * stride + lane] is source[(unit + lane) * ld + k] in units of its row's scale.
    """
    ld, K, units, unit, stride, source, target = f.arguments
    e, b, lanes = f.e, f.b, f.target.lanes
    inside, words = f.lanes_below(b.sub(units, unit)), f.words(K)
    rooms, (sums, *_) = _rooms(f), _rooms(f)
    tops, padded = f.stack(1), f.times(words, 4)
    e.store(e.constant(0.0), tops)
    b.store(e.whole(0), sums)

    def row_of(lane: ir.Value | int) -> ir.Value:
        return e.at(source, f.times(f.sum(unit, lane), ld))

    def compare(lane: ir.Value) -> None:
        b.store(_largest(f, rooms, row_of(lane), K), e.at(tops, lane))

    f.loop(0, f.least(lanes, b.sub(units, unit)), compare)
    inverse = _inverse(e, e.load(tops))

    def block(k: ir.Value) -> None:
        def copy(mask: ir.Value | None) -> None:
            rows = []
            for lane in range(lanes):
                own = e.splat(b.extract_element(inside, I32(lane)))
                rows.append(e.load(e.at(row_of(lane), k), own if mask is None else b.and_(own, mask)))
            whole = [_shifted(e, column, inverse) for column in transpose(e, rows)]
            for at in range(0, lanes, 4):
                f.when(b.icmp_signed("<", f.sum(k, at), padded), partial(put, f.sum(k, at), whole[at : at + 4]))

        f.masked(k, K, copy)

    def put(k: ir.Value, bits: Sequence[ir.Value]) -> None:
        total, word = b.load(sums), e.whole(0)
        for place, each in enumerate(bits):
            total = b.add(total, b.sub(each, _bits_of_shift(e)))
            word = b.or_(word, b.shl(b.and_(each, e.whole(255)), e.whole(8 * place)))
        b.store(total, sums)
        e.store(b.bitcast(word, e.vector), e.at(target, f.times(b.lshr(k, I64(2)), stride)))

    f.loop(0, padded, block, lanes)
    ends = e.at(target, f.times(words, stride))
    e.store(b.fdiv(e.load(tops), e.constant(LARGEST)), ends)
    begins = b.mul(b.load(sums), e.whole(-f.target.offset))
    e.store(b.bitcast(begins, e.vector), e.at(ends, stride))
    f.finish()


def _over(f: Frame, columns: ir.Value, body: Callable[[int, ir.Value, ir.Value | None], None]) -> None:
    """Run `body(number, column, mask)` for all vectors of a row, as long as possible `TOGETHER` side by side."""
    lanes = f.target.lanes
    groups = f.b.udiv(columns, I64(TOGETHER * lanes))

    def together(i: ir.Value) -> None:
        for number in range(TOGETHER):
            body(number, f.times(f.sum(f.times(i, TOGETHER), number), lanes), None)

    f.loop(0, groups, together)
    f.vectors(f.times(groups, TOGETHER), f.ceil(columns, lanes), columns, lambda at, mask: body(0, at, mask))


def _rooms(f: Frame) -> list[ir.Value]:
    return [f.b.bitcast(f.stack(1), f.e.integers.as_pointer()) for _ in range(TOGETHER)]


def _largest(f: Frame, rooms: Sequence[ir.Value], line: ir.Value, columns: ir.Value) -> ir.Value:
    """The largest absolute value of a row; NaN if there is one."""
    e, b = f.e, f.b
    for room in rooms:
        b.store(e.whole(0), room)

    def compare(number: int, at: ir.Value, mask: ir.Value | None) -> None:
        b.store(_larger(e, b.load(rooms[number]), _magnitude(e, e.load(e.at(line, at), mask))), rooms[number])

    _over(f, columns, compare)
    largest = reduce(partial(_larger, e), map(b.load, rooms))
    return b.bitcast(e.total(largest, partial(_larger, e)), e.scalar)


def _magnitude(e: Emitter, value: ir.Value) -> ir.Value:
    """The bits of the absolute values; as whole numbers they have the same order, and NaN is the largest."""
    return e.b.and_(e.b.bitcast(value, e.integers), e.whole(0x7FFFFFFF))


def _larger(e: Emitter, x: ir.Value, y: ir.Value) -> ir.Value:
    return e.b.select(e.b.icmp_signed(">", x, y), x, y)


def _inverse(e: Emitter, top: ir.Value) -> ir.Value:
    """What numbers are multiplied by to become whole ones; zero for rows of zeros, and NaN."""

    def constant(number: float) -> ir.Value:
        return e.constant(number) if isinstance(top.type, ir.VectorType) else ir.Constant(e.scalar, number)

    enough = e.b.fcmp_ordered(">=", top, constant(LEAST))
    return e.b.select(enough, e.b.fdiv(constant(LARGEST), top), constant(0.0))


def _bits_of_shift(e: Emitter) -> ir.Value:
    return e.whole(0x4B400000)


def _shifted(e: Emitter, value: ir.Value, inverse: ir.Value) -> ir.Value:
    """Bits whose lowest byte is the nearest whole number of `value * inverse`."""
    return e.b.bitcast(e.b.fadd(e.b.fmul(value, inverse), e.constant(SHIFT)), e.integers)


def _store_bytes(e: Emitter, values: ir.Value, pointer: ir.Value, mask: ir.Value | None) -> None:
    place = e.b.bitcast(pointer, values.type.as_pointer())
    if mask is None:
        e.b.store(values, place, align=1)
    else:  # The bytes after the last number are multiplied by zeros.
        e.intrinsic(f"llvm.masked.store.v{e.lanes}i8.p0", values, place, I32(1), mask, result=ir.VoidType())
