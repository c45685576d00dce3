"""Packing: operands are copied into the order in which tiles read them."""

from __future__ import annotations

from collections.abc import Callable

import llvmlite.ir as ir

from ricorda.engines.cpu.kernels.code import Frame
from ricorda.engines.cpu.products.half import pair, put_row
from ricorda.engines.cpu.products.product import panels
from ricorda.engines.cpu.products.tile import most_rows
from ricorda.engines.cpu.products.transposed import transpose
from ricorda.engines.cpu.words.emit import I32, I64, Emitter

_TOGETHER = 8
"""Vectors of columns that `column_sums` sums side by side."""


def emit_pack_transposed(f: Frame) -> None:
    """Write `pack_transposed(ld, K, units, unit, stride, source, target)`: one column vector of a panel.

    target[k * stride + lane] = source[(unit + lane) * ld + k] for k below K, zero where unit + lane is not below units.
    """
    ld, K, units, unit, stride, source, target = f.arguments
    e, lanes = f.e, f.target.lanes
    inside = f.lanes_below(f.b.sub(units, unit))

    def block(k: ir.Value) -> None:
        def copy(mask: ir.Value | None) -> None:
            rows = []
            for lane in range(lanes):
                there = f.b.extract_element(inside, I32(lane))
                own = f.e.splat(there)
                row = e.at(source, f.times(f.sum(unit, lane), ld))
                rows.append(e.load(e.at(row, k), own if mask is None else f.b.and_(own, mask)))
            columns = transpose(e, rows)
            step = 2 if f.target.products == "bf16" else 1
            if step == 2:
                columns = [pair(e, *columns[at : at + 2]) for at in range(0, lanes, 2)]
            for position, column in enumerate(columns):
                at = f.sum(k, position * step)

                def put(at: ir.Value = at, column: ir.Value = column) -> None:
                    e.store(column, e.at(target, f.times(f.b.udiv(at, I64(step)), stride)))

                if mask is None:
                    put()
                else:
                    f.when(f.b.icmp_signed("<", at, K), put)

        f.masked(k, K, copy)

    f.loop(0, K, block, lanes)
    f.finish()


def emit_pack_rows(f: Frame) -> None:
    """Write `pack_rows(ld, K, columns, all, at, first, last, source, target)`: rows copied into panels first to last.

    target[panel][at + k][vectors][lanes] = source[k * ld + column] for k below K; `all` is the K of the whole panel.
    """
    ld, K, columns, whole, begin, first, last, source, target = f.arguments
    e, lanes = f.e, f.target.lanes

    def panel(_: ir.Value, column: ir.Value, vectors: ir.Value) -> None:
        to, begin_of_source = e.at(target, f.times(column, f.words(whole))), e.at(source, column)

        def rows(copy: Callable[[ir.Value, ir.Value], None]) -> None:
            f.loop(0, K, lambda k: copy(f.sum(begin, k), e.at(begin_of_source, f.times(k, ld))))

        def whole_row(at_row: ir.Value, line: ir.Value) -> None:
            for v in range(f.target.panel):
                value = e.load(e.at(line, v * lanes))
                put_row(f, at_row, value, e.at(to, v * lanes), I64(f.target.panel * lanes))

        def row(at_row: ir.Value, line: ir.Value) -> None:
            def one(at: ir.Value, mask: ir.Value | None) -> None:
                put_row(f, at_row, e.load(e.at(line, at), mask), e.at(to, at), f.times(vectors, lanes))

            f.vectors(0, vectors, f.b.sub(columns, column), one)

        full = f.b.icmp_signed(">=", f.b.sub(columns, column), I64(f.target.panel * lanes))
        f.when(full, lambda: rows(whole_row), lambda: rows(row))

    panels(f, columns, panel, first, last)
    f.finish()


def emit_pack_columns(f: Frame) -> None:
    """Write `pack_columns(ld, K, columns, source, target)`: groups of as many columns as the tallest tile has rows.

    Each group is packed as `[K][group]`. Eight numbers are read at a time, so a few numbers must follow the source.
    """
    ld, K, columns, source, target = f.arguments
    e = f.e
    group_rows = most_rows(f.target, f.target.panel)

    def group(i: ir.Value) -> None:
        first = f.times(i, group_rows)
        rows = f.least(group_rows, f.b.sub(columns, first))
        to = e.at(target, f.times(first, f.words(K)))

        def several(k: ir.Value, r: ir.Value | int, at: Emitter) -> None:
            """Copy as many numbers, or pairs, as the emitter `at` has lanes."""
            step = 2 if f.target.products == "bf16" else 1
            line = e.at(source, f.times(k, step, ld), first, r)
            value = at.load(line)
            if step == 2:
                there = f.b.icmp_signed("<", f.sum(f.times(k, 2), 1), K)
                second = at.load(f.b.select(there, e.at(line, ld), line))
                value = pair(at, value, f.b.select(there, second, at.constant(0.0)))
            at.store(value, e.at(to, f.times(k, rows), r))

        wide = Emitter(f.b, "f64" if e.double else "f32", 8 if group_rows > 4 else 4)
        narrow = Emitter(f.b, "f64" if e.double else "f32", 1)
        # Vectors must not write beyond the group, where another thread packs.
        enough = f.b.icmp_signed(">=", f.times(rows, 2), I64(wide.lanes))
        vectors = f.b.select(enough, f.sum(f.words(K), -1), I64(0))
        f.loop(0, vectors, lambda k: several(k, 0, wide))
        f.loop(f.most(0, vectors), f.words(K), lambda k: f.loop(0, rows, lambda r: several(k, r, narrow)))

    f.loop(0, f.ceil(columns, group_rows), group)
    f.finish()


def emit_column_sums(f: Frame) -> None:
    """Write `column_sums(ld, K, columns, add, first, last, source, target)`: sums over K rows of vectors first to last.

    Several vectors are summed side by side: rows are far apart in memory, and so whole cache lines of each are read.
    """
    ld, K, columns, add, first, last, source, target = f.arguments
    e, b, lanes = f.e, f.b, f.target.lanes
    adding = b.icmp_signed("!=", add, I64(0))

    def sums(column: ir.Value, mask: ir.Value | None, totals: list[ir.Value]) -> None:
        places = [(f.sum(column, lanes * number), total) for number, total in enumerate(totals)]

        def begin(value: Callable[[ir.Value], ir.Value]) -> None:
            for at, total in places:
                e.store(value(at), total)

        f.when(
            adding,
            lambda: begin(lambda at: e.load(e.at(target, at), mask)),
            lambda: begin(lambda at: e.constant(0.0)),
        )

        def row(k: ir.Value) -> None:
            line = e.at(source, f.times(k, ld))
            for at, total in places:
                e.store(b.fadd(e.load(total), e.load(e.at(line, at), mask)), total)

        f.loop(0, K, row)
        for at, total in places:
            e.store(e.load(total), e.at(target, at), mask)

    rooms = [f.stack(1) for _ in range(_TOGETHER)]
    whole = f.least(last, b.sdiv(columns, I64(lanes)))
    groups = f.most(0, b.sdiv(b.sub(whole, first), I64(_TOGETHER)))
    f.loop(0, groups, lambda i: sums(f.times(f.sum(first, f.times(i, _TOGETHER)), lanes), None, rooms))
    f.vectors(f.sum(first, f.times(groups, _TOGETHER)), last, columns, lambda at, mask: sums(at, mask, rooms[:1]))
    f.finish()
