"""The operation table: a row per pointwise operation, with all that any other file knows about it.

To add an operation, add a row, and a function of its name to `symbols.py` if it is written as a call.
`reference` gets the module `torch` as its first argument, so that reading this table does not import torch.
`derivative` takes the gradient `g` of the result, the result `y` and the arguments to the gradient of each argument;
they are expressions (see `body.py`), and where the slope jumps it is torch's. What can be said in `y` is, since `y` is
what a pass backward has at hand. The last rows are there for derivatives and layer normalisation; cells cannot write
them. All are pointwise but the `REDUCTIONS`, which need the whole row.
In `plain` and `latex`, `{0}` and `{1}` are the arguments; `binding` says how tightly the result holds
together when it stands inside another expression (1 sum, 2 product, 3 sign, 4 call).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

SCALAR = "1"
"""Size of a number, which goes with every other size."""


class SizeMismatchError(Exception):
    """Two sizes that do not go together; `trace` turns it into a CellError with the user's expression."""


def pointwise(sizes: Sequence[str]) -> str:
    """The size of a pointwise result: all arguments have one size, numbers aside."""
    vectors = [size for size in sizes if size != SCALAR]
    if len(set(vectors)) > 1:
        raise SizeMismatchError(*vectors)
    return vectors[0] if vectors else SCALAR


REDUCTIONS = ("mean", "variance")
"""Operations over the units of a row: one number a row."""


@dataclass(frozen=True)
class Operation:
    """One row of the table."""

    arity: int
    reference: Callable[..., Any]
    derivative: Callable[..., Sequence[Any]]
    plain: str
    latex: str
    binding: int = 4
    size: Callable[[Sequence[str]], str] = pointwise


def _call(
    name: str,
    derivative: Callable[..., Sequence[Any]],
    latex: str | None = None,
    reference: Callable[..., Any] | None = None,
) -> Operation:
    """A function of one argument that torch has under the same name."""
    return Operation(
        arity=1,
        reference=reference or (lambda torch, a: getattr(torch, name)(a)),
        derivative=derivative,
        plain=f"{name}({{0}})",
        latex=latex or rf"\{name}({{0}})",
    )


def _operator(
    sign: str, latex: str, binding: int, reference: Callable[..., Any], derivative: Callable[..., Sequence[Any]]
) -> Operation:
    return Operation(2, reference, derivative, f"{{0}} {sign} {{1}}", f"{{0}} {latex} {{1}}", binding)


def _choice(name: str, latex: str, derivative: Callable[..., Sequence[Any]]) -> Operation:
    """A function of two arguments that torch has under the same name."""
    reference = lambda torch, a, b: getattr(torch, name)(a, b)  # noqa: E731
    return Operation(2, reference, derivative, f"{name}({{0}}, {{1}})", rf"\{latex}({{0}}, {{1}})")


OPERATIONS: dict[str, Operation] = {
    "add": _operator("+", "+", 1, lambda torch, a, b: a + b, lambda g, y, a, b: (g, g)),
    "subtract": _operator("-", "-", 1, lambda torch, a, b: a - b, lambda g, y, a, b: (g, -g)),
    "multiply": _operator("*", r"\odot", 2, lambda torch, a, b: a * b, lambda g, y, a, b: (g * b, g * a)),
    "divide": _operator("/", r"\oslash", 2, lambda torch, a, b: a / b, lambda g, y, a, b: (g / b, -(g / b * y))),
    "negative": Operation(1, lambda torch, a: -a, lambda g, y, a: (-g,), "-{0}", "-{0}", binding=3),
    "sigmoid": _call("sigmoid", lambda g, y, a: (g * y * (1 - y),), r"\sigma({0})"),
    "tanh": _call("tanh", lambda g, y, a: (g * (1 - y * y),)),
    "relu": _call("relu", lambda g, y, a: (g * y.apply("positive"),), r"\mathrm{{relu}}({0})"),
    # beyond 40 softplus(a) is a to the last bit of a float64; torch's own threshold, 20, leaves an error of 2e-9
    "softplus": _call(
        "softplus",
        lambda g, y, a: (g * a.apply("sigmoid"),),
        r"\mathrm{{softplus}}({0})",
        lambda torch, a: torch.nn.functional.softplus(a, threshold=40),
    ),
    "exp": _call("exp", lambda g, y, a: (g * y,)),
    "log": _call("log", lambda g, y, a: (g / a,)),
    "sqrt": _call("sqrt", lambda g, y, a: (g / (2 * y),), r"\sqrt{{{0}}}"),
    "abs": _call("abs", lambda g, y, a: (g * a.apply("sign"),), r"\lvert {0} \rvert"),
    "maximum": _choice("maximum", "max", lambda g, y, a, b: (g * a.apply("share", b), g * b.apply("share", a))),
    "minimum": _choice("minimum", "min", lambda g, y, a, b: (g * b.apply("share", a), g * a.apply("share", b))),
    # over the units, the same number for each of them; the mean is its own transpose
    "mean": _call(
        "mean",
        lambda g, y, a: (g.apply("mean"),),
        r"\mathrm{{mean}}({0})",
        lambda torch, a: a.mean(dim=-1, keepdim=True).expand_as(a),
    ),
    "variance": _call(
        "variance",
        lambda g, y, a: ((a - a.apply("mean")) * (2 * g.apply("mean")),),
        r"\mathrm{{variance}}({0})",
        lambda torch, a: (a - a.mean(dim=-1, keepdim=True)).square().mean(dim=-1, keepdim=True).expand_as(a),
    ),
    "sign": _call("sign", lambda g, y, a: (0,), r"\mathrm{{sign}}({0})"),
    # 1 where a > 0, else 0
    "positive": _call(
        "positive", lambda g, y, a: (0,), r"\mathrm{{positive}}({0})", lambda torch, a: torch.sign(torch.relu(a))
    ),
    # of the gradient of the maximum of a and b, what a gets: 1 where a > b, 1/2 where they are equal, else 0
    "share": Operation(
        2,
        lambda torch, a, b: 0.5 * torch.sign(a - b) + 0.5,
        lambda g, y, a, b: (0, 0),
        "share({0}, {1})",
        r"\mathrm{{share}}({0}, {1})",
    ),
}
