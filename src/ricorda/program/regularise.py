"""Regularisers as programs: what a cell computes in training, and what it computes afterwards.

Each function takes a program and returns another one for the same weights. Names keep their meaning: a state's name is
its new value, a gate's its activation. Random masks are leaves of the program; engines need to know no more of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from ricorda.errors import ArgumentError
from ricorda.program.ir import LEAVES, PROJECTION, Program, Value
from ricorda.program.operations import OPERATIONS, SCALAR

_EPSILON = 1e-5


def layer_norm(program: Program) -> Program:
    """The program with normalised pre-activations (Ba, Kiros, Hinton 2016, 'Layer normalization').

    The result z of an affine, with its bias, becomes `gain * (z - mean(z)) / sqrt(var(z) + 1e-5) + shift`. Gain and
    shift are learned for each unit; mean and variance are over the units. `z_<affine>` names the normalised value. As
    in the paper's LSTM, the new value of a state that is not the output is normalised where the output is computed from
    it, tanh(LN(c_t)), but not as it goes on to the next step. The projection is not normalised, nor is a single number.

    Raises
    ------
    ArgumentError
        If the cell has already a value with the name of a gain or shift.
    """
    copy = _Copy(program)
    kept = program.outputs if program.output else program.outputs[1:]
    carried = _needed(program, kept)
    shown: dict[int, int] = {}
    for index, value in enumerate(program.values):
        args = []
        for arg in value.args:
            if arg in kept and index not in carried and program.values[arg].op not in LEAVES:
                if arg not in shown:
                    state = program.states[program.outputs.index(arg, len(program.outputs) - len(kept))].name
                    shown[arg] = _normalised(copy, copy.use[arg], f"state_{state}")
                args.append(shown[arg])
            else:
                args.append(copy.use[arg])
        raw = copy.line(index, args)
        if value.op == "affine" and value.name != PROJECTION and value.size != SCALAR:
            copy.new_names[copy.free(f"raw_{value.name}")] = raw
            copy.own[index] = copy.use[index] = _normalised(copy, raw, value.name)
    return copy.finish()


def zoneout(program: Program, probabilities: Mapping[str, float], *, training: bool) -> Program:
    """States that keep some of their units (Krueger et al. 2017, 'Zoneout').

    In training a unit keeps its old value with a probability, drawn at each step; afterwards the new value is the
    expected one. As in the paper's equations for the LSTM, the cell computes other values of the same step (the
    tanh(c_t) of h_t) from the new state before zoneout.

    Parameters
    ----------
    program : Program
    probabilities : name of a state -> probability that a unit keeps its old value
    training : bool
        Whether the program is for training.

    Raises
    ------
    ArgumentError
        If the program has no state with one of the names.
    """
    known = [state.name for state in program.states]
    for name in probabilities:
        if name not in known:
            raise ArgumentError(f"zoneout has state {name!r}, and cell {program.name} has {', '.join(known)}")
        first = program.states[known.index(name)].number
        if probabilities[name] and math.isinf(first):
            others = ", ".join(f"{s.name!r}: {probabilities[name]}" for s in program.states if not math.isinf(s.number))
            raise ArgumentError(
                f"zoneout is {probabilities[name]} for state {name}, which begins with {first}, and an infinity has no "
                f"mean with another number: name the other states, as zoneout={{{others}}}"
            )
    copy = _Copy(program)
    copy.lines()
    outputs = []
    for place, state in enumerate(program.states):
        old, new = program.first_state + place, copy.own[program.outputs[place]]
        probability = probabilities.get(state.name, 0.0)
        if probability:
            change = copy.write("subtract", new, old)
            let_in = (
                copy.leaf("mask", f"zoneout_{state.name}", state.size, probability)
                if training
                else copy.number(1 - probability)
            )
            new = copy.write("add", old, copy.write("multiply", let_in, change))
        outputs.append(new)
    return copy.finish(outputs)


def state_dropout(program: Program, probability: float) -> Program:
    """The program for training with variational dropout on the recurrent products (Gal, Ghahramani 2016).

    Every operand of a matrix product (but the projection's) that depends on a state is multiplied by a mask for the
    whole sequence and divided by 1 - p. All products of one operand share its mask; other uses have none.

    Parameters
    ----------
    program : Program
    probability : float
        Of dropping a unit.
    """
    recurrent = program.of_states
    copy = _Copy(program)
    dropped: dict[int, int] = {}
    for index, value in enumerate(program.values):
        if value.op == "affine" and value.name != PROJECTION and probability:
            for arg in value.args:
                if arg in recurrent and arg not in dropped:
                    name = _name(program, arg) or f"W_{value.name}"
                    dropped[arg] = _dropped(copy, arg, "locked_mask", f"state_dropout_{name}", probability)
            copy.line(index, [dropped.get(arg, copy.use[arg]) for arg in value.args])
        else:
            copy.line(index)
    return copy.finish()


def recurrent_dropout(program: Program, probability: float) -> Program:
    """The program for training with dropout on the update of the state (Semeniuta, Severyn, Barth 2016).

    Wherever the cell uses its candidate, this is multiplied by a mask, drawn at each step, and divided by 1 - p.

    Parameters
    ----------
    program : Program
    probability : float
        Of dropping a unit's update.

    Raises
    ------
    ArgumentError
        If the cell names no candidate.
    """
    candidate = dict(program.names).get(program.candidate or "")
    if candidate is None:
        raise ArgumentError(
            f"recurrent_dropout is {probability}, and cell {program.name} names no candidate, the update of its state "
            'that a gate lets in: name its variable, as in @cell(candidate="g"), or take state_dropout'
        )
    copy = _Copy(program)
    for index in range(len(program.values)):
        copy.line(index)
        if index == candidate and probability:
            name = f"recurrent_dropout_{program.candidate}"
            copy.use[index] = _dropped(copy, index, "mask", name, probability)
    return copy.finish()


def _dropped(copy: _Copy, index: int, op: str, name: str, probability: float) -> int:
    """A line of the original, times a mask and 1 / (1 - p)."""
    random = copy.leaf(op, name, copy.program.values[index].size, probability)
    scaled = copy.write("multiply", random, copy.number(1 / (1 - probability)))
    return copy.write("multiply", copy.use[index], scaled)


def _normalised(copy: _Copy, raw: int, name: str) -> int:
    """A line of the copy, normalised over its units, times a learned gain, plus a learned shift."""
    size = copy.values[raw].size
    for learned in (f"gain_{name}", f"shift_{name}"):
        if copy.free(learned) != learned:
            raise ArgumentError(
                f"layer_norm names a learned vector {learned}, and cell {copy.program.name} has that name already: "
                "rename it in the cell"
            )
    gain, shift = (copy.leaf("parameter", f"{kind}_{name}", size) for kind in ("gain", "shift"))
    centred = copy.write("subtract", raw, copy.write("mean", raw))
    deviation = copy.write("sqrt", copy.write("add", copy.write("variance", raw), copy.number(_EPSILON)))
    copy.new_names[copy.free(f"centred_{name}")] = centred
    return copy.write("add", copy.write("multiply", gain, copy.write("divide", centred, deviation)), shift)


def _needed(program: Program, indices: Iterable[int]) -> set[int]:
    """Lines and everything that they are computed from."""
    needed = set(indices)
    for index in reversed(range(len(program.values))):
        if index in needed:
            needed.update(program.values[index].args)
    return needed


def _name(program: Program, index: int) -> str:
    """The cell's name of a value; "" if it has none."""
    value = program.values[index]
    return value.name if value.op == "state" else next((name for name, at in program.names if at == index), "")


class _Copy:
    """A copy of a program that is being written line by line, with new lines in between.

    Attributes
    ----------
    own : original line -> the line that its names refer to
    use : original line -> the line that later lines use instead
    new_names : name -> line, for names that the original does not have
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.values: list[Value] = []
        self.own: dict[int, int] = {}
        self.use: dict[int, int] = {}
        self.new_names: dict[str, int] = {}

    def line(self, index: int, args: list[int] | None = None) -> int:
        """Copy a line of the original, by default with the arguments in `use`."""
        value = self.program.values[index]
        used = tuple(self.use[arg] for arg in value.args) if args is None else tuple(args)
        self.values.append(replace(value, args=used))
        self.own[index] = self.use[index] = len(self.values) - 1
        return self.own[index]

    def lines(self) -> None:
        """Copy all lines."""
        for index in range(len(self.program.values)):
            self.line(index)

    def write(self, op: str, *args: int) -> int:
        """Add an operation of the table."""
        size = OPERATIONS[op].size([self.values[arg].size for arg in args])
        return self._append(Value(op, args, size))

    def number(self, number: float) -> int:
        """Add a constant."""
        return self._append(Value("constant", size=SCALAR, number=number))

    def leaf(self, op: str, name: str, size: str, number: float = 0.0) -> int:
        """Add a mask or a learned vector, under a free name."""
        return self._append(Value(op, size=size, name=self.free(name), number=number))

    def free(self, name: str) -> str:
        """The name, with underscores after it if it is taken."""
        values = [*self.program.values, *self.values]
        taken = {value.name for value in values} | dict(self.program.names).keys() | self.new_names.keys()
        while name in taken:
            name += "_"
        return name

    def finish(self, outputs: list[int] | None = None) -> Program:
        """The new program."""
        if outputs is None:
            outputs = [self.own[index] for index in self.program.outputs]
        names = {name: self.own[index] for name, index in self.program.names} | self.new_names
        states = [state.name for state in self.program.states]
        return replace(
            self.program,
            values=tuple(self.values),
            outputs=tuple(outputs),
            names=tuple((names | dict(zip(states, outputs, strict=True))).items()),
        )

    def _append(self, value: Value) -> int:
        self.values.append(value)
        return len(self.values) - 1
