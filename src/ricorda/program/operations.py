"""The operation table: a row for each operation, with everything that other files know about it.

To add an operation, add a row, and a function of its name to `symbols.py` if cells write it as a call.
`reference` gets the module `torch` as its first argument, so that reading this table does not import torch.
The last rows serve derivatives and layer normalisation; cells cannot use them.

Other files name operations, as cells do, and read everything else about one in its row. Only what writes code has a
table of its own: the CPU engine `EMITTERS`, with the vector code of each operation, and `export/to_onnx` its nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ricorda.program import simplify

SCALAR = "1"
"""The size of a number, which fits every other size."""

SMALLEST_DIVISOR = 1e-30
"""`safe_divide` gives 0 for divisors that are closer to zero: a float32 could hold little of what they give."""


EXPAND = "expand"
"""The operation that repeats a row's one number for all units of a size; `symbols.apply` writes it where they meet."""


class SizeMismatchError(Exception):
    """Two sizes do not fit together; `trace` turns this into a CellError with the user's expression."""


def pointwise(sizes: Sequence[str]) -> str:
    """The size of a pointwise result: all arguments but numbers must have the same size."""
    vectors = [size for size in sizes if size != SCALAR]
    if len(set(vectors)) > 1:
        raise SizeMismatchError(*vectors)
    return vectors[0] if vectors else SCALAR


@dataclass(frozen=True)
class Operation:
    """One row of the table.

    Parameters
    ----------
    arity : the number of arguments, 1 to 3
    reference : (torch, *arguments) -> the result, as torch computes it
    derivative : (gradient of the result, result, *arguments) -> the gradient of each argument. All are expressions
        (see `body.py`). Where the slope jumps it is torch's. If possible, a derivative uses the result rather than
        the arguments, since a backward pass has the result
    plain, latex : templates of its text, with `{0}`, `{1}` and `{2}` for the arguments
    binding : precedence of the text inside another expression (0 comparison, 1 sum, 2 product, 3 sign, 4 call)
    size : sizes of the arguments -> size of the result; raises SizeMismatchError
    terms : if the result is the sum of the arguments, the sign of each: (1, -1) for a - b
    factors : if the result is the product of the arguments, the power of each: (1, -1) for a / b
    bounds : least and greatest result of a squashing function; one with (0, 1) is a gate
    long : whether it is a long chain of instructions that wait for each other, such as a polynomial
    reduces : whether it reduces the units of a row to one number a row; all others are pointwise
    tame : for each place an argument at which value and slope are finite, None where any finite one will do; for
        operations that divide, or that leave the range of numbers
    simplify : (*arguments) -> a shorter expression with the same value, or None if there is none. It may differ
        for non-finite numbers and in the sign of a zero
    symbol : its label in pictures, if that is not its name
    """

    arity: int
    reference: Callable[..., Any]
    derivative: Callable[..., Sequence[Any]]
    plain: str
    latex: str
    binding: float = 4
    size: Callable[[Sequence[str]], str] = pointwise
    terms: tuple[int, ...] = ()
    factors: tuple[int, ...] = ()
    bounds: tuple[int, int] | None = None
    long: bool = False
    reduces: bool = False
    tame: tuple[float | None, ...] = ()
    simplify: Callable[..., Any] | None = None
    symbol: str = ""

    @property
    def commutes(self) -> bool:
        """Whether the arguments can be exchanged without changing a bit, as in a sum or a product."""
        return len(set(self.terms or self.factors)) == 1

    def inverts(self, place: int) -> bool:
        """Whether it uses the negative or the reciprocal of the argument at a place."""
        signs = self.terms or self.factors
        return bool(signs) and signs[place] == -1


def _call(
    name: str,
    derivative: Callable[..., Sequence[Any]],
    latex: str | None = None,
    reference: Callable[..., Any] | None = None,
    **more: Any,
) -> Operation:
    """A function of one argument that torch has under the same name."""
    return Operation(
        arity=1,
        reference=reference or (lambda torch, a: getattr(torch, name)(a)),
        derivative=derivative,
        plain=f"{name}({{0}})",
        latex=latex or rf"\{name}({{0}})",
        **more,
    )


def _operator(
    sign: str,
    latex: str,
    binding: int,
    reference: Callable[..., Any],
    derivative: Callable[..., Sequence[Any]],
    **more: Any,
) -> Operation:
    plain, latex = f"{{0}} {sign} {{1}}", f"{{0}} {latex} {{1}}"
    return Operation(2, reference, derivative, plain, latex, binding, **more)


