"""What the vector functions share: the constants of an element type, polynomials, limits, whole numbers, more bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import llvmlite.ir as ir

from ricorda.engines.cpu.words.emit import Emitter
from ricorda.engines.cpu.words.polynomials import DOUBLE, SINGLE, Constants


def constants(e: Emitter) -> Constants:
    """The constants of the emitter's element type."""
    return DOUBLE if e.double else SINGLE


def polynomial(e: Emitter, x: ir.Value, coefficients: Sequence[float]) -> ir.Value:
    """A polynomial by Horner's scheme; coefficients from the lowest degree up."""
    value = e.constant(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value = e.multiply_add(value, x, e.constant(coefficient))
    return value


def at_least(e: Emitter, low: float, a: ir.Value) -> ir.Value:
    """The larger of a number and `a`; NaN if `a` is NaN."""
    limit = e.constant(low)
    return e.b.select(e.b.fcmp_ordered(">", limit, a), limit, a)


def at_most(e: Emitter, high: float, a: ir.Value) -> ir.Value:
    """The smaller of a number and `a`; NaN if `a` is NaN."""
    limit = e.constant(high)
    return e.b.select(e.b.fcmp_ordered("<", limit, a), limit, a)


def absolute(e: Emitter, a: ir.Value) -> ir.Value:
    """The number without its sign."""
    return e.on_vectors("fabs", a)


def floor(e: Emitter, a: ir.Value) -> ir.Value:
    """The largest whole number that is not larger; SSE2 has no instruction for it."""
    size, limit = absolute(e, a), e.constant(2.0 ** constants(e).mantissa)  # From here on all numbers are whole.
    near = e.on_vectors("copysign", e.b.fsub(e.b.fadd(size, limit), limit), a)
    near = e.b.select(e.b.fcmp_ordered("<", size, limit), near, a)
    return e.b.select(e.b.fcmp_ordered(">", near, a), e.b.fsub(near, e.constant(1.0)), near)


def wide(e: Emitter, *values: ir.Value) -> tuple[Any, ...]:
    """An emitter of as many float64, and the values as such."""
    double = Emitter(e.b, "f64", e.lanes, e.fused)
    return double, *(value if e.double else e.b.fpext(value, double.vector) for value in values)


def narrow(e: Emitter, value: ir.Value) -> ir.Value:
    """A vector of float64 as one of the emitter's numbers."""
    return value if e.double else e.b.fptrunc(value, e.vector)
