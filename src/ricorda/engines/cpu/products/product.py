"""Matrix products of many rows at once: the input's, the gradient of the input's, and those of the weights.

Weights are packed in panels of at most `Target.panel` column vectors, each `[K][vectors][lanes]`; the last panel may be
narrower.
"""

from __future__ import annotations

from collections.abc import Callable

import llvmlite.ir as ir

from ricorda.engines.cpu.kernels.code import Frame
from ricorda.engines.cpu.products.tile import ROWS_APART, ROWS_TOGETHER, most_rows
from ricorda.engines.cpu.words.emit import I64


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
    """The most rows of a tile whose width is known at run time only."""
    result: ir.Value = I64(most_rows(f.target, f.target.panel))
    for width in range(f.target.panel - 1, 0, -1):
        result = f.b.select(f.b.icmp_signed("==", vectors, I64(width)), I64(most_rows(f.target, width)), result)
    return result


def _put(
    f: Frame,
    acc: ir.Value,
    width: ir.Value,
    out: ir.Value,
    ld: ir.Value,
    rows: ir.Value,
    columns: ir.Value,
    product: Callable[[ir.Value, ir.Value], None],
    adding: ir.Value | None = None,
) -> None:
    """Run `product(to, ld)`, which writes rows of a panel, with `out` as its target if whole vectors fit in there.

    Else the target is `acc`, from which the rows are copied to `out`. If the product is added to `out`, its rows are
    copied to `acc` first.
    """
    e, lanes = f.e, f.target.lanes

    def on_vectors(body: Callable[[ir.Value, ir.Value, ir.Value | None], None]) -> None:
        def row(r: ir.Value) -> None:
            of_acc, of_out = e.at(acc, f.times(r, width)), e.at(out, f.times(r, ld))
            f.vectors(
                0, f.ceil(columns, lanes), columns, lambda at, mask: body(e.at(of_acc, at), e.at(of_out, at), mask)
            )

        f.loop(0, rows, row)

    def by_way() -> None:
        if adding is not None:
            f.when(adding, lambda: on_vectors(lambda to, at, mask: e.store(e.load(at, mask), to)))
        product(acc, width)
        on_vectors(lambda at, to, mask: e.store(e.load(at), to, mask))

    f.when(f.b.icmp_signed(">=", columns, width), lambda: product(out, ld), by_way)


def panels(
    f: Frame, columns: ir.Value, body: Callable[..., None], first: ir.Value | int = 0, last: ir.Value | None = None
) -> None:
    """Run `body(panel, column, vectors)` for the panels first to last of `columns` columns; for all by default."""
    lanes = f.target.lanes

    def one(panel: ir.Value) -> None:
        column = f.times(panel, f.target.panel * lanes)
        body(panel, column, f.least(f.target.panel, f.ceil(f.b.sub(columns, column), lanes)))

    f.loop(first, f.ceil(columns, f.target.panel * lanes) if last is None else last, one)


def emit_rows_product(f: Frame) -> None:
    """Write `rows_product(lda, K, ldo, columns, first, last, a, w, out, bias)`: out = a @ w + bias, rows first to last.

    `w` is packed; `bias` is padded to whole panels, or null.
    """
    lda, K, ldo, columns, first, last, a, w, out, bias = f.arguments
    e, lanes = f.e, f.target.lanes
    acc = f.stack(most_rows(f.target, 1) * f.target.panel)
    biased = f.b.icmp_unsigned("!=", f.b.ptrtoint(bias, I64), I64(0))

    def panel(_: ir.Value, column: ir.Value, vectors: ir.Value) -> None:
        weights, width = e.at(w, f.times(column, f.depth_of(K))), f.times(vectors, lanes)
        start = f.b.select(biased, e.at(bias, column), f.code.zeros())

        def tile(row: ir.Value, rows: ir.Value) -> None:
            def product(to: ir.Value, ld: ir.Value) -> None:
                at = e.at(a, f.times(row, lda))
                f.tile(ROWS_APART, rows, vectors, start, I64(0), to, ld, at, lda, weights, K)

            _put(
                f, acc, width, e.at(out, f.sum(f.times(row, ldo), column)), ldo, rows, f.b.sub(columns, column), product
            )

        row_tiles(f, first, last, most_rows_of(f, vectors), tile)

    panels(f, columns, panel)
    f.finish()


def emit_weight_product(f: Frame) -> None:
    """Write `weight_product(rows, K, ld, columns, add, a, w, out)`: out (+)= a^T @ w over K rows of both.

    `a` is packed in groups of as many rows as the tallest tile has, each `[K][rows]`; the last may be smaller.
    """
    rows, K, ld, columns, add, a, w, out = f.arguments
    e, lanes = f.e, f.target.lanes
    most = most_rows(f.target, f.target.panel)
    acc = f.stack(most * f.target.panel)
    adding = f.b.icmp_signed("!=", add, I64(0))

    def panel(_: ir.Value, column: ir.Value, vectors: ir.Value) -> None:
        weights, width = e.at(w, f.times(column, K)), f.times(vectors, lanes)

        def group(i: ir.Value) -> None:
            row = f.times(i, most)
            height = f.least(most, f.b.sub(rows, row))
            place = e.at(out, f.sum(f.times(row, ld), column))

            def product(to: ir.Value, ld_to: ir.Value) -> None:
                start = f.b.select(adding, to, f.code.zeros())
                ld_start = f.b.select(adding, ld_to, I64(0))
                at = e.at(a, f.times(row, K))
                f.tile(ROWS_TOGETHER, height, vectors, start, ld_start, to, ld_to, at, height, weights, K)

            _put(f, acc, width, place, ld, height, f.b.sub(columns, column), product, adding)

        f.loop(0, f.ceil(rows, most), group)

    panels(f, columns, panel)
    f.finish()