def _pair(
    name: str,
    latex: str,
    derivative: Callable[..., Sequence[Any]],
    reference: Callable[..., Any] | None = None,
    **more: Any,
) -> Operation:
    """A function of two arguments that torch has under the same name."""
    reference = reference or (lambda torch, a, b: getattr(torch, name)(a, b))
    return Operation(2, reference, derivative, f"{name}({{0}}, {{1}})", latex, **more)


def _comparison(sign: str, latex: str, name: str) -> Operation:
    """1 where it holds, else 0; it does not hold for NaN."""
    reference = lambda torch, a, b: getattr(torch, name)(a, b).to(torch.result_type(a, b))  # noqa: E731
    return _operator(sign, latex, 0, reference, lambda g, y, a, b: (0, 0))


def _safe_sqrt(torch: Any, a: Any, bound: Any) -> Any:
    """The root's value with the slope min(1 / (2 sqrt(a)), bound), which is that of the root continued as a tangent."""
    least = 1 / (4 * bound * bound)
    continued = torch.sqrt(torch.maximum(a, least)) + bound * torch.minimum(a - least, torch.zeros_like(a))
    return continued + (torch.sqrt(a) - continued).detach()


def _safe_divide(torch: Any, a: Any, b: Any) -> Any:
    small = torch.abs(b) < SMALLEST_DIVISOR
    return torch.where(small, torch.zeros_like(b), a / torch.where(small, torch.ones_like(b), b))


