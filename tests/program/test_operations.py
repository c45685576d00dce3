"""Each row of the operation table: value, derivatives, how it is written; and that a row is all there is to add."""

import ast
import math
import re
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

import ricorda
from ricorda import affine, cell, equations, tanh
from ricorda.nn import Recurrent
from ricorda.program import functions, symbols
from ricorda.program.body import Body, Expression
from ricorda.program.ir import Program
from ricorda.program.loop import Line
from ricorda.program.operations import OPERATIONS, REDUCTIONS, SCALAR, Operation, SizeMismatchError, pointwise

D = torch.float64

# what the operation's name says, one number at a time, by Python's own arithmetic
MEANING: dict[str, Callable[..., float]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "negative": lambda a: -a,
    "sigmoid": lambda a: 1 / (1 + math.exp(-a)),
    "tanh": math.tanh,
    "relu": lambda a: max(a, 0.0),
    "softplus": lambda a: max(a, 0.0) + math.log1p(math.exp(-abs(a))),
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "abs": abs,
    "maximum": max,
    "minimum": min,
    "mean": lambda a: a,  # of one number
    "variance": lambda a: 0.0,
    "sin": math.sin,
    "cos": math.cos,
    "hard_sigmoid": lambda a: min(max(a / 6 + 0.5, 0.0), 1.0),
    "pow": lambda a, b: a**b,
    "remainder": lambda a, b: a % b,
    "greater": lambda a, b: float(a > b),
    "greater_equal": lambda a, b: float(a >= b),
    "where": lambda condition, a, b: a if condition else b,
    "safe_divide": lambda a, b: a / b if abs(b) > 1e-30 else 0.0,
    "safe_sqrt": lambda a, bound: math.sqrt(a),
    "sum": lambda a: a,  # of one number
    "largest": lambda a: a,
    "sign": lambda a: float((a > 0) - (a < 0)),
    "expand": lambda a: a,  # by torch, where it meets a vector
    "positive": lambda a: float(a > 0),
    "share": lambda a, b: (a > b) + 0.5 * (a == b),
}
OPERATORS = {
    "add": "a + b",
    "subtract": "a - b",
    "multiply": "a * b",
    "divide": "a / b",
    "negative": "-a",
    "abs": "abs(a)",
    "pow": "a ** b",
    "remainder": "a % b",
    "greater": "a > b",
    "greater_equal": "a >= b",
}
POSITIVE = {"log", "sqrt", "pow", "safe_sqrt"}
COMPARISONS = {"greater", "greater_equal"}
EXTREME = [-700.0, -50.0, -30.0, 19.0, 21.0, 30.0, 39.0, 41.0, 700.0]


def numbers(name: str) -> list[torch.Tensor]:
    """Arguments away from the places where a derivative jumps."""
    generator = torch.Generator().manual_seed(3)
    draws = [torch.randn(40, dtype=D, generator=generator) for _ in range(OPERATIONS[name].arity)]
    draws = [draw.abs() + 0.1 if name in POSITIVE else draw + 0.01 * draw.sign() for draw in draws]
    if name == "where":
        draws[0] = (draws[0] > 0).to(D)  # A condition is compared with 0, so nothing is close to it.
    if name == "safe_sqrt":
        draws[1] += 10
    return draws


def test_every_operation_has_a_meaning_here() -> None:
    assert set(MEANING) == set(OPERATIONS)


def test_a_mean_is_that_of_a_row_s_units() -> None:
    rows = torch.tensor([[1.0, 2.0, 6.0], [0.0, -1.0, -2.0]], dtype=D)
    expected = torch.tensor([[3.0, 3.0, 3.0], [-1.0, -1.0, -1.0]], dtype=D)
    assert torch.equal(OPERATIONS["mean"].reference(torch, rows), expected)


def test_a_sum_and_the_largest_are_those_of_a_row_s_units() -> None:
    rows = torch.tensor([[1.0, 2.0, 6.0], [0.0, -1.0, -2.0]], dtype=D)
    assert torch.equal(OPERATIONS["sum"].reference(torch, rows), torch.tensor([[9.0] * 3, [-3.0] * 3], dtype=D))
    assert torch.equal(OPERATIONS["largest"].reference(torch, rows), torch.tensor([[6.0] * 3, [0.0] * 3], dtype=D))


