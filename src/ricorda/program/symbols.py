"""The language in which cells are written: symbols, their operators, and the functions of the operation table.

Inside a cell's function every variable is a `Symbol`. Each operation on symbols adds a line, a `Value`, to a tape.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from itertools import count
from numbers import Complex, Real
from types import CodeType, FrameType
from typing import Any, NoReturn

from ricorda.errors import CellError
from ricorda.program import initial
from ricorda.program.forms import canonical
from ricorda.program.ir import PROJECTION, Value, check_name, check_weights
from ricorda.program.operations import EXPAND, OPERATIONS, SCALAR, SizeMismatchError
from ricorda.program.refused import COMPLEX, Refusals
from ricorda.program.sizes import HIDDEN_SIZE, PROJECTED_SIZE, size_in_words, size_text


class Tape:
    """The lines of a program while it is being written.

    Parameters
    ----------
    code : the code of the cell's function

    Attributes
    ----------
    frame : the function's frame, from its first line on; its variables name the values
    bound : variable -> the indices of its values, in the order in which it was bound to them
    constants : indices of the lines that are made of constants alone
    delayed : input or state -> the state that has its value of the step before
    """

    def __init__(self, code: CodeType) -> None:
        self.values: list[Value] = []
        self.constants: set[int] = set()
        self.delayed: dict[int, Symbol] = {}
        self._expanded: dict[tuple[int, str], Symbol] = {}
        self.code = code
        self.frame: FrameType | None = None
        self.bound: dict[str, list[int]] = {}

    def write(self, value: Value) -> Symbol:
        """Add a line."""
        if value.op == "constant" or (value.op in OPERATIONS and self.constants.issuperset(value.args)):
            self.constants.add(len(self.values))
        self.values.append(value)
        if self.frame is None:
            self.frame = sys._getframe(1)
            while self.frame is not None and self.frame.f_code is not self.code:
                self.frame = self.frame.f_back
        self.note()
        return Symbol(self, len(self.values) - 1)

    def note(self) -> None:
        """Note what the function's variables are bound to; one may be bound to something else afterwards."""
        for name, symbol in self.frame.f_locals.items() if self.frame is not None else ():
            if isinstance(symbol, Symbol) and symbol.tape is self:
                indices = self.bound.setdefault(name, [])
                if symbol.index not in indices[-1:]:
                    indices.append(symbol.index)

    def symbol(self, operand: Any) -> Symbol:
        """The operand itself, or a constant for a number."""
        if isinstance(operand, Symbol):
            if operand.tape is not self:
                raise CellError("it uses a symbol of another cell's trace: use this cell's own arguments")
            return operand
        if isinstance(operand, Real):
            if not math.isfinite(operand):
                raise CellError(f"a cell's numbers are finite, and {operand!r} is not")
            return self.write(Value("constant", size=SCALAR, number=float(operand)))
        if isinstance(operand, Complex):
            raise CellError(COMPLEX)
        raise CellError(
            f"a cell computes with its input, its states, its parameters and numbers, not with {type(operand).__name__}"
        )

    def before(self, symbol: Symbol) -> Symbol:
        """The value that an input or a state had one step before: a state, which stands behind the cell's own."""
        if symbol.index not in self.delayed:
            name, steps = symbol.value.name, 1
            if symbol.index in {state.index for state in self.delayed.values()}:
                name, _, before = name.rpartition("_")
                steps += int(before)
            check_name("state", f"{name}_{steps}", self.values)
            earlier = Value("state", size=symbol.value.size, name=f"{name}_{steps}", number=symbol.value.number)
            state = self.write(earlier)  # Before its first step a state was what it begins with.
            self.delayed[symbol.index] = state
        return self.delayed[symbol.index]

    def expanded(self, symbol: Symbol, size: str) -> Symbol:
        """A row's one number for each unit of a size; any other symbol as it is."""
        if symbol.value.size != SCALAR or size == SCALAR or symbol.index in self.constants:
            return symbol
        if (symbol.index, size) not in self._expanded:
            self._expanded[symbol.index, size] = self.write(Value(EXPAND, (symbol.index,), size))
        return self._expanded[symbol.index, size]


TAPE: ContextVar[Tape | None] = ContextVar("ricorda_tape", default=None)


def _tape(caller: str) -> Tape:
    tape = TAPE.get()
    if tape is None:
        raise CellError(f"{caller} was called outside a cell: write it inside a function decorated with @cell")
    return tape