OPERATIONS: dict[str, Operation] = {
    "add": _operator(
        "+",
        "+",
        1,
        lambda torch, a, b: a + b,
        lambda g, y, a, b: (g, g),
        terms=(1, 1),
        simplify=simplify.shorter_sum,
    ),
    "subtract": _operator(
        "-",
        "-",
        1,
        lambda torch, a, b: a - b,
        lambda g, y, a, b: (g, -g),
        terms=(1, -1),
        simplify=simplify.shorter_difference,
    ),
    "multiply": _operator(
        "*",
        r"\odot",
        2,
        lambda torch, a, b: a * b,
        lambda g, y, a, b: (g * b, g * a),
        factors=(1, 1),
        simplify=simplify.shorter_product,
    ),
    "divide": _operator(
        "/",
        r"\oslash",
        2,
        lambda torch, a, b: a / b,
        lambda g, y, a, b: (g / b, -(g / b * y)),
        factors=(1, -1),
        tame=(None, 1.0),
        simplify=simplify.shorter_quotient,
    ),
    "negative": Operation(
        1,
        lambda torch, a: -a,
        lambda g, y, a: (-g,),
        "-{0}",
        "-{0}",
        binding=3,
        terms=(-1,),
        simplify=simplify.shorter_negative,
    ),
    "sigmoid": _call(
        "sigmoid", lambda g, y, a: (g * y * (1 - y),), r"\sigma({0})", bounds=(0, 1), long=True, symbol="σ"
    ),
    "tanh": _call("tanh", lambda g, y, a: (g * (1 - y * y),), bounds=(-1, 1), long=True),
    "relu": _call("relu", lambda g, y, a: (g * y.apply("positive"),), r"\mathrm{{relu}}({0})"),
    # Beyond 40 softplus(a) is a to the last bit of a float64; torch's own threshold, 20, leaves an error of 2e-9.
    "softplus": _call(
        "softplus",
        lambda g, y, a: (g * a.apply("sigmoid"),),
        r"\mathrm{{softplus}}({0})",
        lambda torch, a: torch.nn.functional.softplus(a, threshold=40),
        long=True,
    ),
    "exp": _call("exp", lambda g, y, a: (g * y,), long=True, tame=(0.0,)),
    "log": _call("log", lambda g, y, a: (g / a,), long=True, tame=(1.0,)),
    "sqrt": _call("sqrt", lambda g, y, a: (g / (2 * y),), r"\sqrt{{{0}}}", tame=(1.0,)),
    "sin": _call("sin", lambda g, y, a: (g * a.apply("cos"),), long=True),
    "cos": _call("cos", lambda g, y, a: (-(g * a.apply("sin")),), long=True),
    "abs": _call("abs", lambda g, y, a: (g * a.apply("sign"),), r"\lvert {0} \rvert"),
    "sign": _call("sign", lambda g, y, a: (0,), r"\mathrm{{sign}}({0})"),
    "hard_sigmoid": _call(
        "hard_sigmoid",
        lambda g, y, a: (g * y.apply("positive") * (1 - y).apply("positive") / 6,),
        r"\mathrm{{hard\_sigmoid}}({0})",
        lambda torch, a: torch.nn.functional.relu6(a + 3) / 6,
        bounds=(0, 1),
    ),
    "maximum": _pair(
        "maximum", r"\max({0}, {1})", lambda g, y, a, b: (g * a.apply("share", b), g * b.apply("share", a))
    ),
    "minimum": _pair(
        "minimum", r"\min({0}, {1})", lambda g, y, a, b: (g * b.apply("share", a), g * a.apply("share", b))
    ),
    # As torch has it, the slope in b is 0 where a is 0. The slope in a is 0 where b is 0.
    "pow": Operation(
        2,
        lambda torch, a, b: torch.pow(a, b),
        lambda g, y, a, b: (
            g * b.apply("where", b * a.apply("pow", b - 1), 0),
            g * a.apply("where", y * a.apply("log"), 0),
        ),
        "{0}**{1}",
        "{0}^{{{1}}}",
        binding=3.5,
        long=True,
        tame=(1.0, None),
    ),
    # Its sign is that of b, as in Python. (a - y) / b is the whole number of times that b goes into a.
    "remainder": Operation(
        2,
        lambda torch, a, b: torch.remainder(a, b),
        lambda g, y, a, b: (g, -(g * ((a - y) / b))),
        "({0} % {1})",
        r"({0} \bmod {1})",
        binding=3.9,
        tame=(None, 1.0),
    ),
    "safe_divide": _pair(
        "safe_divide",
        r"\mathrm{{safe\_divide}}({0}, {1})",
        lambda g, y, a, b: (g.apply("safe_divide", b), -(g.apply("safe_divide", b) * y)),
        _safe_divide,
    ),
    "safe_sqrt": _pair(
        "safe_sqrt",
        r"\mathrm{{safe\_sqrt}}({0}, {1})",
        lambda g, y, a, bound: (g / (2 * y).apply("maximum", 1 / bound), 0),
        _safe_sqrt,
    ),
    "greater": _comparison(">", ">", "gt"),
    "greater_equal": _comparison(">=", r"\geq", "ge"),
    "where": Operation(
        3,
        lambda torch, condition, a, b: torch.where(condition != 0, a, b),
        lambda g, y, condition, a, b: (0, condition.apply("where", g, 0), condition.apply("where", 0, g)),
        "where({0}, {1}, {2})",
        r"\mathrm{{where}}({0}, {1}, {2})",
        simplify=simplify.shorter_choice,
    ),
    # Reductions give the same number to all units of a row. Sum and mean are their own transposes.
    "sum": _call(
        "sum",
        lambda g, y, a: (g.apply("sum"),),
        r"\mathrm{{sum}}({0})",
        lambda torch, a: a.sum(dim=-1, keepdim=True).expand_as(a),
        reduces=True,
        simplify=simplify.shorter_total,
    ),
    # Units that are equally large share the gradient, as in torch.amax.
    "largest": _call(
        "largest",
        lambda g, y, a: (g.apply("sum") * (a.apply("greater_equal", y) / a.apply("greater_equal", y).apply("sum")),),
        r"\mathrm{{largest}}({0})",
        lambda torch, a: a.amax(dim=-1, keepdim=True).expand_as(a),
        reduces=True,
    ),
    "mean": _call(
        "mean",
        lambda g, y, a: (g.apply("mean"),),
        r"\mathrm{{mean}}({0})",
        lambda torch, a: a.mean(dim=-1, keepdim=True).expand_as(a),
        reduces=True,
        simplify=simplify.shorter_mean,
    ),
    "variance": _call(
        "variance",
        lambda g, y, a: ((a - a.apply("mean")) * (2 * g.apply("mean")),),
        r"\mathrm{{variance}}({0})",
        lambda torch, a: (a - a.mean(dim=-1, keepdim=True)).square().mean(dim=-1, keepdim=True).expand_as(a),
        reduces=True,
    ),
    # It is 1 where a > 0, else 0.
    "positive": _call(
        "positive", lambda g, y, a: (0,), r"\mathrm{{positive}}({0})", lambda torch, a: torch.sign(torch.relu(a))
    ),
    # A row's one number, for each of its units: torch repeats it where it meets a vector.
    EXPAND: Operation(1, lambda torch, a: a, lambda g, y, a: (g,), "{0}", "{0}"),
    # The part of the gradient of maximum(a, b) that a gets: 1 where a > b, 1/2 where they are equal, else 0.
    "share": Operation(
        2,
        lambda torch, a, b: 0.5 * torch.sign(a - b) + 0.5,
        lambda g, y, a, b: (0, 0),
        "share({0}, {1})",
        r"\mathrm{{share}}({0}, {1})",
    ),
}

REDUCTIONS = tuple(name for name, row in OPERATIONS.items() if row.reduces)
"""Operations over the units of a row."""


def is_gate(op: str) -> bool:
    """Whether a line of a program squashes its argument to between 0 and 1."""
    return op in OPERATIONS and OPERATIONS[op].bounds == (0, 1)