def test_a_variance_is_that_of_a_row_s_units() -> None:
    rows = torch.tensor([[1.0, 2.0, 6.0], [0.0, -1.0, -2.0]], dtype=D)
    expected = torch.tensor([[14.0] * 3, [2.0] * 3], dtype=D) / 3
    torch.testing.assert_close(OPERATIONS["variance"].reference(torch, rows), expected, atol=0.0, rtol=1e-15)


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {*REDUCTIONS}))
def test_an_operation_is_what_its_name_says(name: str) -> None:
    arguments = numbers(name)
    expected = [MEANING[name](*values) for values in zip(*(each.tolist() for each in arguments), strict=True)]
    result = OPERATIONS[name].reference(torch, *arguments)
    torch.testing.assert_close(result, torch.tensor(expected, dtype=D), atol=0.0, rtol=1e-15)


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "softplus"])
def test_a_squashing_operation_is_exact_far_out(name: str) -> None:
    arguments = torch.tensor(EXTREME, dtype=D)
    expected = torch.tensor([MEANING[name](value) for value in EXTREME], dtype=D)
    torch.testing.assert_close(OPERATIONS[name].reference(torch, arguments), expected, atol=0.0, rtol=1e-15)
    slope = torch.autograd.functional.jacobian(lambda a: OPERATIONS[name].reference(torch, a).sum(), arguments)
    assert slope.isfinite().all()


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_s_derivatives_are_those_of_finite_differences(name: str) -> None:
    arguments = [each.requires_grad_() for each in numbers(name)]
    run = lambda *values: OPERATIONS[name].reference(torch, *values)  # noqa: E731
    if name in COMPARISONS:  # Their results have no gradient, which torch takes for zero.
        assert not run(*arguments).requires_grad
        assert torch.equal(run(arguments[0] + 1e-6, arguments[1]), run(*arguments))
        return
    assert gradcheck(run, arguments)
    assert gradgradcheck(run, arguments)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_s_text_evaluates_to_its_value(name: str) -> None:
    arguments = numbers(name)
    scope: dict[str, Any] = {letter: each[0].item() for letter, each in zip("abc", arguments, strict=False)} | MEANING
    value = eval(OPERATIONS[name].plain.format("a", "b", "c"), scope)
    assert value == MEANING[name](*(each[0].item() for each in arguments))


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_takes_numbers_and_tensors_of_every_dtype(name: str) -> None:
    for dtype in (torch.bfloat16, torch.float16, torch.float32, torch.float64):
        arguments = [each.to(dtype) for each in numbers(name)]
        arguments[-1] = arguments[-1][0]  # a number of the program has no dimension
        assert OPERATIONS[name].reference(torch, *arguments).dtype == dtype


LANGUAGE = {**vars(symbols), **vars(functions)}


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name in OPERATORS or name in LANGUAGE])
def test_an_operation_can_be_written_in_a_cell(name: str) -> None:
    function = ", ".join("abc"[: OPERATIONS[name].arity])
    expression = OPERATORS.get(name, f"{name}({function})")

    @cell
    def uses(x, h):
        a, b, c = affine("a", h, x), affine("b", x), affine("c", x)
        used = eval(expression, {**LANGUAGE, "a": a, "b": b, "c": c})
        return used + a + b + c

    program = uses.program
    line = program.values[dict(program.names)["used"]]
    assert line.op == name
    assert [program.values[arg].name for arg in line.args] == ["a", "b", "c"][: OPERATIONS[name].arity]


def test_the_language_s_functions_are_public() -> None:
    assert {name for name in OPERATIONS if name in LANGUAGE} <= set(ricorda.__all__)
    made_of_others = {"delay", "log_sigmoid", "softmax"}
    assert {name for name in OPERATIONS if name in LANGUAGE} | made_of_others >= {
        name for name, function in vars(functions).items() if getattr(function, "__module__", "") == functions.__name__
    } - {"_tamed", "_over_units"}


@pytest.mark.parametrize(("expression", "name"), [("2 + h", "add"), ("2 - h", "subtract"), ("2 * h", "multiply")])
def test_a_number_may_stand_on_either_side(expression: str, name: str) -> None:
    @cell
    def uses(x, h):
        used = eval(expression, {"h": h})
        return used + affine("h", x)

    line = uses.program.values[dict(uses.program.names)["used"]]
    number, state = (uses.program.values[arg] for arg in line.args)
    assert (line.op, number.op, number.number, state.op) == (name, "constant", 2.0, "state")


def test_numbers_of_numpy_and_of_fractions_are_numbers() -> None:
    from fractions import Fraction

    import numpy as np

    @cell
    def uses(x, h):
        return np.float32(0.5) * h + np.int64(3) * h + Fraction(1, 4) * h + np.float64(2) * tanh(affine("h", x))

    found = [value.number for value in uses.program.values if value.op == "constant"]
    assert found == [0.5, 3.0, 0.25, 2.0]


