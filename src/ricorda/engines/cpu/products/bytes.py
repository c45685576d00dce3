"""Sums of products of int8, four to a word: by the processor's instruction, or from wider numbers without one."""

from __future__ import annotations

import llvmlite.ir as ir

from ricorda.engines.cpu.words.emit import I8, I16, Emitter
from ricorda.engines.cpu.words.target import Target


def add_products(e: Emitter, target: Target, factor: ir.Value, weight: ir.Value, total: ir.Value) -> ir.Value:
    """The whole numbers `total` plus the four products of each word of `factor` and `weight`."""
    b = e.b
    if target.dot in ("vpdpbusd", "tdpbusd"):
        return e.intrinsic(f"llvm.x86.avx512.vpdpbusd.{32 * e.lanes}", total, factor, weight)
    if target.dot == "sdot":
        four = ir.VectorType(I8, 4 * e.lanes)
        return e.intrinsic(
            "llvm.aarch64.neon.sdot.v4i32.v16i8", total, b.bitcast(factor, four), b.bitcast(weight, four)
        )
    if target.dot == "pmaddwd":  # Of 16-bit numbers: it cannot saturate, as the products of bytes can.
        pairs, shift = ir.VectorType(I16, 2 * e.lanes), ir.Constant(ir.VectorType(I16, 2 * e.lanes), [8] * 2 * e.lanes)
        x, y = b.bitcast(factor, pairs), b.bitcast(weight, pairs)
        for odd in (False, True):
            of_x, of_y = (b.ashr(v if odd else b.shl(v, shift), shift) for v in (x, y))
            total = b.add(total, e.intrinsic(_PMADDWD[e.lanes], of_x, of_y, result=e.integers))
        return total
    for place in range(4):
        of_x, of_y = (b.ashr(b.shl(v, e.whole(24 - 8 * place)), e.whole(24)) for v in (factor, weight))
        total = b.add(total, b.mul(of_x, of_y))
    return total


_PMADDWD = {4: "llvm.x86.sse2.pmadd.wd", 8: "llvm.x86.avx2.pmadd.wd", 16: "llvm.x86.avx512.pmaddw.d.512"}
