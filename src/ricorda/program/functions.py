"""Functions of the language of cells beyond the basic ones: waves, choice, sums over units, and what stays finite."""

from __future__ import annotations

from typing import Any

from ricorda.errors import CellError
from ricorda.program.operations import EXPAND, OPERATIONS, SCALAR
from ricorda.program.symbols import TAPE, Symbol, apply, exp, softplus

MOST_STEPS = 1_000
"""Of a delay; each is a state, which every step moves on."""


def sin(a: Any) -> Symbol:
    """The sine of an angle in radians."""
    return apply("sin", a)


def cos(a: Any) -> Symbol:
    """The cosine of an angle in radians."""
    return apply("cos", a)


def sign(a: Any) -> Symbol:
    """-1, 0 or 1; its gradient is 0."""
    return apply("sign", a)


def hard_sigmoid(a: Any) -> Symbol:
    """`a / 6 + 0.5`, not below 0 and not above 1, as torch has it; others take 0.2 in the place of 1 / 6."""
    return apply("hard_sigmoid", a)


def log_sigmoid(a: Any) -> Symbol:
    """`log(sigmoid(a))`, which stays finite where the sigmoid is 0."""
    return -softplus(apply("negative", a))


def safe_sqrt(a: Any, bound: float = 1000.0) -> Symbol:
    """The square root, whose slope `1 / (2 * sqrt(a))` is taken as `bound` where it is larger, as it is close to 0."""
    return apply("safe_sqrt", a, bound)


def safe_divide(a: Any, b: Any) -> Symbol:
    """`a / b`, and 0 with a gradient of 0 where b is closer to 0 than 1e-30."""
    return apply("safe_divide", a, b)


def where(condition: Any, a: Any, b: Any) -> Symbol:
    """The value of `a` where the condition holds, else that of `b`.

    What is not chosen reaches neither value nor gradient, even if it is infinite or NaN: quotients, roots, logarithms,
    powers and exponentials of `a` and `b` are computed of harmless numbers where they are not chosen. (That ends at an
    affine or a sum over units, which need all units.)

    Parameters
    ----------
    condition : symbol
        A comparison such as `h > 0`, which is 1 where it holds and 0 elsewhere, or any value: it holds where that is
        not 0. No gradient passes through it. The product of two conditions holds where both hold.
    a, b : symbols or numbers
        The values to choose from.
    """
    tape = TAPE.get()
    if tape is not None:
        condition, a, b = (tape.symbol(operand) for operand in (condition, a, b))
        a, b = _tamed(condition, a, True), _tamed(condition, b, False)
    return apply("where", condition, a, b)


def _tamed(condition: Symbol, branch: Symbol, first: bool) -> Symbol:
    """The branch with harmless arguments where it is not chosen: a gradient of 0 times an infinite slope is NaN."""
    tape = branch.tape
    reached, ahead = set[int](), [branch.index]
    while ahead:
        index = ahead.pop()
        row = OPERATIONS.get(tape.values[index].op)
        if index not in reached and row is not None and not row.reduces:
            reached.add(index)
            ahead.extend(tape.values[index].args)
    anew: dict[int, Symbol] = {}
    for index in sorted(reached):
        value = tape.values[index]
        args = [anew.get(arg, Symbol(tape, arg)) for arg in value.args]
        if value.op == EXPAND:  # Of a row's one number, which the condition may have made a vector.
            if value.args[0] in anew:
                anew[index] = tape.expanded(args[0], value.size)
            continue
        for place, harmless in enumerate(OPERATIONS[value.op].tame):
            if harmless is not None and args[place].index not in tape.constants:
                choice = (args[place], harmless) if first else (harmless, args[place])
                args[place] = apply("where", condition, *choice)
        if tuple(arg.index for arg in args) != value.args:
            anew[index] = apply(value.op, *args)
    return anew.get(branch.index, branch)


def delay(a: Any, steps: int) -> Symbol:
    """The value that the input or a state had so many steps before.

    At first it is zero, what the state begins with, or what the layer is given.

    Each step of it is a further state of the cell: `delay(h, 2)` adds `h_1` and `h_2`. The argument h of a cell is
    already the state that the previous step left: `delay(h, 2)` is the papers' h_{t-3}, and `delay(x, 1)` is x_{t-1}.
    """
    if not isinstance(a, Symbol) or a.value.op not in ("input", "state"):
        raise CellError("delay(...) takes the input or a state: make what is to be remembered a state of the cell")
    if type(steps) is not int or not 0 <= steps <= MOST_STEPS:
        raise CellError(f"the steps of delay(...) are a whole number from 0 to {MOST_STEPS}, not {steps!r}")
    before: Symbol = a
    for _ in range(steps):
        before = before.tape.before(before)
    return before


def sum(a: Any) -> Symbol:
    """The sum over the units of a row, for all of them."""
    return _over_units(apply("sum", a))


def mean(a: Any) -> Symbol:
    """The mean over the units of a row, for all of them."""
    return _over_units(apply("mean", a))


def largest(a: Any) -> Symbol:
    """The largest unit of a row, for all of them; those that are equally large share its gradient."""
    return _over_units(apply("largest", a))


def softmax(a: Any) -> Symbol:
    """`exp(a)` divided by its sum over the units of a row, at any size of `a`."""
    power = exp(apply("subtract", a, largest(a)))
    return power / sum(power)


def _over_units(reduction: Symbol) -> Symbol:
    if reduction.value.size == SCALAR:
        raise CellError(f"{reduction.value.op}(...) is taken over the units of a vector, and its argument is a number")
    return reduction
