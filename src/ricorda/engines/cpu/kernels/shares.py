"""What one thread does of a matrix, as a function for all matrices of a kernel: packing, and gradients of weights."""

from __future__ import annotations

import llvmlite.ir as ir

from ricorda.engines.cpu.kernels.code import Code, Frame
from ricorda.engines.cpu.kernels.plan import Plan, chunk_begin
from ricorda.engines.cpu.kernels.worker import Worker
from ricorda.engines.cpu.products.half import put_row
from ricorda.engines.cpu.words.emit import I64


def _begin(code: Code, name: str, numbers: int, pointers: int) -> tuple[Frame, Worker, list[ir.Value]]:
    """A function whose first arguments are the thread and the number of threads, and its other arguments."""
    f = code.function(name, numbers=2 + numbers, pointers=pointers)
    thread, threads, *others = f.arguments
    return f, Worker(f, thread, threads, None), others


def emit_pack_factor(code: Code, pack_transposed: ir.Function | None) -> Frame:
    """Write `pack_factor(thread, threads, ld, K, size, width, count, p, whole, begin, weights, panels)`.

    It packs the matrix of a bundle's product number `p` of `count` for the operand that begins at row `begin` of
    `whole` rows, in tiles of `width` vectors; transposed, if there is a function for that.
    """
    f, worker, others = _begin(code, "pack_factor", 8, 2)
    ld, K, size, width, count, p, whole, begin, weights, panels = others
    lanes = f.target.lanes

    def tile(number: ir.Value) -> None:
        vector = f.times(number, width)
        vectors = f.least(width, f.b.sub(f.ceil(size, lanes), vector))
        stride = f.times(vectors, count, lanes)
        first = f.sum(f.times(vector, count, lanes, whole), f.times(begin, stride), f.times(vectors, p, lanes))

        def one(v: ir.Value) -> None:
            unit, to = f.times(f.sum(vector, v), lanes), f.e.at(panels, f.sum(first, f.times(v, lanes)))
            if pack_transposed is not None:
                f.call(pack_transposed, ld, K, size, unit, stride, weights, to)
                return

            def row(k: ir.Value) -> None:
                line = f.e.at(weights, f.sum(f.times(k, ld), unit))
                f.masked(unit, size, lambda mask: put_row(f, k, f.e.load(line, mask), to, stride))

            f.loop(0, K, row)

        f.loop(0, vectors, one)

    tiles = f.b.udiv(f.sum(size, f.times(width, lanes), -1), f.times(width, lanes))
    worker.share(tiles, lambda first, last: f.loop(first, last, tile))
    f.finish()
    return f


def emit_pack_sequence(code: Code, pack_rows: ir.Function) -> Frame:
    """Write `pack_sequence(thread, threads, size, low, rows, base, panels)`: rows of a chunk that begins at `low`."""
    f, worker, (size, low, rows, base, panels) = _begin(code, "pack_sequence", 3, 2)
    start = f.e.at(base, f.times(low, size))
    worker.share(
        f.ceil(size, f.target.panel * f.target.lanes),
        lambda panel0, panel1: f.call(pack_rows, size, rows, size, rows, 0, panel0, panel1, start, panels),
    )
    f.finish()
    return f


def emit_pack_before(code: Code, pack_rows: ir.Function) -> Frame:
    """Write `pack_before(thread, threads, size, low, rows, first, last, initial, sequence, panels)`.

    It packs a state as it entered the steps first to last, in the order of their rows.
    """
    f, worker, others = _begin(code, "pack_before", 5, 3)
    size, low, rows, first, last, initial, sequence, panels = others
    offsets, counts = f.pointer("offsets", I64), f.pointer("counts", I64)
    # Rows must come in the order of memory (see put_row), which may be the reverse of the steps'.
    last_step = f.sum(last, -1)
    backwards = f.b.icmp_signed(">", f.b.load(f.e.at(offsets, first)), f.b.load(f.e.at(offsets, last_step)))

    def pack(panel0: ir.Value, panel1: ir.Value) -> None:
        def one_step(i: ir.Value) -> None:
            step = f.b.select(backwards, f.b.sub(f.sum(first, last_step), i), i)
            earlier = f.b.load(f.e.at(offsets, f.most(0, f.sum(step, -1))))
            entered = f.b.icmp_signed("==", step, I64(0))
            base = f.b.select(entered, initial, f.e.at(sequence, f.times(earlier, size)))
            count = f.b.load(f.e.at(counts, step))
            at = f.b.sub(f.b.load(f.e.at(offsets, step)), low)
            # Within a panel the rows of a step follow those of the previous steps.
            f.call(pack_rows, size, count, size, rows, at, panel0, panel1, base, panels)

        f.loop(first, last, one_step)

    worker.share(f.ceil(size, f.target.panel * f.target.lanes), pack)
    f.finish()
    return f


def _packed(f: Frame, column: ir.Value, m0: ir.Value) -> ir.Value:
    """Where the gradients of an affine that begins at a column of the chunk are packed, from its row `m0` on."""
    return f.e.at(f.pointer("packed gradients"), f.times(f.sum(column, m0), f.number("chunk_rows")))


def emit_pack_gradient(code: Code, plan: Plan, pack_columns: ir.Function) -> Frame:
    """Write `pack_gradient(thread, threads, size, low, rows, column)`: an affine's gradients in a chunk, packed."""
    f, worker, (size, low, rows, column) = _begin(code, "pack_gradient", 4, 0)

    def pack(m0: ir.Value, m1: ir.Value) -> None:
        a = f.e.at(chunk_begin(f, plan, low), f.sum(column, m0))
        f.call(pack_columns, f.number("chunk_ld"), rows, f.b.sub(m1, m0), a, _packed(f, column, m0))

    worker.share(size, pack)
    f.finish()
    return f


def emit_weight_gradient(code: Code, weight_product: ir.Function) -> Frame:
    """Write `weight_gradient(thread, threads, size, rows, columns, add, column, panels, out)` of one block of weights.

    Its operands are packed: the gradients of an affine, which begin at a column, and what the block multiplied.
    """
    f, worker, others = _begin(code, "weight_gradient", 5, 2)
    size, rows, columns, add, column, panels, out = others

    def product(m0: ir.Value, m1: ir.Value) -> None:
        to, a = f.e.at(out, f.times(m0, columns)), _packed(f, column, m0)
        f.call(weight_product, f.b.sub(m1, m0), f.words(rows), columns, columns, add, a, panels, to)

    worker.share(size, product)
    f.finish()
    return f
