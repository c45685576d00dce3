"""The operation table: a row per pointwise operation, with all that any other file knows about it.

To add an operation, add a row, and a function of its name to `symbols.py` if it is written as a call.
`reference` gets the module `torch` as its first argument, so that reading this table does not import torch.
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


@dataclass(frozen=True)
class Operation:
    """One row of the table."""

    arity: int
    reference: Callable[..., Any]
    plain: str
    latex: str
    binding: int = 4
    size: Callable[[Sequence[str]], str] = pointwise


def _call(name: str, latex: str | None = None, reference: Callable[..., Any] | None = None) -> Operation:
    """A function of one argument that torch has under the same name."""
    return Operation(
        arity=1,
        reference=reference or (lambda torch, a: getattr(torch, name)(a)),
        plain=f"{name}({{0}})",
        latex=latex or rf"\{name}({{0}})",
    )


def _operator(sign: str, latex: str, binding: int, reference: Callable[..., Any]) -> Operation:
    return Operation(2, reference, f"{{0}} {sign} {{1}}", f"{{0}} {latex} {{1}}", binding)


OPERATIONS: dict[str, Operation] = {
    "add": _operator("+", "+", 1, lambda torch, a, b: a + b),
    "subtract": _operator("-", "-", 1, lambda torch, a, b: a - b),
    "multiply": _operator("*", r"\odot", 2, lambda torch, a, b: a * b),
    "divide": _operator("/", r"\oslash", 2, lambda torch, a, b: a / b),
    "negative": Operation(1, lambda torch, a: -a, "-{0}", "-{0}", binding=3),
    "sigmoid": _call("sigmoid", r"\sigma({0})"),
    "tanh": _call("tanh"),
    "relu": _call("relu", r"\mathrm{{relu}}({0})"),
    # beyond 40 softplus(a) is a to the last bit of a float64; torch's own threshold, 20, leaves an error of 2e-9
    "softplus": _call(
        "softplus", r"\mathrm{{softplus}}({0})", lambda torch, a: torch.nn.functional.softplus(a, threshold=40)
    ),
    "exp": _call("exp"),
    "log": _call("log"),
    "sqrt": _call("sqrt", r"\sqrt{{{0}}}"),
    "abs": _call("abs", r"\lvert {0} \rvert"),
    "maximum": Operation(2, lambda torch, a, b: torch.maximum(a, b), "maximum({0}, {1})", r"\max({0}, {1})"),
    "minimum": Operation(2, lambda torch, a, b: torch.minimum(a, b), "minimum({0}, {1})", r"\min({0}, {1})"),
}
