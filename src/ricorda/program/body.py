"""A loop's body while it is being written: equal lines become one, and expressions are simplified."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ricorda.program.loop import Line
from ricorda.program.operations import OPERATIONS, REDUCTIONS, SCALAR


class Body:
    """The lines so far, no two of them equal."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._index: dict[Line, int] = {}
        self.row_numbers: set[int] = set()

    def write(self, line: Line) -> Expression:
        """The value of a line; an equal line is used again, and an operation on constants becomes a constant."""
        if line.op in OPERATIONS and all(self.lines[arg].op == "constant" for arg in line.args):
            return self.number(_evaluate(line.op, [self.lines[arg].number for arg in line.args]))
        if line.op in OPERATIONS and OPERATIONS[line.op].commutes:
            line = replace(line, args=tuple(sorted(line.args)))
        if line not in self._index:
            self._index[line] = len(self.lines)
            if is_row_number(line, self.row_numbers):
                self.row_numbers.add(len(self.lines))
            self.lines.append(line)
        return Expression(self, self._index[line])

    def number(self, number: float) -> Expression:
        """A constant."""
        return self.write(Line("constant", size=SCALAR, number=float(number)))

    def operation(self, op: str, *args: Expression) -> Expression:
        """An operation without simplification, as a forward pass needs it: 0 * inf is not 0."""
        size = OPERATIONS[op].size([arg.line.size for arg in args])
        return self.write(Line(op, tuple(arg.index for arg in args), size))

    def simplified(self, op: str, *args: Expression) -> Expression:
        """An operation, or a shorter expression that may differ in non-finite numbers and signs of zero only."""
        rule = OPERATIONS[op].simplify
        shorter: Expression | None = rule(*args) if rule else None
        return self.operation(op, *args) if shorter is None else shorter


@dataclass(frozen=True)
class Expression:
    """A line of a body, to compute with."""

    body: Body
    index: int

    @property
    def line(self) -> Line:
        """The line."""
        return self.body.lines[self.index]

    @property
    def args(self) -> list[Expression]:
        """The arguments of the line."""
        return [Expression(self.body, arg) for arg in self.line.args]

    def apply(self, op: str, *others: Any) -> Expression:
        """An operation with this as its first argument."""
        others = tuple(other if isinstance(other, Expression) else self.body.number(other) for other in others)
        return self.body.simplified(op, self, *others)

    def is_number(self, number: float) -> bool:
        """Whether it is this constant."""
        return self.line.op == "constant" and self.line.number == number

    @property
    def is_row_number(self) -> bool:
        """Whether it is the same for all units of a row."""
        return self.index in self.body.row_numbers

    def __add__(self, other: Any) -> Expression:
        return self.apply("add", other)

    def __sub__(self, other: Any) -> Expression:
        return self.apply("subtract", other)

    def __mul__(self, other: Any) -> Expression:
        return self.apply("multiply", other)

    def __truediv__(self, other: Any) -> Expression:
        return self.apply("divide", other)

    def __neg__(self) -> Expression:
        return self.apply("negative")

    def __radd__(self, other: float) -> Expression:
        return self.body.number(other) + self

    def __rsub__(self, other: float) -> Expression:
        return self.body.number(other) - self

    def __rtruediv__(self, other: float) -> Expression:
        return self.body.number(other) / self

    def __rmul__(self, other: float) -> Expression:
        return self.body.number(other) * self


def live(lines: Sequence[Line], roots: Iterable[int]) -> tuple[tuple[Line, ...], dict[int, int]]:
    """The lines that the roots are computed from, and the new index of each by its old one."""
    reached = set(roots)
    for index in reversed(range(len(lines))):
        if index in reached:
            reached.update(lines[index].args)
    moved = {old: new for new, old in enumerate(sorted(reached))}
    return tuple(replace(lines[old], args=tuple(moved[arg] for arg in lines[old].args)) for old in moved), moved


def is_row_number(line: Line, row_numbers: Collection[int]) -> bool:
    """Whether a line is the same for all units of a row; `row_numbers` are the earlier lines that are."""
    pointwise = line.op in OPERATIONS and all(arg in row_numbers for arg in line.args)
    return line.op == "constant" or line.op in REDUCTIONS or pointwise


def _evaluate(op: str, numbers: Sequence[float]) -> float:
    import torch  # Imported on use: reading a program does not need torch.

    arguments = [torch.tensor(number, dtype=torch.float64) for number in numbers]
    return float(OPERATIONS[op].reference(torch, *arguments))
