"""Cells that Hypothesis writes: their source in the language of cells, and its program."""

import re
from collections.abc import Callable, Collection
from typing import Any

from hypothesis import strategies as st

from ricorda.program import functions, symbols
from ricorda.program.ir import Program
from ricorda.program.trace import trace

Draw = Callable[[st.SearchStrategy[Any]], Any]

# what is undefined or grows without bound somewhere is kept where it is neither
UNARY = (
    "sigmoid({0})",
    "tanh({0})",
    "relu({0})",
    "softplus({0})",
    "exp(tanh({0}))",
    "log(abs({0}) + 1)",
    "sqrt(0.5 + abs({0}))",
    "abs({0})",
    "(-{0})",
    "sin({0})",
    "cos({0})",
    "hard_sigmoid({0})",
    "abs({0} % 2 - 1)",
    "sum(tanh({0}))",
    "mean({0})",
    "largest({0})",
    "softmax({0})",
    "log_sigmoid({0})",
    "(abs({0}) + 0.5) ** (-1.3)",
    "tanh({0}) ** 3",
    "safe_sqrt(0.01 + abs({0}))",
)
TWICE = ("(sign({0}) * {0})", "where({0} > 0, log(1 + {0}), {0} ** 2)", "where({0} > 0, exp(-{0}), 1 / (1 - {0}))")
"""What has its argument twice, which must not be an affine. Choices are continuous, as engines round differently."""
BINARY = (
    "({0} + {1})",
    "({0} - {1})",
    "({0} * {1})",
    "maximum({0}, {1})",
    "minimum({0}, {1})",
    "({0} / (1 + abs({1})))",
    "({0} / ((abs({1}) + 0.5) / (abs({0}) + 2)))",
    "({0} / (-((abs({1}) + 1) * 1.5)))",
    "((abs({0}) + 0.5) ** tanh({1}))",
    "abs({0} % (abs({1}) + 1) - (abs({1}) + 1) / 2)",
    "safe_divide({0}, abs({1}) + 0.5)",
    "where({0} > {1}, sqrt({0} - {1}) ** 3, 0)",
    "where({0} >= {1}, {0}, {1})",
)
SIGNS = {"add": " + ", "subtract": " - ", "multiply": " * ", "divide": " / ", "negative": "(-", "abs": "abs("}
SIGNS |= {"pow": " ** ", "remainder": " % ", "greater": " > ", "greater_equal": " >= "}
NUMBERS = ("2", "0.5", "(-0.25)", "3", "0.001", "tanh(0.5)", "(1 - tanh(2))")


def expressions(leaves: list[str], depth: int) -> st.SearchStrategy[str]:
    """Expressions of vectors of one size, at least one of which is in each."""
    if depth == 0:
        return st.sampled_from(leaves)
    inner = expressions(leaves, depth - 1)
    number = st.sampled_from(NUMBERS)
    return st.one_of(
        inner,
        st.builds(str.format, st.sampled_from(UNARY + TWICE), inner),
        st.builds(str.format, st.sampled_from(BINARY), inner, inner),
        st.builds(str.format, st.sampled_from(BINARY), inner, number),
        st.builds(str.format, st.sampled_from(BINARY), number, inner),
    )


@st.composite
def sources(draw: Draw, depth: int = 3) -> str:
    """The source of a cell: up to three states, affines of up to four operands, maybe an output that is no state."""
    states = ["h", "c", "n"][: draw(st.integers(1, 3))]
    learned = ["p"] if draw(st.booleans()) else []
    lines = [f'{name} = parameter("{name}")' for name in learned]
    vectors = [*states, *learned]
    moving = {"x", *states}
    gates = [f"v{number}" for number in range(draw(st.integers(1, 4)))]
    for gate in gates:
        operand = st.one_of(expressions(["x"], 2), expressions(vectors, 2))
        operands = draw(st.lists(operand, min_size=1, max_size=3))
        operands = ["x", *operands] if gate == gates[0] else operands
        bias = draw(st.sampled_from(["", "", ", bias=False"]))
        function = draw(st.sampled_from(["{0}", *UNARY]))
        lines.append(f"{gate} = " + function.format(f'affine("a{gate}", {", ".join(operands)}{bias})'))
        vectors.append(gate)
        if reads(lines[-1], moving):
            moving.add(gate)
    new = [f"tanh({' + '.join([*gates, *learned])} + {draw(expressions(vectors, depth))})"]
    for _ in states[1:]:
        new.append(draw(st.sampled_from(["tanh({0})", "sigmoid({0})"])).format(draw(expressions(vectors, depth))))
        if not reads(new[-1], moving):  # A state that is the same after every step is refused.
            new[-1] += f" + {gates[0]}"
    if draw(st.booleans()):
        lines.append(f"y = tanh({draw(st.sampled_from(states))}) * {draw(expressions(vectors, depth))}")
        new = ["y", *new]
    return "\n    ".join([f"def drawn(x, {', '.join(states)}):", *lines, f"return {', '.join(new)}", ""])


def reads(source: str, names: Collection[str]) -> bool:
    """Whether an expression has one of the names."""
    return not {*re.findall(r"\w+", source)}.isdisjoint(names)


def traced(source: str) -> Program:
    """The program of a cell's source."""
    language = {**vars(symbols), **vars(functions)}
    exec(source, language)
    return trace(language["drawn"], output="y" if "return y," in source else "")
