"""Periodic functions as vector code: the remainder of a division, sine and cosine."""

from __future__ import annotations

import math

import llvmlite.ir as ir

from ricorda.engines.cpu.words.emit import Emitter
from ricorda.engines.cpu.words.helpers import absolute, at_least, at_most, constants, floor, narrow, polynomial, wide
from ricorda.engines.cpu.words.polynomials import QUARTER_TURN


def _without_product(e: Emitter, a: ir.Value, q: ir.Value, b: ir.Value) -> ir.Value:
    """The difference a - q b with one rounding, where q b is close to a; q is whole."""
    if e.fused:
        return e.fma(e.b.fneg(q), b, a)
    if not e.double:
        return narrow(e, _without_product(*wide(e, a, q, b)))

    def halves(x: ir.Value) -> tuple[ir.Value, ir.Value]:
        scaled = e.b.fmul(x, e.constant(2.0**27 + 1))
        high = e.b.fsub(scaled, e.b.fsub(scaled, x))
        return high, e.b.fsub(x, high)

    (q_high, q_low), (b_high, b_low) = halves(q), halves(b)  # Dekker's product: four parts, each exact.
    rest = e.b.fsub(a, e.b.fmul(q_high, b_high))
    for one, other in ((q_high, b_low), (q_low, b_high), (q_low, b_low)):
        rest = e.b.fsub(rest, e.b.fmul(one, other))
    once = e.b.fcmp_ordered("<=", absolute(e, q), e.constant(1.0))  # Halves of the largest numbers are infinite.
    return e.b.select(once, e.b.fsub(a, e.b.fmul(q, b)), rest)


def remainder(e: Emitter, a: ir.Value, b: ir.Value) -> ir.Value:
    """The rest a - floor(a / b) b, which has the sign of b; exact where |a / b| < 2**mantissa, and 0 beyond.

    The quotient may have been rounded up to a whole number; then the rest has the wrong sign.
    """
    zero = e.constant(0.0)
    q = floor(e, e.b.fdiv(a, b))
    rest = e.b.select(e.b.fcmp_ordered("==", q, zero), a, _without_product(e, a, q, b))
    signs = e.b.xor(e.b.bitcast(rest, e.integers), e.b.bitcast(b, e.integers))
    wrong = e.b.and_(e.b.icmp_signed("<", signs, e.whole(0)), e.b.fcmp_ordered("!=", rest, zero))
    rest = e.b.select(wrong, e.b.fadd(rest, b), rest)
    known = e.b.fcmp_ordered("<", absolute(e, q), e.constant(2.0 ** constants(e).mantissa))
    return e.b.select(known, rest, e.b.fdiv(e.b.fsub(a, a), b))


def _quarters(e: Emitter, a: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Split a = n * pi / 2 + r into integers n, which stand in the lowest bits of words, and r from -0.8 to 0.8.

    Up to |a| = 100,000 that is exact to the last bit of r; far beyond, r says nothing.
    """
    magic, (high, middle, low) = e.constant(constants(e).magic), QUARTER_TURN
    shifted = e.multiply_add(a, e.constant(2 / math.pi), magic)
    double, n, rest = wide(e, e.b.fsub(shifted, magic), a)
    rest = double.multiply_add(n, double.constant(-high), rest)
    if not e.double:
        rest = double.multiply_add(n, double.constant(-middle - low), rest)
    else:  # The rounding of the second difference is computed, and taken back with the third.
        second = e.b.fmul(n, e.constant(middle))
        less = e.b.fsub(rest, second)
        taken = e.b.fsub(less, rest)
        lost = e.b.fsub(e.b.fsub(rest, e.b.fsub(less, taken)), e.b.fadd(second, taken))
        rest = e.b.fadd(less, e.multiply_add(n, e.constant(-low), lost))
    return e.b.bitcast(shifted, e.integers), at_least(e, -0.8, at_most(e, 0.8, narrow(e, rest)))


def _wave(e: Emitter, n: ir.Value, r: ir.Value) -> ir.Value:
    """sin(n * pi / 2 + r): odd quarter turns make it a cosine, and a half turn changes its sign."""
    k, z = constants(e), e.b.fmul(r, r)
    sine = e.multiply_add(e.b.fmul(r, z), polynomial(e, z, k.sine), r)
    cosine = e.multiply_add(z, e.constant(-0.5), e.constant(1.0))
    cosine = e.multiply_add(e.b.fmul(z, z), polynomial(e, z, k.cosine), cosine)
    even = e.b.icmp_signed("==", e.b.and_(n, e.whole(1)), e.whole(0))
    sign = e.b.shl(e.b.and_(n, e.whole(2)), e.whole(e.integer.width - 2))
    return e.b.bitcast(e.b.xor(e.b.bitcast(e.b.select(even, sine, cosine), e.integers), sign), e.vector)


def sin(e: Emitter, a: ir.Value) -> ir.Value:
    """The sine, for |a| up to 100,000; beyond, a number between -1 and 1. NaN for infinite `a`."""
    return _wave(e, *_quarters(e, a))


def cos(e: Emitter, a: ir.Value) -> ir.Value:
    """The cosine, a quarter turn ahead of the sine, and as exact."""
    n, r = _quarters(e, a)
    return _wave(e, e.b.add(n, e.whole(1)), r)
