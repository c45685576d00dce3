"""The traced program of a cell: one step in SSA form, plain data that can be compared, hashed and saved."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from ricorda.errors import CellError
from ricorda.program import initial
from ricorda.program.forms import BIAS, INPUT, RECURRENT, canonical, check_form
from ricorda.program.operations import EXPAND, OPERATIONS, SCALAR, SizeMismatchError
from ricorda.program.options import Option, check_default, written
from ricorda.program.sizes import HIDDEN_SIZE, INPUT_SIZE, PROJECTED_SIZE, is_size

MASKS = ("mask", "locked_mask")
NAMED = ("input", "state", "parameter", "affine", *MASKS)
LEAVES = ("input", "state", "parameter", "constant", *MASKS)
PROJECTION = "hr"
"""The affine that projects the first state; torch.nn calls its matrix `weight_hr`."""


@dataclass(frozen=True)
class Value:
    """One line of a program.

    Parameters
    ----------
    op : {"input", "state", "parameter", "constant", "affine"}, a row of the operation table, or
        "mask", "locked_mask": random zeros and ones, fresh at each step or the same for a row's whole sequence; the
        bits are those of `engines.masks`
    args : indices of the arguments, which are earlier values
    size : "I", "H" or "P" for vectors of input_size, hidden_size or proj_size numbers a row, digits such as "32" for
        vectors of so many; "1" for one number a row and for constants
    name : name of an input, state, parameter, affine or mask
    number : value of a constant; what a state begins with; for a mask the probability of a zero, from 0 to below 1
    bias : whether an affine adds a bias
    form : how the weights of an affine, or a parameter, are made from what is learned, see `program.forms`
    shares : name of the earlier affine whose weights an affine takes too
    init : what the weights of an affine, or a parameter, start with, see `program.initial`; "" leaves it to the layer
    """

    op: str
    args: tuple[int, ...] = ()
    size: str = HIDDEN_SIZE
    name: str = ""
    number: float = 0.0
    bias: bool = True
    form: str = ""
    shares: str = ""
    init: str = ""


@dataclass(frozen=True)
class Program:
    """One step of a cell.

    Parameters
    ----------
    name : the cell's name
    values : the lines, in the order of computation; the inputs are first, then come the states
    outputs : index of each state's new value, in the order of the states
    names : (name, index) of every named value: the cell's own variables, the new states, and `z_<affine>` for the
        pre-activation that an affine computes
    forget_gate : name of the affine whose sigmoid says how much of the state is kept, if there is one
    candidate : name of the variable that holds the update of the state before a gate lets it in, if there is one
    options : (name, value) of every option of the cell that differs from its default
    output : name of the value that is the layer's output; "" where that is the first state's new value
    """

    name: str
    values: tuple[Value, ...]
    outputs: tuple[int, ...]
    names: tuple[tuple[str, int], ...]
    forget_gate: str | None = None
    candidate: str | None = None
    options: tuple[tuple[str, Option], ...] = ()
    output: str = ""

    @cached_property
    def _hash(self) -> int:
        return hash((self.name, self.values, self.outputs, self.names, self.output))

    def __hash__(self) -> int:  # It is computed once, since every call of a layer looks its program up.
        return self._hash

    @property
    def title(self) -> str:
        """The cell's name with its options, as `find_cell` reads those of the catalogue: "cornn(dt=0.05)"."""
        return f"{self.name}({written(dict(self.options))})" if self.options else self.name

    @cached_property
    def inputs(self) -> tuple[Value, ...]:
        """The inputs: the layer's input, then those that come beside it, such as the time since the last step."""
        return tuple(value for value in self.values if value.op == "input")

    @cached_property
    def states(self) -> tuple[Value, ...]:
        """The states as they enter the step; their indices follow those of the inputs."""
        return tuple(value for value in self.values if value.op == "state")

    @property
    def first_state(self) -> int:
        """Index of the first state."""
        return len(self.inputs)

    @property
    def output_name(self) -> str:
        """The name of the layer's output."""
        return self.output or self.states[0].name

    @cached_property
    def result(self) -> int:
        """Index of the layer's output."""
        return dict(self.names)[self.output] if self.output else self.outputs[0]

    @cached_property
    def constants(self) -> frozenset[int]:
        """Indices of the values that are the same at every step of every run: constants, and what they make."""
        return _made_of(self.values, ("constant",))

    @cached_property
    def of_input(self) -> frozenset[int]:
        """Indices of the values that depend on inputs and constants only: no step has to wait for them."""
        return _made_of(self.values, ("constant", "input")) - self.constants

    @cached_property
    def of_parameters(self) -> frozenset[int]:
        """Indices of the learned vectors, and of what operations make of them and of constants alone."""
        return _made_of(self.values, ("constant", "parameter"), OPERATIONS.keys() - {EXPAND}) - self.constants

    @cached_property
    def affines(self) -> tuple[int, ...]:
        """Indices of the matrix products, in the cell's order, which is the order of the weights' rows."""
        return tuple(index for index, value in enumerate(self.values) if value.op == "affine")

    @cached_property
    def masks(self) -> tuple[int, ...]:
        """Indices of the random masks; a mask's place in here is its stream of random bits."""
        return tuple(index for index, value in enumerate(self.values) if value.op in MASKS)

    @cached_property
    def reaching(self) -> frozenset[int]:
        """Indices of the values that a new state or the output depends on, these themselves among them."""
        reaching = {*self.outputs, self.result}
        for index in reversed(range(len(self.values))):
            if index in reaching:
                reaching.update(self.values[index].args)
        return frozenset(reaching)

    @cached_property
    def of_states(self) -> frozenset[int]:
        """Indices of the values that depend on a state, be it through an affine."""
        reached: set[int] = set()
        for index, value in enumerate(self.values):
            if value.op == "state" or not reached.isdisjoint(value.args):
                reached.add(index)
        return frozenset(reached)

    @cached_property
    def forget_affine(self) -> int | None:
        """Index of the forget gate's affine, if there is one."""
        return next((index for index in self.affines if self.values[index].name == self.forget_gate), None)

    @cached_property
    def endless_operands(self) -> tuple[tuple[Value, Value], ...]:
        """Each state that begins with an infinity and is multiplied by a matrix, with the affine that does so."""
        pairs = [(self.values[arg], self.values[index]) for index in self.affines for arg in self.values[index].args]
        return tuple((value, affine) for value, affine in pairs if value.op == "state" and math.isinf(value.number))

    @property
    def projected(self) -> bool:
        """Whether the first state is projected to proj_size."""
        return self.states[0].size == PROJECTED_SIZE

    def to_json(self) -> dict[str, Any]:
        """The program as numbers, strings, lists and dictionaries.

        Fields that have their defaults are left out. `from_json` reads the result.
        """
        defaults = asdict(Value(op=""))
        lines = []
        for value in self.values:
            fields = asdict(value)
            fields["args"] = list(value.args)
            if math.isinf(value.number):
                fields["number"] = str(value.number)  # JSON has no numbers for infinities.
            lines.append({key: fields[key] for key in fields if fields[key] not in (defaults[key], [])})
        return {
            "name": self.name,
            "values": lines,
            "outputs": list(self.outputs),
            "names": dict(self.names),
            "forget_gate": self.forget_gate,
            "candidate": self.candidate,
            **({"options": dict(self.options)} if self.options else {}),
            **({"output": self.output} if self.output else {}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Program:
        """A program from `to_json`'s result.

        Raises
        ------
        CellError
            If the data are not a program. They may come from anywhere, so every line is checked.
        """
        try:
            values: list[Value] = []
            for line in data["values"]:
                fields = {**line, "args": tuple(line.get("args", ()))}  # JSON has lists for tuples.
                if fields.get("op") == "state" and fields.get("number") in ("inf", "-inf"):
                    fields["number"] = float(fields["number"])
                value = Value(**fields)
                values.append(_checked(value, values, _made_of(values, ("constant",)), bool(data.get("output"))))
            program = cls(
                name=data["name"],
                values=tuple(values),
                outputs=tuple(data["outputs"]),
                names=tuple(data["names"].items()),
                forget_gate=data["forget_gate"],
                candidate=data.get("candidate"),  # Older files have none.
                options=tuple(data.get("options", {}).items()),
                output=data.get("output", ""),
            )
            _check(program)
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError, SizeMismatchError) as error:
            reason = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
            raise CellError(f"the saved program of a cell is damaged ({reason}): save the model again") from None
        return program


def _made_of(
    values: Sequence[Value], leaves: Sequence[str], operations: Collection[str] = OPERATIONS.keys()
) -> frozenset[int]:
    """Indices of such leaves, and of what operations make of these alone."""
    made: set[int] = set()
    for index, value in enumerate(values):
        if value.op in leaves or (value.op in operations and made.issuperset(value.args)):
            made.add(index)
    return frozenset(made)


def check_name(kind: str, name: Any, values: Sequence[Value]) -> None:
    """Check that the name of a new line is free.

    Affines share one set of names (`W_i`), all other lines another.

    Raises
    ------
    CellError
        If it is not an identifier, or an earlier line or the layer's own weights have it.
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise CellError(f'the first argument of {kind} is its name, such as {kind}("i", ...), not {name!r}')
    if kind == "parameter" and name.startswith(("weight_", "bias_")):
        raise CellError(f"the name {name!r} is kept for the layer's own weights: choose another")
    for value in values:
        if value.name == name and (value.op == "affine") == (kind == "affine"):
            way_out = "give each its own"
            if kind == "affine":
                way_out += f', or write affine("{name}", ..., shared=True) for the same weights again'
            raise CellError(f'there are two of the name "{name}", {value.op} and {kind}: {way_out}')


def check_weights(value: Value, before: Sequence[Value]) -> None:
    """Check the form of an affine and what it starts with, or that it can share the weights of an earlier one.

    Raises
    ------
    CellError
        If not.
    """
    of_input = _made_of(before, ("constant", "input"))
    operands = [(before[arg].size, arg in of_input) for arg in value.args]
    if not value.shares:
        recurrent = [size for size, is_input in operands if not is_input]
        has = {RECURRENT: bool(recurrent), INPUT: len(recurrent) < len(operands), BIAS: value.bias}
        check_form(value.form, value.name, value.size, recurrent, has[INPUT], value.bias)
        initial.check_init(value.init, value.form, value.name, value.size, recurrent, has)
        return
    call = f'affine("{value.shares}", ..., shared=True)'
    first = next((line for line in before if line.op == "affine" and line.name == value.shares), None)
    if first is None or first.shares:
        raise CellError(f"{call} takes the weights of an earlier affine, and none has that name: leave shared out")
    own = [(before[arg].size, arg in of_input) for arg in first.args]
    if (own, first.size) != (operands, value.size):
        told = [size for size, _ in own] == [
            size for size, _ in operands
        ]  # They differ in what they are computed from.
        texts = [[f"{size}{' of inputs' * (is_input and told)}" for size, is_input in of] for of in (own, operands)]
        there, here = (", ".join(of) for of in texts)
        raise CellError(
            f"{call} multiplies sizes {here}, and the weights are for {there}: "
            "give operands of the same sizes, in the same order"
        )
    if value.form or value.init or value.bias > first.bias:
        raise CellError(f"{call} takes the weights as they are: give form, init and bias where they are first used")


def _checked(value: Value, before: Sequence[Value], constants: Collection[int], own_output: bool) -> Value:
    """Check that `trace` could have written a line of a file after the lines before it; the output may be no state."""
    if not all(type(arg) is int and 0 <= arg < len(before) for arg in value.args):
        raise ValueError(f"line {len(before)} uses a value that is not there yet")
    sizes = [before[arg].size for arg in value.args]
    first = next((state.size for state in before if state.op == "state"), "")  # Of the first state.
    size = value.size if is_size(value.size) else HIDDEN_SIZE
    if value.op in ("state", "mask", "locked_mask") and value.size == first:
        size = first
    if any(sizes[place] == SCALAR and arg not in constants for place, arg in enumerate(value.args)):
        fits = value.op in ("affine", EXPAND) or value.size == SCALAR  # Such a number is repeated for the units first.
        if not fits:
            raise ValueError(f"line {len(before)} is not a proper {value.op}")
    match value.op:
        case "input":
            proper = Value("input", size=size if before else INPUT_SIZE, name=value.name)
        case "state" if not first:
            own = size if own_output else PROJECTED_SIZE if value.size == PROJECTED_SIZE else HIDDEN_SIZE
            proper = Value("state", size=own, name=value.name, number=float(value.number))
        case "state":
            proper = Value("state", size=size, name=value.name, number=float(value.number))
        case "parameter":
            form, start = canonical(value.form, affine=False), initial.canonical(value.init, affine=False)
            proper = Value("parameter", size=size, name=value.name, form=form, init=start)
        case "constant":
            proper = Value("constant", size=SCALAR, number=float(value.number))
        case "mask" | "locked_mask" if 0 <= value.number < 1:
            proper = Value(value.op, size=size, name=value.name, number=float(value.number))
        case "affine" if value.name == PROJECTION and sizes == [HIDDEN_SIZE] and first == PROJECTED_SIZE:
            proper = Value("affine", value.args, PROJECTED_SIZE, PROJECTION, bias=False)
        case "affine" if sizes and not set(value.args) & set(constants):
            form, start = canonical(value.form, affine=True), initial.canonical(value.init, affine=True)
            proper = Value("affine", value.args, size, value.name, 0.0, bool(value.bias), form, value.shares, start)
            check_weights(proper, before)
        case op if op == EXPAND and sizes == [SCALAR] and not set(value.args) & set(constants):
            proper = Value(EXPAND, value.args, PROJECTED_SIZE if value.size == first == PROJECTED_SIZE else size)
        case op if op in OPERATIONS and op != EXPAND and len(sizes) == OPERATIONS[op].arity:
            proper = Value(op, value.args, OPERATIONS[op].size(sizes))
        case op:
            raise ValueError(f"line {len(before)}, {op!r}, is not known to this version")
    if value != proper or math.isnan(proper.number) or (math.isinf(proper.number) and value.op != "state"):
        raise ValueError(f"line {len(before)} is not a proper {value.op}")
    if value.op in NAMED:
        check_name(value.op, value.name, before)
    return proper


def _check(program: Program) -> None:
    """Check that `trace` could have written a program of a file, whose lines are checked already."""
    heads = [value.op for value in program.values if value.op in ("input", "state")]
    if not program.inputs or not program.states or heads != sorted(heads):  # "input" stands before "state".
        raise ValueError("it has not an input and at least one state, in this order")
    if [value.op for value in program.values[: len(heads)]] != heads:
        raise ValueError("the inputs and the states are not its first lines")
    names = dict(program.names)
    for index in [*program.outputs, *names.values()]:
        if type(index) is not int or not 0 <= index < len(program.values) or index in program.constants:
            raise ValueError("a name or an output is that of no vector")
    if not all(name.isidentifier() for name in [program.name, *names, *dict(program.options)]):
        raise ValueError("a name is not one")
    if any(check_default(name, value) for name, value in program.options):
        raise ValueError("an option is no number and no text")
    if [program.values[index].size for index in program.outputs] != [state.size for state in program.states]:
        raise ValueError("outputs and states do not match")
    if [names.get(state.name) for state in program.states] != list(program.outputs):
        raise ValueError("a state's name is not that of its new value")
    _check_output(program, names)
    if program.endless_operands:
        raise ValueError("a state that begins with an infinity is multiplied by a matrix")
    weights = {index for index, value in enumerate(program.values) if value.op in ("affine", "parameter")}
    if not {*range(len(program.inputs)), *weights} <= program.reaching:
        raise ValueError("an input or a weight reaches no new state")
    if program.forget_gate is not None and program.forget_affine is None:
        raise ValueError("its forget gate is no affine")
    if program.candidate is not None and program.candidate not in names:
        raise ValueError("its candidate is none of its names")


def _check_output(program: Program, names: Mapping[str, int]) -> None:
    """Check an output that is no state; the first state has been checked already."""
    if program.output:
        named = program.output in names and program.output not in {state.name for state in program.states}
        if not named or program.result not in program.of_states:
            raise ValueError("its output is no value that depends on a state")
        if program.values[program.result].size != HIDDEN_SIZE:
            raise ValueError("its output has not hidden_size numbers")