class Symbol(Refusals):
    """A vector of a cell: the input, a state, or what was computed from them."""

    __slots__ = ("index", "tape")

    def __init__(self, tape: Tape, index: int) -> None:
        self.tape = tape
        self.index = index

    @property
    def value(self) -> Value:
        """The line of the tape that this symbol stands for."""
        return self.tape.values[self.index]

    def __add__(self, other: Any) -> Symbol:
        return apply("add", self, other)

    def __radd__(self, other: Any) -> Symbol:
        return apply("add", other, self)

    def __sub__(self, other: Any) -> Symbol:
        return apply("subtract", self, other)

    def __rsub__(self, other: Any) -> Symbol:
        return apply("subtract", other, self)

    def __mul__(self, other: Any) -> Symbol:
        return apply("multiply", self, other)

    def __rmul__(self, other: Any) -> Symbol:
        return apply("multiply", other, self)

    def __truediv__(self, other: Any) -> Symbol:
        return apply("divide", self, other)

    def __rtruediv__(self, other: Any) -> Symbol:
        return apply("divide", other, self)

    def __mod__(self, other: Any) -> Symbol:
        return apply("remainder", self, other)

    def __rmod__(self, other: Any) -> Symbol:
        return apply("remainder", other, self)

    def __pow__(self, exponent: Any) -> Symbol:
        return _power(self, exponent)

    def __rpow__(self, base: Any) -> Symbol:
        return apply("pow", base, self)

    def __gt__(self, other: Any) -> Symbol:
        return apply("greater", self, other)

    def __ge__(self, other: Any) -> Symbol:
        return apply("greater_equal", self, other)

    def __lt__(self, other: Any) -> Symbol:
        return apply("greater", other, self)

    def __le__(self, other: Any) -> Symbol:
        return apply("greater_equal", other, self)

    def __neg__(self) -> Symbol:
        return apply("negative", self)

    def __abs__(self) -> Symbol:
        return apply("abs", self)

    def __bool__(self) -> NoReturn:
        raise CellError(
            "a cell's equations cannot branch on a value: write the choice as where(a > b, ...), maximum or minimum"
        )

    def __eq__(self, other: object) -> NoReturn:
        raise CellError("a cell's equations cannot ask whether values are equal: compare them with > >= < or <=")

    __ne__ = __eq__
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<{self.value.op} {self.value.name}>" if self.value.name else f"<{self.value.op}>"


def apply(op: str, *operands: Any) -> Symbol:
    """Add a pointwise operation to the tape."""
    tape = _tape(op)
    symbols = [tape.symbol(operand) for operand in operands]
    try:
        size = OPERATIONS[op].size([symbol.value.size for symbol in symbols])
    except SizeMismatchError as error:
        first, second, *_ = error.args
        raise CellError(
            f"a vector of {size_in_words(first)} cannot go with one of {size_in_words(second)}: bring one to the "
            "other's size with affine(...)"
        ) from None
    symbols = [tape.expanded(symbol, size) for symbol in symbols]
    return tape.write(Value(op, tuple(symbol.index for symbol in symbols), size))


_MOST_FACTORS = 64
"""Whole powers up to this one are products: they are faster than a power, and as exact."""


def _power(base: Symbol, exponent: Any) -> Symbol:
    """A power; roots and whole powers are written with simpler operations."""
    if isinstance(exponent, Real):
        number = float(exponent)
        if number == 0.5:
            return apply("sqrt", base)
        if number == -0.5 or (number.is_integer() and -_MOST_FACTORS <= number < 0):
            return 1 / _power(base, -number)
        if number.is_integer() and 0 <= number <= _MOST_FACTORS:
            return _product(base, int(number))
    return apply("pow", base, exponent)