def test_a_number_is_no_vector_and_has_no_name() -> None:
    @cell
    def uses(x, h):
        number = symbols.exp(0.5) / 2
        kept = number * h
        return kept + affine("h", x)

    assert {name for name, _ in uses.program.names} == {"kept", "h", "z_h"}
    assert equations(uses.program)[0] == "kept_t = exp(0.5) / 2 * h_{t-1}"


def test_pointwise_sizes_agree_and_numbers_go_with_all() -> None:
    assert pointwise(["H", "H"]) == "H"
    assert pointwise(["I", SCALAR]) == "I"
    assert pointwise([SCALAR, SCALAR]) == SCALAR
    with pytest.raises(SizeMismatchError):
        pointwise(["I", "H"])


def test_a_new_row_is_all_that_a_new_operation_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Operation(1, lambda torch, a: torch.sinh(a), lambda g, y, a: (g * (1 + y * y),), "sinh({0})", r"\sinh({0})")
    monkeypatch.setitem(OPERATIONS, "sinh", row)

    @cell
    def rises(x, h):
        return symbols.apply("sinh", affine("h", h, x))

    program = rises.program
    assert equations(program) == ["h_t = sinh(W_h [h_{t-1}, x_t] + b_h)"]
    assert equations(program, "latex") == [r"h_{t} = \sinh(W_{h} \, [h_{t-1}, x_{t}] + b_{h})"]
    assert Program.from_json(program.to_json()) == program
    layer = Recurrent(rises, 3, 4)
    x = torch.randn(1, 3)
    expected = torch.sinh(x @ layer.weight_ih_l0.T + layer.bias_ih_l0 + layer.bias_hh_l0)
    torch.testing.assert_close(layer(x)[0], expected)


def test_terms_and_factors_say_what_a_row_computes() -> None:
    for name, row in OPERATIONS.items():
        arguments = numbers(name)
        result = row.reference(torch, *arguments)
        if row.terms:
            expected = sum(sign * each for sign, each in zip(row.terms, arguments, strict=True))
            assert torch.equal(result, torch.as_tensor(expected))
        if row.factors:
            powers = [each**power for power, each in zip(row.factors, arguments, strict=True)]
            torch.testing.assert_close(result, torch.stack(powers).prod(0), atol=0.0, rtol=1e-15)
        assert not (row.terms and row.factors)
    assert {name for name, row in OPERATIONS.items() if row.terms} == {"add", "subtract", "negative"}
    assert {name for name, row in OPERATIONS.items() if row.factors} == {"multiply", "divide"}


def test_a_squashing_function_comes_up_to_its_bounds_and_not_beyond() -> None:
    bounded = {name: row.bounds for name, row in OPERATIONS.items() if row.bounds is not None}
    assert bounded == {"sigmoid": (0, 1), "hard_sigmoid": (0, 1), "tanh": (-1, 1)}
    for name, (least, greatest) in bounded.items():
        results = OPERATIONS[name].reference(torch, torch.tensor([-700.0, *EXTREME, 700.0], dtype=D))
        assert (results >= least).all()
        assert (results <= greatest).all()
        torch.testing.assert_close(results[[0, -1]], torch.tensor([least, greatest], dtype=D), atol=1e-15, rtol=0.0)


def test_the_reductions_are_the_rows_that_mix_units() -> None:
    def mixes(name: str) -> bool:
        rows = torch.tensor([[1.0, 2.0, 6.0]], dtype=D)
        changed = torch.tensor([[1.0, 2.0, 7.0]], dtype=D)
        before, after = (
            OPERATIONS[name].reference(torch, *[each] * OPERATIONS[name].arity) for each in (rows, changed)
        )
        return not torch.equal(before[:, :2], after[:, :2])

    assert {name for name in OPERATIONS if mixes(name)} == set(REDUCTIONS)


