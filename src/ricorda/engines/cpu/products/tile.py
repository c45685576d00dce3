"""The register tile: the inner loop of every matrix product.

`out[rows][vectors] = start[rows][vectors] + a[rows, K] @ w[K, vectors]`: sums stay in registers during the loop along a
block of K, and `out` adds up the blocks. The rows of `start` may be one row, such as a bias or zeros, or those of `out`
itself. The weights are packed in the order in which the loop reads them: `[K][vectors][lanes]`, or
`[K/2][vectors][lanes][2]` for pairs of bf16, or `[K/4 + 2][vectors][lanes][4]` for words of int8 and what follows them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import llvmlite.ir as ir

from ricorda.engines.cpu.products.bytes import add_products
from ricorda.engines.cpu.products.int8_tile import emit_body
from ricorda.engines.cpu.words import amx
from ricorda.engines.cpu.words.emit import I64, LINE, VOID, Emitter
from ricorda.engines.cpu.words.target import Target

ROWS_APART, ROWS_TOGETHER = "rows_apart", "rows_together"
"""Where `a` has its rows: [rows, lda], as states have, or packed [K, rows], as weight gradients need."""

BLOCK = 128
"""Steps along K, of a number or a pair, that one chain of sums has. Rounding grows with the length of a chain, and so
would be several times larger with one chain for a K of thousands. The places of the blocks depend on K alone."""

AHEAD = 1024
"""Bytes by which a tile of one row, which is bound by memory, fetches weights in advance."""


def tile_name(rows: int, vectors: int, form: str, target: Target) -> str:
    """The name of a tile's function."""
    return f"tile_{form}_{rows}x{vectors}_{target.products}"


def tile_type(target: Target) -> ir.FunctionType:
    """The type of a tile's function: (start, its ld, out, its ld, a, lda, w, K).

    lda and K count pairs in bf16, words in int8, else numbers; the other distances between rows always count numbers.
    """
    number = target.number.as_pointer()
    return ir.FunctionType(VOID, [number, I64, number, I64, number, I64, number, I64])


class BFloat(ir.Type):  # type: ignore[misc]
    """LLVM's bfloat, which llvmlite has no class for."""

    null = "zeroinitializer"

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BFloat)

    def __hash__(self) -> int:
        return hash(BFloat)


def emit_tile(module: ir.Module, target: Target, rows: int, vectors: int, form: str) -> ir.Function:
    """Write a tile's function into a module."""
    function = ir.Function(module, tile_type(target), tile_name(rows, vectors, form, target))
    for pointer in (4, 6):
        function.args[pointer].add_attribute("noalias")
    begin, ld_begin, out, ld_out, a, lda, w, K = function.args
    b = ir.IRBuilder(function.append_basic_block("entry"))
    e = target.emitter(b)
    places = [(r, v * e.lanes) for r in range(rows) for v in range(vectors)]
    starts = [e.at(begin, b.mul(ld_begin, I64(r)), at) for r, at in places]
    targets = [e.at(out, b.mul(ld_out, I64(r)), at) for r, at in places]
    if form == ROWS_APART:  # Else LLVM computes their addresses at each step: a fifth more instructions.
        factors = [e.kept(e.at(a, b.mul(lda, I64(r)))) for r in range(rows)]
    else:
        factors = [e.at(a, r) for r in range(rows)]

    def add_step(k: ir.Value, sums: list[ir.Value]) -> list[ir.Value]:
        at = k if form == ROWS_APART else b.mul(k, I64(rows))
        panel = e.at(w, b.mul(k, I64(vectors * e.lanes)))
        return _add_step(e, target, vectors, sums, [e.at(factor, at) for factor in factors], panel)

    def least(k: ir.Value) -> ir.Value:
        return b.select(b.icmp_signed("<", k, K), k, K)

    if target.products == "int8":
        emit_body(e, target, rows, vectors, function.args, partial(_chain, e, add_step=add_step))
        b.ret_void()
        return function
    begins = [e.load(at) for at in starts]
    for value, to in zip(_chain(e, I64(0), least(I64(BLOCK)), begins, add_step), targets, strict=True):
        e.store(value, to)

    def later_block(k: ir.Value) -> None:
        zeros = [e.constant(0.0)] * len(places)
        for value, to in zip(_chain(e, k, least(b.add(k, I64(BLOCK))), zeros, add_step), targets, strict=True):
            e.store(b.fadd(e.load(to), value), to)

    e.loop(I64(BLOCK), K, BLOCK, later_block)
    b.ret_void()
    return function


