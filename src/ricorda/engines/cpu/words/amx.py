"""Tiles of int8 in AMX: its registers are tiles themselves, of 16 rows of 64 bytes, and multiply each other.

A row of an operand, and a word of the weights along K, lie in memory as AMX loads them. Sixteen rows are multiplied
even if there are fewer, so that one configuration serves: operands have room for so many, and the others' products are
not read. K is filled up to whole tiles; the weights there are zeros.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from functools import cache

import llvmlite.ir as ir

from ricorda.engines.cpu.words.emit import BYTES, I8, I64, VOID, Emitter

ROWS = 16
"""Rows of a tile."""

MOST = 32
"""Rows that are multiplied together: two tiles of them read the weights once."""

FEWEST = 4
"""Rows from which a tile is faster than vectors."""

_ARCH_REQ_XCOMP_PERM, _TILE_DATA, _ARCH_PRCTL = 0x1023, 18, 158
"""The request of Linux by which a process may use tiles; it holds for all of its threads, and for its children."""

_SUMS = 4
"""The registers of sums, the first of eight; the others have the operand and the weights."""


@cache
def permitted() -> bool:
    """Whether this process may use tiles; asks for it."""
    if not sys.platform.startswith("linux") or platform.machine() != "x86_64":
        return False
    return bool(ctypes.CDLL(None).syscall(_ARCH_PRCTL, _ARCH_REQ_XCOMP_PERM, _TILE_DATA) == 0)


def configure(e: Emitter) -> None:
    """Begin to use tiles, all of full size."""
    name, kind = "tiles of full size", ir.ArrayType(I8, 64)
    known = e.module.globals.get(name)
    if known is None:
        known = ir.GlobalVariable(e.module, kind, name)
        known.linkage, known.global_constant, known.align = "internal", True, 64
        palette, bytes_of_rows, rows = [1, *[0] * 15], [64, 0] * 8 + [0] * 16, [ROWS] * 8 + [0] * 8
        known.initializer = ir.Constant(kind, palette + bytes_of_rows + rows)
    e.intrinsic("llvm.x86.ldtilecfg", e.b.bitcast(known, BYTES), result=VOID)


def release(e: Emitter) -> None:
    """End the use of tiles."""
    e.intrinsic("llvm.x86.tilerelease", result=VOID)


def add_products(
    e: Emitter,
    rows: int,
    vectors: int,
    operand: tuple[ir.Value, ir.Value],
    w: ir.Value,
    along: tuple[ir.Value, ir.Value],
    sums: ir.Value,
) -> None:
    """Write the sums of products [vectors][room_rows(rows)][16] of some words of operand and weights.

    Parameters
    ----------
    operand : where it begins, and the distance between its rows
    along : the first and the last of the words along K
    """
    b, (a, lda), blocks = e.b, operand, room_rows(rows) // ROWS
    together = _SUMS // blocks
    ld, ld_weights = b.mul(lda, I64(4)), I64(4 * vectors * e.lanes)
    operands = range(_SUMS, _SUMS + blocks)
    weights = range(_SUMS + blocks, 8)

    def load(register: int, pointer: ir.Value, stride: ir.Value) -> None:
        e.intrinsic("llvm.x86.tileloadd64", I8(register), b.bitcast(pointer, BYTES), stride, result=VOID)

    for begin in range(0, vectors, together):
        columns = range(begin, min(begin + together, vectors))
        places = {(block, v): block * together + v - begin for block in range(blocks) for v in columns}
        for register in places.values():
            e.intrinsic("llvm.x86.tilezero", I8(register), result=VOID)

        def step(k: ir.Value, columns: range = columns, places: dict[tuple[int, int], int] = places) -> None:
            for block in range(blocks):
                load(operands[block], e.at(a, k, b.mul(lda, I64(block * ROWS))), ld)
            for v in columns:
                own = weights[v % len(weights)]
                load(own, e.at(w, b.mul(k, I64(vectors * e.lanes)), v * e.lanes), ld_weights)
                for block in range(blocks):
                    e.intrinsic("llvm.x86.tdpbusd", I8(places[block, v]), I8(operands[block]), I8(own), result=VOID)

        e.loop(*along, ROWS, step)
        for (block, v), register in places.items():
            place = b.bitcast(e.at(sums, (v * blocks + block) * ROWS * e.lanes), BYTES)
            e.intrinsic("llvm.x86.tilestored64", I8(register), place, I64(4 * e.lanes), result=VOID)


def room_rows(rows: int) -> int:
    """The rows of the sums of so many rows: whole tiles."""
    return -(-rows // ROWS) * ROWS
