"""Matrix products of many rows at once: the input's, the gradient of the input's, and those of the weights.

Weights are packed in panels of at most `Target.panel` column vectors, each `[K][vectors][lanes]`; the last panel is as
wide as it needs to be.
"""

from __future__ import annotations

from collections.abc import Callable

import llvmlite.ir as ir

from ricorda.engines.cpu.code import Code, Frame
from ricorda.engines.cpu.emit import I64
from ricorda.engines.cpu.tile import ROWS_APART, ROWS_TOGETHER, most_rows


def row_tiles(f: Frame, first: ir.Value, last: ir.Value, most: ir.Value, body: Callable[..., None]) -> None:
    """Run `body(row, rows)` for tiles of nearly equal height that cover the rows from first up to last."""
    b = f.b
    rows = b.sub(last, first)

    def tiles() -> None:
        count = b.udiv(f.sum(rows, most, -1), most)
        height, higher = b.udiv(rows, count), b.urem(rows, count)

        def one(i: ir.Value) -> None:
            own = b.add(height, b.zext(b.icmp_signed("<", i, higher), I64))
            body(f.sum(first, b.mul(i, height), f.least(i, higher)), own)

        f.loop(0, count, one)

    f.when(b.icmp_signed(">", rows, I64(0)), tiles)


def most_rows_of(f: Frame, vectors: ir.Value) -> ir.Value:
    """The most rows of a tile as wide as known at run time."""
    result: ir.Value = I64(most_rows(f.target, f.target.panel))
    for width in range(f.target.panel - 1, 0, -1):
        result = f.b.select(f.b.icmp_signed("==", vectors, I64(width)), I64(most_rows(f.target, width)), result)
    return result


def fill(f: Frame, acc: ir.Value, count: ir.Value) -> None:
    """Zero some vectors."""
    f.loop(0, count, lambda i: f.e.store(f.e.constant(0.0), f.e.at(acc, f.times(i, f.target.lanes))))


def panels(
    f: Frame, columns: ir.Value, body: Callable[..., None], first: ir.Value | int = 0, last: ir.Value | None = None
) -> None:
    """Run `body(panel, column, vectors)` for the panels of some columns."""
    lanes = f.target.lanes

    def one(panel: ir.Value) -> None:
        column = f.times(panel, f.target.panel * lanes)
        body(panel, column, f.least(f.target.panel, f.ceil(f.b.sub(columns, column), lanes)))

    f.loop(first, f.ceil(columns, f.target.panel * lanes) if last is None else last, one)


def emit_rows_product(code: Code) -> Frame:
    """Write `rows_product(lda, K, ldo, columns, first, last, a, w, out, bias)`: out = a @ w + bias for some rows.

    `w` is packed; `bias` is padded to whole panels, or null.
    """
    f = code.function("rows_product", numbers=6, pointers=4)
    lda, K, ldo, columns, first, last, a, w, out, bias = f.given
    e, lanes = f.e, f.target.lanes
    acc = f.stack(most_rows(f.target, 1) * f.target.panel)
    biased = f.b.icmp_unsigned("!=", f.b.ptrtoint(bias, I64), I64(0))

    def panel(_: ir.Value, column: ir.Value, vectors: ir.Value) -> None:
        weights = e.at(w, f.times(column, K))

        def tile(row: ir.Value, rows: ir.Value) -> None:
            def start(r: ir.Value) -> None:
                def one(v: ir.Value) -> None:
                    at = f.sum(column, f.times(v, lanes))
                    e.store(e.load(e.at(bias, at)), e.at(acc, f.times(f.sum(f.times(r, vectors), v), lanes)))

                f.loop(0, vectors, one)

            f.when(biased, lambda: f.loop(0, rows, start), lambda: fill(f, acc, f.times(rows, vectors)))
            f.b.call(code.tiles(ROWS_APART), [rows, vectors, acc, e.at(a, f.times(row, lda)), lda, weights, K])

            def end(r: ir.Value) -> None:
                to = e.at(out, f.times(f.sum(row, r), ldo))

                def one(v: ir.Value) -> None:
                    at = f.sum(column, f.times(v, lanes))
                    value = e.load(e.at(acc, f.times(f.sum(f.times(r, vectors), v), lanes)))
                    f.masked(at, columns, lambda mask: e.store(value, e.at(to, at), mask))

                f.loop(0, vectors, one)

            f.loop(0, rows, end)

        row_tiles(f, first, last, most_rows_of(f, vectors), tile)

    panels(f, columns, panel)
    f.finish()
    return f


def emit_weight_product(code: Code) -> Frame:
    """Write `weight_product(rows, K, ld, columns, add, a, w, out)`: out (+)= a^T @ w over K rows of both.

    `a` is packed in groups of the tallest tile's rows, each `[K][rows]`, the last as narrow as it needs to be.
    """
    f = code.function("weight_product", numbers=5, pointers=3)
    rows, K, ld, columns, add, a, w, out = f.given
    e, lanes = f.e, f.target.lanes
    most = most_rows(f.target, f.target.panel)
    acc = f.stack(most * f.target.panel)
    adding = f.b.icmp_signed("!=", add, I64(0))

    def panel(_: ir.Value, column: ir.Value, vectors: ir.Value) -> None:
        weights = e.at(w, f.times(column, K))

        def group(i: ir.Value) -> None:
            row = f.times(i, most)
            height = f.least(most, f.b.sub(rows, row))
            fill(f, acc, f.times(height, vectors))
            f.b.call(code.tiles(ROWS_TOGETHER), [height, vectors, acc, e.at(a, f.times(row, K)), height, weights, K])

            def end(r: ir.Value) -> None:
                to = e.at(out, f.times(f.sum(row, r), ld))

                def one(v: ir.Value) -> None:
                    at = f.sum(column, f.times(v, lanes))
                    value = e.load(e.at(acc, f.times(f.sum(f.times(r, vectors), v), lanes)))

                    def put(mask: ir.Value | None) -> None:
                        f.when(
                            adding,
                            lambda: e.store(f.b.fadd(value, e.load(e.at(to, at), mask)), e.at(to, at), mask),
                            lambda: e.store(value, e.at(to, at), mask),
                        )

                    f.masked(at, columns, put)

                f.loop(0, vectors, one)

            f.loop(0, height, end)

        f.loop(0, f.ceil(rows, most), group)

    panels(f, columns, panel)
    f.finish()
    return f
