"""Tiles of int8: sums of whole numbers, in vectors or by AMX, which become numbers at the end of a block of K."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import llvmlite.ir as ir

from ricorda.engines.cpu.words import amx
from ricorda.engines.cpu.words.emit import I64, LINE, Emitter
from ricorda.engines.cpu.words.target import Target

WORDS = 1 << 13
"""Words along K whose products are summed as whole numbers of 32 bits, which are sure to hold them."""


def emit_body(
    e: Emitter,
    target: Target,
    rows: int,
    vectors: int,
    arguments: Sequence[ir.Value],
    chain: Callable[[ir.Value, ir.Value, list[ir.Value]], list[ir.Value]],
) -> None:
    """Write what a tile does.

    Parameters
    ----------
    arguments : of the tile, see `tile.tile_type`
    chain : the sums in registers after some words along K, from the first and last of these and the sums before
    """
    begin, ld_begin, out, ld_out, a, lda, w, K = arguments
    b, lanes = e.b, e.lanes
    ends = e.at(w, b.mul(K, I64(vectors * lanes)))
    room: ir.Value = None
    if target.has_tiles and rows >= amx.FEWEST:
        room = b.alloca(ir.ArrayType(e.vector, vectors * amx.room_rows(rows)))
        room.align = LINE
        room = b.bitcast(room, target.number.as_pointer())

    def put(r: ir.Value, sums: Sequence[ir.Value], first: bool) -> None:
        of_row = e.splat(b.load(e.at(a, b.mul(lda, r), K)))
        start, to = (
            e.at(*((begin, b.mul(ld_begin, r)) if first else (out, b.mul(ld_out, r)))),
            e.at(out, b.mul(ld_out, r)),
        )
        for v, total in enumerate(sums):
            if first:
                total = b.add(total, b.bitcast(e.load(e.at(ends, (vectors + v) * lanes)), e.integers))
            scale = b.fmul(of_row, e.load(e.at(ends, v * lanes)))
            e.store(
                e.multiply_add(b.sitofp(total, e.vector), scale, e.load(e.at(start, v * lanes))), e.at(to, v * lanes)
            )

    def block(k: ir.Value, first: bool = False) -> None:
        last = b.add(k, I64(WORDS))
        last = b.select(b.icmp_signed("<", last, K), last, K)
        if room is None:
            sums = chain(k, last, [e.whole(0)] * (rows * vectors))
            for r in range(rows):
                put(I64(r), sums[r * vectors : (r + 1) * vectors], first)
            return
        amx.add_products(e, rows, vectors, (a, lda), w, (k, last), room)

        def row(r: ir.Value) -> None:
            places = [e.at(room, b.mul(r, I64(lanes)), v * amx.room_rows(rows) * lanes) for v in range(vectors)]
            put(r, [b.bitcast(e.load(place), e.integers) for place in places], first)

        e.loop(I64(0), I64(rows), 1, row)

    block(I64(0), first=True)
    e.loop(I64(WORDS), K, WORDS, block)