def _product(base: Symbol, factors: int) -> Symbol:
    if factors == 0:
        return base.tape.symbol(1)
    if factors == 1:
        return base
    half = _product(base, factors // 2)
    return half * half * base if factors % 2 else half * half


def affine(
    name: str,
    *operands: Any,
    bias: bool = True,
    size: str | int = HIDDEN_SIZE,
    form: str | Mapping[str, str] = "",
    shared: bool = False,
    init: str | float | Mapping[str, object] = "",
) -> Symbol:
    """The sum of a matrix product for each operand, and a bias: `W_name [operands] + b_name`.

    Parameters
    ----------
    name : str
        Names the weights. The order of the affines in a cell is the order of the rows in the layer's parameters.
    *operands : symbols
        Vectors of any size: the input, states, or values computed from them.
    bias : bool
        Whether to add a bias. (A layer built with `bias=False` has none at all.)
    size : "H", "I" or int
        Numbers of the result: hidden_size, input_size, or so many. A single one goes with vectors of all sizes.
    form : str, or a mapping of "recurrent", "input" and "bias" to str
        How the recurrent matrices, those of all operands but the input, are made from a learned M: "skew(gamma)" is
        M - M^T - gamma I, "symmetric_mix(beta, gamma)" is (1 - beta) (M + M^T) + beta (M - M^T) - gamma I, "orthogonal"
        the exponential of M - M^T, "low_rank(rank)" a product of two matrices, and "block_diagonal(count)" so many
        blocks. "fixed" is for the whole affine, whose weights are then never trained. A mapping has a form for each
        part: the input's matrix can be fixed or of low rank, the bias fixed.
    shared : bool
        Whether to take the weights of the earlier affine of this name, whose operands have the same sizes.
    init : str, float, or a mapping of "recurrent", "input" and "bias" to those
        What a new layer's recurrent matrices start with, such as "orthogonal", or with a mapping each part. A number is
        that constant. What has none is drawn as the layer draws it. The texts are those of `docs/cells.md`.

    Returns
    -------
    Symbol
        A vector of that size.

    Raises
    ------
    CellError
        If the name is no identifier or taken, an operand is missing or no vector, or size, form or init unknown.
    """
    return _affine(name, *operands, bias=bias, size=size_text(size), form=form, shared=shared, init=init)


def projection(state: Symbol) -> Symbol:
    """The first state brought to proj_size numbers."""
    return _affine(PROJECTION, state, bias=False, size=PROJECTED_SIZE)


def _affine(
    name: str,
    *operands: Any,
    bias: bool,
    size: str,
    form: str | Mapping[str, str] = "",
    shared: bool = False,
    init: str | float | Mapping[str, object] = "",
) -> Symbol:
    tape = _tape("affine")
    first = next((value for value in tape.values if value.op == "affine" and value.name == name), None)
    shares, form = name if shared else "", canonical(form, affine=True)
    if shared:
        names = {value.name for value in tape.values}
        name = next(free for number in count(2) if (free := f"{name}_{number}") not in names)
        bias = bool(bias and first and first.bias)
    check_name("affine", name, tape.values)
    if not operands:
        raise CellError(f'affine("{name}") has nothing to multiply: give it the input, a state or both')
    symbols = [tape.symbol(operand) for operand in operands]
    if any(symbol.index in tape.constants for symbol in symbols):
        raise CellError(f'affine("{name}", ...) multiplies vectors, and one of its operands is a number')
    args = tuple(symbol.index for symbol in symbols)
    start = initial.canonical(init, affine=True)
    value = Value("affine", args, size, name, bias=bool(bias), form=form, shares=shares, init=start)
    check_weights(value, tape.values)
    return tape.write(value)


def parameter(name: str, *, size: str | int = HIDDEN_SIZE, form: str = "", init: str | float = "") -> Symbol:
    """A learned vector, such as the weights of a peephole.

    Parameters
    ----------
    name : str
        Its name in the layer's parameters.
    size : "H", "I" or int
        Its numbers: hidden_size, input_size, or so many.
    form : str
        "number" for one learned number, the same for all units; "clamp(low, high)" for numbers that are kept within
        bounds; "fixed" for numbers that are never trained.
    init : str or float
        What a new layer's numbers start with, such as "uniform(0, 1)" or "ramp(3, 6)"; a number is that constant.

    Raises
    ------
    CellError
        If the name is no identifier or taken, or size, form or init unknown.
    """
    tape = _tape("parameter")
    check_name("parameter", name, tape.values)
    form, start = canonical(form, affine=False), initial.canonical(init, affine=False)
    return tape.write(Value("parameter", size=size_text(size), name=name, form=form, init=start))


def sigmoid(a: Any) -> Symbol:
    """`1 / (1 + exp(-a))`."""
    return apply("sigmoid", a)


def tanh(a: Any) -> Symbol:
    """The hyperbolic tangent."""
    return apply("tanh", a)


def relu(a: Any) -> Symbol:
    """`maximum(a, 0)`."""
    return apply("relu", a)


def softplus(a: Any) -> Symbol:
    """`log(1 + exp(a))`."""
    return apply("softplus", a)


def exp(a: Any) -> Symbol:
    """The exponential function."""
    return apply("exp", a)


def log(a: Any) -> Symbol:
    """The natural logarithm."""
    return apply("log", a)


def sqrt(a: Any) -> Symbol:
    """The square root."""
    return apply("sqrt", a)


def maximum(a: Any, b: Any) -> Symbol:
    """The larger of each pair."""
    return apply("maximum", a, b)


def minimum(a: Any, b: Any) -> Symbol:
    """The smaller of each pair."""
    return apply("minimum", a, b)
