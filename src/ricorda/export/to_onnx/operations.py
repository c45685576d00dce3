"""The operation table as ONNX: a row for each operation, which adds its nodes to a graph.

ONNX has other rules for NaN in comparisons and extremes here and there; for numbers all rows compute what the table's
`reference` does.
"""

from __future__ import annotations

from collections.abc import Callable

from ricorda.export.to_onnx.graph import Graph
from ricorda.program.operations import EXPAND, SMALLEST_DIVISOR

Emitter = Callable[..., str]


def _remainder(g: Graph, a: str, b: str) -> str:
    """ONNX's has the sign of the dividend, ours that of the divisor."""
    rest = g.Mod(a, b, fmod=1)
    other_sign = g.Xor(g.Less(rest, 0.0), g.Less(b, 0.0))
    return g.Where(g.And(other_sign, _unequal(g, rest)), g.Add(rest, b), rest)


def _safe_divide(g: Graph, a: str, b: str) -> str:
    small = g.Less(g.Abs(b), SMALLEST_DIVISOR)
    return g.Where(small, 0.0, g.Div(a, g.Where(small, 1.0, b)))


def _variance(g: Graph, a: str) -> str:
    centred = g.Sub(a, g.ReduceMean(a, [-1]))
    return g.ReduceMean(g.Mul(centred, centred), [-1])


def _unequal(g: Graph, a: str) -> str:
    return g.Not(g.Equal(a, 0.0))


def _number(g: Graph, condition: str) -> str:
    return g.Cast(condition, to=g.type)


def _plain(operation: str) -> Emitter:
    return lambda g, *arguments: g.add(operation, *arguments)[0]


ONNX: dict[str, Emitter] = {
    "add": _plain("Add"),
    "subtract": _plain("Sub"),
    "multiply": _plain("Mul"),
    "divide": _plain("Div"),
    "negative": _plain("Neg"),
    "sigmoid": _plain("Sigmoid"),
    "tanh": _plain("Tanh"),
    "relu": _plain("Relu"),
    "softplus": _plain("Softplus"),
    "exp": _plain("Exp"),
    "log": _plain("Log"),
    "sqrt": _plain("Sqrt"),
    "sin": _plain("Sin"),
    "cos": _plain("Cos"),
    "abs": _plain("Abs"),
    "sign": _plain("Sign"),
    "maximum": _plain("Max"),
    "minimum": _plain("Min"),
    "pow": _plain("Pow"),
    "hard_sigmoid": lambda g, a: g.Div(g.Clip(g.Add(a, 3.0), 0.0, 6.0), 6.0),
    "remainder": _remainder,
    "safe_divide": _safe_divide,
    "safe_sqrt": lambda g, a, bound: g.Sqrt(a),  # The bound is of the slope.
    "greater": lambda g, a, b: _number(g, g.Greater(a, b)),
    "greater_equal": lambda g, a, b: _number(g, g.GreaterOrEqual(a, b)),
    "where": lambda g, condition, a, b: g.Where(_unequal(g, condition), a, b),
    "sum": lambda g, a: g.ReduceSum(a, [-1]),
    "largest": lambda g, a: g.ReduceMax(a, [-1]),
    "mean": lambda g, a: g.ReduceMean(a, [-1]),
    "variance": _variance,
    "positive": lambda g, a: _number(g, g.Greater(a, 0.0)),
    EXPAND: lambda g, a: a,  # Where a number meets vectors, ONNX repeats it.
    "share": lambda g, a, b: g.Add(g.Mul(g.Sign(g.Sub(a, b)), 0.5), 0.5),
}
"""Operation to a function of the graph and the arguments' names, which adds nodes and returns the result's name."""

ACCURATE: dict[str, Emitter] = {"sigmoid": lambda g, a: g.Div(1.0, g.Add(g.Exp(g.Neg(a)), 1.0))}
"""Rows for cells that divide by what they compute: ONNX Runtime's Sigmoid is 0 below -18, where it should be small."""

DIVIDING = ("divide", "safe_divide", "log")
"""Operations by which a small error of a small number becomes a large one."""
