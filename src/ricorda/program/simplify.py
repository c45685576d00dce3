"""The rules by which expressions of a loop's body become shorter; the operation table names them.

Each takes the arguments of an operation, as expressions, and gives a shorter expression with the same value, or None.
"""

from __future__ import annotations

from typing import Any


def _negated(a: Any) -> Any:
    """B if `a` is -b, else None."""
    return a.args[0] if a.line.op == "negative" else None


def shorter_sum(a: Any, b: Any) -> Any:
    """A shorter a + b."""
    if a.is_number(0):
        return b
    if b.is_number(0):
        return a
    if (minus := _negated(b)) is not None:
        return a - minus
    if (minus := _negated(a)) is not None:
        return b - minus
    return None


def shorter_difference(a: Any, b: Any) -> Any:
    """A shorter a - b."""
    if b.is_number(0):
        return a
    if a.is_number(0):
        return -b
    if (minus := _negated(b)) is not None:
        return a + minus
    return None


def shorter_product(a: Any, b: Any) -> Any:
    """A shorter a * b."""
    for one, other in ((a, b), (b, a)):
        if one.is_number(0):
            return one
        if one.is_number(1):
            return other
        if one.is_number(-1):
            return -other
        if (minus := _negated(one)) is not None:
            return -(minus * other)
    return None


def shorter_quotient(a: Any, b: Any) -> Any:
    """A shorter a / b."""
    if a.is_number(0) or b.is_number(1):
        return a
    if b.is_number(-1):
        return -a
    if (minus := _negated(a)) is not None:
        return -(minus / b)
    if (minus := _negated(b)) is not None:
        return -(a / minus)
    return None


def shorter_negative(a: Any) -> Any:
    """A shorter -a."""
    if a.line.op == "subtract":
        first, second = a.args
        return second - first
    return _negated(a)


def shorter_mean(a: Any) -> Any:
    """The mean of what is the same for all units is that; see `_reduction`."""
    return a if a.is_row_number else _reduction("mean", a)


def shorter_total(a: Any) -> Any:
    """A shorter sum over the units; see `_reduction`."""
    return _reduction("sum", a)


def _reduction(name: str, a: Any) -> Any:
    """A sign or a factor that all units share is taken out."""
    if (minus := _negated(a)) is not None:
        return -minus.apply(name)
    if a.line.op in ("multiply", "divide"):
        first, second = a.args
        if second.is_row_number and not first.is_row_number:
            return first.apply(name).apply(a.line.op, second)
        if first.is_row_number and a.line.op == "multiply":
            return first * second.apply(name)
    return None


def shorter_choice(condition: Any, a: Any, b: Any) -> Any:
    """A choice whose condition is known, or whose two values are one."""
    if condition.line.op == "constant":
        return b if condition.is_number(0) else a
    return a if a == b else None