def _chain(
    e: Emitter,
    first: ir.Value,
    last: ir.Value,
    start: list[ir.Value],
    add_step: Callable[[ir.Value, list[ir.Value]], list[ir.Value]],
) -> list[ir.Value]:
    """Sums in registers after the steps first to last along K: `add_step(k, sums)` gives those after step k."""
    b, before = e.b, e.b.block
    inside, after = b.append_basic_block("k"), b.append_basic_block("done")
    b.cbranch(b.icmp_signed("<", first, last), inside, after)
    b.position_at_end(inside)
    k, sums = b.phi(I64), [b.phi(value.type) for value in start]
    new, following = add_step(k, sums), b.add(k, I64(1))
    b.cbranch(b.icmp_signed("<", following, last), inside, after)
    b.position_at_end(after)
    ends = [b.phi(value.type) for value in start]
    k.add_incoming(first, before)
    k.add_incoming(following, inside)
    for value, total, stepped, end in zip(start, sums, new, ends, strict=True):
        for phi in (total, end):
            phi.add_incoming(value, before)
            phi.add_incoming(stepped, inside)
    return ends


def _add_step(
    e: Emitter,
    target: Target,
    vectors: int,
    sums: list[ir.Value],
    factors: list[ir.Value],
    panel: ir.Value,
) -> list[ir.Value]:
    """The sums [rows * vectors] with the products of one step, from where its factors and its weights lie."""
    bytes_ = target.lanes * e.scalar_bytes
    weights = [_load(e, panel, v * e.lanes, bytes_) for v in range(vectors)]
    if len(factors) == 1:
        for line in range(0, vectors * bytes_, LINE):
            e.prefetch(e.at(panel, (AHEAD + line) // e.scalar_bytes))
    new = []
    for r, address in enumerate(factors):
        factor = e.splat(e.b.load(address))  # All lanes get the same number or pair.
        new += [_multiply_add(e, factor, weights[v], sums[r * vectors + v], target) for v in range(vectors)]
    return new


def _load(e: Emitter, pointer: ir.Value, offset: int, align: int) -> ir.Value:
    return e.b.load(e.b.bitcast(e.at(pointer, offset), e.vector.as_pointer()), align=align)


def _multiply_add(e: Emitter, factor: ir.Value, weight: ir.Value, total: ir.Value, target: Target) -> ir.Value:
    if target.products == "int8":
        return add_products(e, target, e.b.bitcast(factor, e.integers), e.b.bitcast(weight, e.integers), total)
    if target.products != "bf16":
        return e.multiply_add(factor, weight, total)
    if target.has_bf16:
        pairs = ir.VectorType(BFloat(), 2 * e.lanes)
        name = f"llvm.x86.avx512bf16.dpbf16ps.{32 * e.lanes}"
        return e.intrinsic(name, total, e.b.bitcast(factor, pairs), e.b.bitcast(weight, pairs))
    # Without such an instruction, both bf16 of a pair are widened to float32 and multiplied one after the other.
    low, high = e.whole(16), e.whole(-65536)
    b = e.b
    for part in (lambda both: b.shl(both, low), lambda both: b.and_(both, high)):
        x, y = (b.bitcast(part(b.bitcast(both, e.integers)), e.vector) for both in (factor, weight))  # type: ignore[no-untyped-call]
        total = e.multiply_add(x, y, total)
    return total


def most_rows(target: Target, vectors: int) -> int:
    """The most rows of a tile of column vectors: its sums, a row of weights and a factor must fit in the registers."""
    if target.has_tiles:
        return amx.MOST
    # Widened pairs take two registers, and words of which each half is widened.
    widened = (target.products == "bf16" and not target.has_bf16) or (
        target.products == "int8" and target.dot in ("pmaddwd", "")
    )
    return max(1, min(8, (target.registers - (2 if widened else 1) * (vectors + 1)) // vectors))


def table_type(target: Target) -> ir.ArrayType:
    """The type of a table of tiles, ordered by column vectors, then by rows."""
    return ir.ArrayType(tile_type(target).as_pointer(), target.bundle * most_rows(target, 1))


def place_in_table(b: ir.IRBuilder, target: Target, rows: ir.Value, vectors: ir.Value) -> ir.Value:
    """The place of a tile in its table."""
    return b.add(b.mul(b.sub(vectors, I64(1)), I64(most_rows(target, 1))), b.sub(rows, I64(1)))


def forms(target: Target) -> tuple[str, ...]:
    """The forms of tiles that a target has: in int8 there are no gradients of weights."""
    return (ROWS_APART,) if target.products == "int8" else (ROWS_APART, ROWS_TOGETHER)


def emit_tiles(target: Target) -> ir.Module:
    """A module with all tiles, and a table of them for each form, named by `Target.tiles`."""
    module = ir.Module(f"tiles_{target.products}")
    for form in forms(target):
        tiles = []
        for vectors in range(1, target.bundle + 1):
            last = None
            for rows in range(1, most_rows(target, 1) + 1):
                if rows <= most_rows(target, vectors):
                    last = emit_tile(module, target, rows, vectors, form)
                tiles.append(last)
        kind = table_type(target)
        table = ir.GlobalVariable(module, kind, target.tiles(form))
        table.global_constant, table.initializer = True, ir.Constant(kind, tiles)
    return module