@pytest.mark.parametrize("name", [name for name, row in OPERATIONS.items() if row.simplify])
def test_a_simpler_expression_has_the_same_value(name: str) -> None:
    """Of vectors, their negatives, differences and numbers, in every combination."""
    generator = torch.Generator().manual_seed(4)
    vectors = {key: torch.randn(5, dtype=D, generator=generator) for key in ("a", "b")}

    def operands(body: Body) -> dict[str, Expression]:
        a, b = (body.write(Line("vector", name=key)) for key in vectors)
        difference = body.operation("subtract", a, b)
        return {
            **{key: body.number(number) for key, number in (("0", 0), ("1", 1), ("-1", -1), ("3", 3))},
            **{"a": a, "b": b, "-a": body.operation("negative", a), "a - b": difference},
            **{"3 * a": body.operation("multiply", body.number(3), a), "a / 3": a / 3, "a * b": a * b},
        }

    def value(expression: Expression) -> torch.Tensor:
        line = expression.line
        if line.op == "constant":
            return torch.full((5,), line.number, dtype=D)
        if line.op == "vector":
            return vectors[line.name]
        return torch.as_tensor(OPERATIONS[line.op].reference(torch, *map(value, expression.args)))

    shorter = 0
    for names in product(operands(Body()), repeat=OPERATIONS[name].arity):
        if name == "divide" and names[1] == "0":
            continue
        body = Body()
        known = operands(body)
        plain = body.operation(name, *(known[key] for key in names))
        simple = body.simplified(name, *(known[key] for key in names))
        torch.testing.assert_close(value(simple), value(plain), atol=1e-15, rtol=1e-14)
        shorter += simple != plain
    assert shorter


WRITERS = ("apply", "write", "operation", "simplified")
"""Methods and functions that write an operation, whose first argument is its name."""

TABLES = {
    "__init__.py": "the public names of the package",
    "program/operations.py": "the table itself",
    "program/text.py": "Python's own abs, which the text of a cell may call",
    "program/simplify.py": "the rules by which the table's operations become shorter",
    "engines/cpu/words/mathematics.py": "the CPU engine's own table: the vector code of each operation",
    "export/to_onnx/operations.py": "the same for ONNX: the nodes of each operation",
    "export/to_c/mathematics.py": "the same for C: a function of each operation",
    "export/to_wasm/code.py": "the same for the reductions in WebAssembly",
    "export/to_wasm/program.py": "what a task's scores go through: exp of a softmax, sigmoid",
    "export/to_wasm/forecast.py": "what a forecaster's numbers go through: exp of a GELU, softplus of a deviation",
    "engines/cpu/kernels/stage.py": "the same for the reductions, which are loops over a row's units",
}
"""Files that name operations, and why."""

OTHER_MEANINGS = {
    "add": "an atomic addition in engines/cpu/kernels/team.py",
    "log": "matplotlib's logarithmic axes",
    "minimum": "JSON Schema's least number",
    "negative": "the colour in which the page's buttons stop something",
    "mean": "pooling over the steps, and means of data in model folders and tables",
    "relu": "the argument `nonlinearity` of torch.nn.RNN",
    "share": "a share in data and results",
    "sqrt": "the argument `checkpoint` of a layer",
    "sum": "the argument `reduction` of torch's losses",
    "tanh": "the argument `nonlinearity` of torch.nn.RNN",
}
"""Words that are operations' names and, in files that ask no line for its operation, something else."""


def named_operations(code: str, inside: bool = True) -> Iterator[tuple[int, str]]:
    """Line and name of each operation that code knows by its name, not counting those that it only writes.

    Parameters
    ----------
    inside : whether it reads programs, so that a name has no other meaning
    """
    tree = ast.parse(code)
    written = {
        id(call.args[0])
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and call.args
        and getattr(call.func, "attr", getattr(call.func, "id", "")) in WRITERS
    }
    known = OPERATIONS.keys() if inside else OPERATIONS.keys() - OTHER_MEANINGS.keys()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in known and id(node) not in written:
            yield node.lineno, str(node.value)


SOURCE = Path(ricorda.__file__).parent


def reads_programs(path: Path) -> bool:
    """Whether a file belongs to `program/` or asks a line for its operation."""
    return path.is_relative_to(SOURCE / "program") or re.search(r"\.op\b", path.read_text(encoding="utf-8")) is not None


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_knows_of_an_operation_what_its_row_says(path: Path) -> None:
    """It asks a row, and does not compare names: so a new row is all there is to add."""
    name = path.relative_to(SOURCE).as_posix()
    found = list(named_operations(path.read_text(encoding="utf-8"), inside=reads_programs(path)))
    if name in TABLES:
        assert found, f"{name} names no operation: take it off the list"
    else:
        assert found == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('if line.op == "add": pass', ["add"]),
        ('LONG = ("exp", "tanh")', ["exp", "tanh"]),
        ('match op:\n    case "multiply": pass', ["multiply"]),
        ('COLOURS = {"sigmoid": 1}', ["sigmoid"]),
        ('body.operation("add", a, b)', []),
        ('a.apply("mean")', []),
        ('copy.write("subtract", "add")', ["add"]),
        ('value.op == "affine"', []),
        ('"""The sum: add."""', []),
    ],
)
def test_the_scan_for_operations_tells_right_from_wrong(code: str, found: list[str]) -> None:
    assert [name for _, name in named_operations(code)] == found
