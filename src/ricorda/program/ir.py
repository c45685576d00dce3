"""The traced program of a cell: one step in SSA form, plain data that can be compared, hashed and saved."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from ricorda.errors import CellError
from ricorda.program.operations import OPERATIONS, SCALAR, SizeMismatchError

INPUT_SIZE, HIDDEN_SIZE, PROJECTED_SIZE = "I", "H", "P"
SIZE_NAMES = {INPUT_SIZE: "input_size", HIDDEN_SIZE: "hidden_size", PROJECTED_SIZE: "proj_size"}

LEAVES = ("input", "state", "parameter", "constant")


@dataclass(frozen=True)
class Value:
    """One line of a program.

    Parameters
    ----------
    op : {"input", "state", "parameter", "constant", "affine"} or a row of the operation table
    args : earlier values, by index
    size : "I", "H" or "P" for vectors of input_size, hidden_size or proj_size numbers a row, "1" for a number
    name : of an input, state, parameter or affine
    number : of a constant
    bias : whether an affine adds one
    """

    op: str
    args: tuple[int, ...] = ()
    size: str = HIDDEN_SIZE
    name: str = ""
    number: float = 0.0
    bias: bool = True


@dataclass(frozen=True)
class Program:
    """One step of a cell.

    Parameters
    ----------
    name : the cell's
    values : the lines, in the order of computation; the first is the input, the states follow
    outputs : index of each state's new value, in the order of the states; the first is the layer's output
    names : (name, index) of every value that has one: the cell's own variables, the new states, and `z_<affine>`
        for the pre-activation that an affine gives
    forget_gate : name of the affine whose sigmoid says how much of the state is kept, if there is one
    """

    name: str
    values: tuple[Value, ...]
    outputs: tuple[int, ...]
    names: tuple[tuple[str, int], ...]
    forget_gate: str | None = None

    @cached_property
    def states(self) -> tuple[Value, ...]:
        """The states as they enter the step."""
        return tuple(value for value in self.values if value.op == "state")

    @cached_property
    def affines(self) -> tuple[int, ...]:
        """Indices of the matrix products, in the cell's order, which is the order of the weights' rows."""
        return tuple(index for index, value in enumerate(self.values) if value.op == "affine")

    @property
    def projected(self) -> bool:
        """Whether the first state is projected to proj_size."""
        return self.states[0].size == PROJECTED_SIZE

    def to_json(self) -> dict[str, Any]:
        """The program as numbers, strings, lists and dictionaries.

        Fields at their default are left out; `from_json` is the way back.
        """
        defaults = asdict(Value(op=""))
        lines = []
        for value in self.values:
            fields = asdict(value)
            lines.append({key: fields[key] for key in fields if fields[key] != defaults[key]})
        return {
            "name": self.name,
            "values": lines,
            "outputs": list(self.outputs),
            "names": dict(self.names),
            "forget_gate": self.forget_gate,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Program:
        """A program from `to_json`'s result.

        Raises
        ------
        CellError
            If it is not one: the data may come from anywhere, so every line is checked.
        """
        try:
            values = tuple(
                Value(**{**line, "args": tuple(line.get("args", ()))})  # JSON has lists for tuples
                for line in data["values"]
            )
            program = cls(
                name=data["name"],
                values=values,
                outputs=tuple(data["outputs"]),
                names=tuple(data["names"].items()),
                forget_gate=data["forget_gate"],
            )
            _check(program)
        except CellError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise CellError(f"the saved program of a cell is damaged ({error}): save the model again") from None
        return program


def _check(program: Program) -> None:
    """Hold a program that comes from a file to what `trace` makes."""
    for index, value in enumerate(program.values):
        if not all(type(arg) is int and 0 <= arg < index for arg in value.args):
            raise ValueError(f"line {index} uses a value that is not there yet")
        sizes = [program.values[arg].size for arg in value.args]
        if value.op in LEAVES or value.op == "affine":
            wellformed = (value.op == "affine") == bool(value.args) and SCALAR not in sizes
            wellformed &= value.size == SCALAR if value.op == "constant" else value.size in SIZE_NAMES
            wellformed &= value.name.isidentifier() or value.op == "constant"
            wellformed &= math.isfinite(value.number) and isinstance(value.bias, bool)
        elif value.op in OPERATIONS:
            row = OPERATIONS[value.op]
            try:
                wellformed = len(value.args) == row.arity and value.size == row.size(sizes)
            except SizeMismatchError:
                wellformed = False
        else:
            raise ValueError(f"operation {value.op!r} is not known to this version")
        if not wellformed:
            raise ValueError(f"line {index} is not a proper {value.op}")
    named = [(value.op == "affine", value.name) for value in program.values if value.name]
    if len(set(named)) < len(named):
        raise ValueError("two values have one name")
    indices = [*program.outputs, *dict(program.names).values()]
    if not all(type(index) is int and 0 <= index < len(program.values) for index in indices):
        raise ValueError("a name or an output points nowhere")
    if not program.states or [program.values[i].size for i in program.outputs] != [s.size for s in program.states]:
        raise ValueError("outputs and states do not match")
    if [value.op for value in program.values[: 1 + len(program.states)]] != ["input"] + ["state"] * len(program.states):
        raise ValueError("the input and the states are not its first lines")
