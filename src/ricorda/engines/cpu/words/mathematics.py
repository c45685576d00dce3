"""The operation table's rows as vector code: `EMITTERS` has a function for each.

All results, subnormal ones too, are at most two units in the last place from the correctly rounded ones, but for those
of `sin` and `cos` far out, `power` in float64 and `remainder` of far larger numbers, which say so. NaN gives NaN, and
nothing depends on compiler flags. There are no branches and no tables. A limit is a select whose operands have the
order in which x86's `min` and `max` pass a NaN on, so it costs one instruction there.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import llvmlite.ir as ir

from ricorda.engines.cpu.words.emit import Emitter
from ricorda.engines.cpu.words.helpers import absolute, at_least, at_most, constants, floor, narrow, polynomial, wide
from ricorda.engines.cpu.words.periodic import cos, remainder, sin
from ricorda.program.operations import SMALLEST_DIVISOR


def reduce(e: Emitter, x: ir.Value, period: float) -> tuple[ir.Value, ir.Value]:
    """Split x = n * period * log(2) + r into integers n, which stand in the lowest bits of words, and r."""
    k = constants(e)
    magic = e.constant(k.magic)
    shifted = e.multiply_add(x, e.constant(1 / (period * math.log(2))), magic)
    n = e.b.fsub(shifted, magic)
    r = e.multiply_add(n, e.constant(-period * k.ln2_high), x)
    r = e.multiply_add(n, e.constant(-period * k.ln2_low), r)
    return e.b.bitcast(shifted, e.integers), r


def power_of_two(e: Emitter, n: ir.Value, offset: int, inverse: bool = False) -> ir.Value:
    """The numbers 2**(offset + n), or 2**(offset - n) if `inverse`; n stands in the lowest bits of words."""
    k = constants(e)
    start, exponent = e.whole((k.bias + offset) << k.mantissa), e.b.shl(n, e.whole(k.mantissa))
    return e.b.bitcast(e.b.sub(start, exponent) if inverse else e.b.add(start, exponent), e.vector)


# arithmetic


def add(e: Emitter, a: ir.Value, b: ir.Value) -> ir.Value:
    """The sum."""
    return e.b.fadd(a, b)


def subtract(e: Emitter, a: ir.Value, b: ir.Value) -> ir.Value:
    """The difference."""
    return e.b.fsub(a, b)


def multiply(e: Emitter, a: ir.Value, b: ir.Value) -> ir.Value:
    """The product."""
    return e.b.fmul(a, b)


def divide(e: Emitter, a: ir.Value, b: ir.Value) -> ir.Value:
    """The quotient, rounded correctly."""
    return e.b.fdiv(a, b)


def negative(e: Emitter, a: ir.Value) -> ir.Value:
    """The number with the other sign."""
    return e.b.fneg(a)


def square_root(e: Emitter, a: ir.Value) -> ir.Value:
    """The square root, rounded correctly."""
    return e.on_vectors("sqrt", a)


# comparisons


def relu(e: Emitter, a: ir.Value) -> ir.Value:
    """max(a, 0); NaN if `a` is NaN."""
    return at_least(e, 0.0, a)


def _unless_nan(e: Emitter, a: ir.Value, otherwise: ir.Value) -> ir.Value:
    return e.b.select(e.b.fcmp_unordered("uno", a, a), a, otherwise)


def maximum(e: Emitter, a: ir.Value, b: ir.Value) -> ir.Value:
    """The larger number; NaN if one is NaN."""
    return _unless_nan(e, a, e.b.select(e.b.fcmp_ordered(">", a, b), a, b))


def minimum(e: Emitter, a: ir.Value, b: ir.Value) -> ir.Value:
    """The smaller number; NaN if one is NaN."""
    return _unless_nan(e, a, e.b.select(e.b.fcmp_ordered("<", a, b), a, b))


def sign(e: Emitter, a: ir.Value) -> ir.Value:
    """-1, 0 or 1; NaN if `a` is NaN."""
    zero = e.constant(0.0)
    below = e.b.select(e.b.fcmp_ordered("<", a, zero), e.constant(-1.0), a)
    return e.b.select(e.b.fcmp_ordered(">", a, zero), e.constant(1.0), below)


def positive(e: Emitter, a: ir.Value) -> ir.Value:
    """1 where a > 0, else 0: the derivative of relu."""
    return e.b.select(e.b.fcmp_ordered(">", a, e.constant(0.0)), e.constant(1.0), e.constant(0.0))


def share(e: Emitter, a: ir.Value, b: ir.Value) -> ir.Value:
    """1 where a > b, 1/2 where they are equal, 0 where a < b: the derivative of maximum; 1 where one is NaN."""
    tied = e.b.select(e.b.fcmp_ordered("==", a, b), e.constant(0.5), e.constant(1.0))
    return e.b.select(e.b.fcmp_ordered("<", a, b), e.constant(0.0), tied)


def greater(e: Emitter, a: ir.Value, b: ir.Value) -> ir.Value:
    """1 where a > b, else 0."""
    return e.b.select(e.b.fcmp_ordered(">", a, b), e.constant(1.0), e.constant(0.0))


def greater_equal(e: Emitter, a: ir.Value, b: ir.Value) -> ir.Value:
    """1 where a >= b, else 0."""
    return e.b.select(e.b.fcmp_ordered(">=", a, b), e.constant(1.0), e.constant(0.0))


def where(e: Emitter, condition: ir.Value, a: ir.Value, b: ir.Value) -> ir.Value:
    """The number of `a` where the condition is not 0, else that of `b`."""
    return e.b.select(e.b.fcmp_unordered("!=", condition, e.constant(0.0)), a, b)


def hard_sigmoid(e: Emitter, a: ir.Value) -> ir.Value:
    """(a + 3) / 6 between 0 and 1; NaN if `a` is NaN."""
    return e.b.fdiv(at_least(e, 0.0, at_most(e, 6.0, e.b.fadd(a, e.constant(3.0)))), e.constant(6.0))


def safe_divide(e: Emitter, a: ir.Value, b: ir.Value) -> ir.Value:
    """The quotient, and 0 where the divisor is too close to zero."""
    small = e.b.fcmp_ordered("<", absolute(e, b), e.constant(SMALLEST_DIVISOR))
    return e.b.select(small, e.constant(0.0), e.b.fdiv(a, b))


# exponentials


def exp(e: Emitter, a: ir.Value) -> ir.Value:
    """With a = 2 n log(2) + r: exp(r) * 2**n * 2**n, so that no factor leaves the range before the result does."""
    k = constants(e)
    n, r = reduce(e, at_least(e, k.least, at_most(e, k.most, a)), 2.0)
    half = power_of_two(e, n, 0)
    value = e.multiply_add(r, polynomial(e, r, k.wide), e.constant(1.0))
    return e.b.fmul(e.b.fmul(value, half), half)


def sigmoid(e: Emitter, a: ir.Value) -> ir.Value:
    """With a = n log(2) + r: 2**n / (2**n + 1 + (exp(-r) - 1)), accurate also where the result is close to 0."""
    k = constants(e)
    n, r = reduce(e, at_least(e, k.least, at_most(e, k.one, a)), 1.0)
    unit = math.ldexp(1.0, k.room)
    power = power_of_two(e, n, k.room)
    slope = polynomial(e, r, [-unit * c * (-1) ** degree for degree, c in enumerate(k.narrow)])
    return e.b.fdiv(power, e.b.fadd(e.multiply_add(r, slope, power), e.constant(unit)))


def tanh(e: Emitter, a: ir.Value) -> ir.Value:
    """With 2|a| = n log(2) + 2r and m = exp(2r) - 1: (m + 1 - 2**-n) / (m + 1 + 2**-n), and the sign put back.

    Close to zero n is 0, and the numerator is m itself: nothing cancels.
    """
    k = constants(e)
    n, r = reduce(e, at_most(e, k.one / 2, absolute(e, a)), 0.5)
    twice = power_of_two(e, n, 1, inverse=True)
    curve = polynomial(e, r, [math.ldexp(c, degree + 2) for degree, c in enumerate(k.narrow[1:])])
    line = e.multiply_add(r, e.constant(2.0), e.multiply_add(twice, e.constant(-0.5), e.constant(1.0)))
    above = e.multiply_add(e.b.fmul(r, r), curve, line)
    below = e.b.fadd(above, twice)
    return e.on_vectors("copysign", e.b.fdiv(above, below), a)


# logarithms


def _log1p(e: Emitter, f: ir.Value) -> ir.Value:
    """log(1 + f) = 2 atanh(s) with s = f / (2 + f), for f from sqrt(1/2) - 1 to 1.

    It is written f - s (f - s**2 R(s**2)), where the rounding of s weighs little (as in FreeBSD's e_log.c).
    """
    s = e.b.fdiv(f, e.b.fadd(f, e.constant(2.0)))
    z = e.b.fmul(s, s)
    rest = e.b.fsub(e.b.fmul(z, polynomial(e, z, constants(e).atanh)), f)
    return e.multiply_add(s, rest, f)


def log(e: Emitter, a: ir.Value) -> ir.Value:
    """The natural logarithm: a = 2**n (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)); -inf for 0, NaN for a < 0."""
    k = constants(e)
    b, step, infinity = e.b, k.mantissa + 1, e.constant(math.inf)
    subnormal = b.fcmp_ordered("<", a, e.constant(math.ldexp(1.0, 1 - k.bias)))
    bits = b.bitcast(b.select(subnormal, b.fmul(a, e.constant(math.ldexp(1.0, step))), a), e.integers)
    middle = e.whole(int(math.ldexp(k.bias - 2 + math.sqrt(2), k.mantissa)))
    n = b.ashr(b.sub(bits, middle), e.whole(k.mantissa))
    fraction = b.bitcast(b.sub(bits, b.shl(n, e.whole(k.mantissa))), e.vector)
    # To add an integer to the bits of the magic number adds it to its value.
    magic = int(math.ldexp(k.bias + k.mantissa + 0.5, k.mantissa))
    shift = b.select(subnormal, e.constant(k.magic + step), e.constant(k.magic))
    exponent = b.fsub(b.bitcast(b.add(n, e.whole(magic)), e.vector), shift)
    value = e.multiply_add(exponent, e.constant(math.log(2)), _log1p(e, b.fsub(fraction, e.constant(1.0))))
    value = b.select(b.fcmp_ordered("<", a, infinity), value, a)
    beyond = b.select(b.fcmp_ordered("==", a, e.constant(0.0)), e.constant(-math.inf), e.constant(math.nan))
    return b.select(b.fcmp_ordered("<=", a, e.constant(0.0)), beyond, value)


def softplus(e: Emitter, a: ir.Value) -> ir.Value:
    """log(1 + exp(a)) = max(a, 0) + log(1 + exp(-|a|)), in which nothing cancels or overflows."""
    k = constants(e)
    n, r = reduce(e, at_least(e, k.least, e.b.fneg(absolute(e, a))), 1.0)
    growth = e.multiply_add(e.b.fmul(r, r), polynomial(e, r, k.narrow[1:]), r)
    scaled = e.b.fmul(e.b.fadd(growth, e.constant(1.0)), power_of_two(e, n, k.room))
    return e.b.fadd(relu(e, a), _log1p(e, e.b.fmul(scaled, e.constant(math.ldexp(1.0, -k.room)))))


# powers


def power(e: Emitter, a: ir.Value, b: ir.Value) -> ir.Value:
    """exp(b log|a|), and a sign where `a` is negative and `b` whole and odd; NaN where it is not whole.

    It is computed in float64, where its relative error is |b log(a)| units in the last place.
    """
    one, half = e.constant(1.0), e.b.fmul(b, e.constant(0.5))
    whole = e.b.fcmp_ordered("==", floor(e, b), b)
    odd = e.b.and_(whole, e.b.fcmp_ordered("!=", floor(e, half), half))
    double, size, exponent = wide(e, absolute(e, a), b)
    value = narrow(e, exp(double, e.b.fmul(exponent, log(double, size))))
    value = e.b.select(e.b.fcmp_ordered("==", absolute(e, a), one), _unless_nan(e, b, one), value)
    value = e.b.select(odd, e.on_vectors("copysign", value, a), value)
    negative = e.b.and_(e.b.fcmp_ordered("<", a, e.constant(0.0)), e.b.fcmp_ordered(">", a, e.constant(-math.inf)))
    value = e.b.select(e.b.and_(negative, e.b.not_(whole)), e.constant(math.nan), value)
    always = e.b.or_(e.b.fcmp_ordered("==", b, e.constant(0.0)), e.b.fcmp_ordered("==", a, one))
    return e.b.select(always, one, value)


EMITTERS: dict[str, Callable[..., ir.Value]] = {
    "abs": absolute,
    "add": add,
    "cos": cos,
    "divide": divide,
    "exp": exp,
    "greater": greater,
    "greater_equal": greater_equal,
    "hard_sigmoid": hard_sigmoid,
    "log": log,
    "maximum": maximum,
    "minimum": minimum,
    "multiply": multiply,
    "negative": negative,
    "positive": positive,
    "pow": power,
    "relu": relu,
    "remainder": remainder,
    "safe_divide": safe_divide,
    "safe_sqrt": lambda e, a, bound: square_root(e, a),
    "share": share,
    "sigmoid": sigmoid,
    "sign": sign,
    "sin": sin,
    "softplus": softplus,
    "sqrt": square_root,
    "subtract": subtract,
    "tanh": tanh,
    "where": where,
}
"""The function `f(e, *args)` that emits each operation."""
