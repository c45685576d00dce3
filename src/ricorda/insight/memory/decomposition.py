"""The exact decomposition of a state: what each step wrote into it, and how much of that is still there later.

A state is additive if its new value is `keep * old + written`, unit by unit, when the gates are taken as the numbers
that they were. Then it is exactly a sum over the steps:

    s_T = s_0 prod_t keep_t + sum_t (prod_{r > t} keep_r) written_t

For an LSTM's cell state keep is f_t and written i_t * g_t; for the course's GRU they are 1 - u_t and u_t * candidate_t.
Both are found in the equations, so this holds for a user's own cell and for regularised cells too. What a step shows of
such a state, such as an LSTM's h = o * tanh(c), is divided among the steps by equations 10 to 12 of Murdoch, Szlam 2017
('Automatic rule extraction from long short term memory networks'): with the gates held, the growing partial sums go
through the function, and each difference belongs to one step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ricorda.errors import ArgumentError, DataError
from ricorda.insight.passage import NOTHING_BESIDE
from ricorda.nn import Recurrent
from ricorda.nn.sequences import first_states, states_of
from ricorda.program.ir import Program
from ricorda.program.operations import OPERATIONS, is_gate
from ricorda.shown import Shown

STEPS_AT_ONCE = 2_048
"""The most steps whose values are held in memory together."""


@dataclass(frozen=True, repr=False)
class Decomposition(Shown):
    """A state as the sum of what was written into it; steps are in the order in which the direction reads.

    Parameters
    ----------
    state : str
        The state's name.
    initial : array [H]
        The state before the first step.
    kept : array [T, H]
        The share of the state that each step kept.
    written : array [T, H]
        What each step added.
    states : array [T, H]
        The state after each step, as the model computed it.
    """

    state: str
    initial: NDArray[np.float64]
    kept: NDArray[np.float64]
    written: NDArray[np.float64]
    states: NDArray[np.float64]

    @property
    def parts(self) -> NDArray[np.float64]:
        """What is left at the end of the initial state and of each step's writing, [1 + T, H]; the sum is the state."""
        # The share of the state before step t that is left at the end.
        after = np.cumprod(self.kept[::-1], axis=0)[::-1]
        later = np.concatenate([after[1:], np.ones_like(after[:1])])
        return np.concatenate([(self.initial * after[0])[None], self.written * later])


def decompose(
    layer: Recurrent,
    x: Tensor,
    initial: tuple[Tensor, ...] | None = None,
    *,
    level: int = -1,
    direction: int = 0,
    state: str | None = None,
    beside: Mapping[str, Tensor] = NOTHING_BESIDE,
) -> Decomposition:
    """What each step wrote into a state of one layer and direction, and what the later ones kept of it.

    Parameters
    ----------
    layer : Recurrent
        The layers, in evaluation mode.
    x : Tensor [T, I]
        One sequence, as it enters the first layer.
    initial : tuple of Tensor [num_layers * directions, size], optional
        The initial states; those of a new sequence by default.
    level : int
        The layer, from 0; negative numbers count from the last.
    direction : {0, 1}
        The direction of a bidirectional layer. The steps of one that reads from the end are in that order.
    state : str, optional
        Name of the state; by default the first that the cell itself makes additive, or else the first made so by
        zoneout.
    beside : mapping of str to Tensor [T, size]
        The inputs that the cell takes besides the first.

    Raises
    ------
    ArgumentError
        If the layer has no such level, direction or state.
    DataError
        If the state is not additive, or no state is.
    """
    program = layer.programs[False]
    names = [state.name for state in program.states]
    if state is not None and state not in names:
        raise ArgumentError(f"state {state!r} is none of cell {program.name}'s, which are {', '.join(names)}")
    places = followed_states(layer)
    if not places or (state is not None and names.index(state) not in places):
        raise DataError(not_additive(program, state))
    place = places[0] if state is None else names.index(state)
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    first: Tensor | None = None
    for stretch in stretches(layer, x, initial, level=level, direction=direction, beside=beside):
        old, new = stretch.values[program.first_state + place], stretch.values[program.outputs[place]]
        first = old[0] if first is None else first
        parts.append((*keep_and_written(stretch.values, place, program.outputs[place]), new))
    kept, written, states = (torch.cat(values).numpy() for values in zip(*parts, strict=True))
    assert first is not None  # Every sequence has at least one step.
    return Decomposition(names[place], first.numpy(), kept, written, states)


def not_additive(program: Program, state: str | None = None) -> str:
    """A sentence that says why there is no decomposition."""
    subject = "no state of" if state is None else f"{'output' if state == program.output else 'state'} {state} of"
    return (
        f"{subject} cell {program.name} {'is' if state is None else 'is not'} a gated sum of its old value and what is "
        "new, so it cannot be told apart by what wrote it: take an additive cell, such as lstm or gru"
    )


@lru_cache(maxsize=256)
def additive_lines(program: Program, place: int) -> frozenset[int]:
    """The lines of a program, by index, that are `a * s + b` in one of its states s, with gates as numbers."""
    linear: set[int] = set()
    otherwise: set[int] = set()  # Lines that depend on the state in another way.
    for index, value in enumerate(program.values):
        carrying = [place for place, arg in enumerate(value.args) if arg in linear]
        if index == program.first_state + place:
            linear.add(index)
        elif _is_number(value.op) or not (carrying or otherwise.intersection(value.args)):
            continue
        elif otherwise.isdisjoint(value.args) and _is_linear(value.op, carrying):
            linear.add(index)
        else:
            otherwise.add(index)
    return frozenset(linear)


def _is_number(op: str) -> bool:
    """Whether a line is taken as a number, whatever it is computed from."""
    return op == "affine" or is_gate(op)


def _is_linear(op: str, places: list[int]) -> bool:
    """Whether an operation is linear in its arguments at these places when the others are numbers."""
    row = OPERATIONS[op]
    return bool(row.terms) or (len(places) == 1 and bool(row.factors) and not row.inverts(places[0]))


@lru_cache(maxsize=256)
def additive_states(program: Program) -> tuple[int, ...]:
    """The places of a program's additive states."""
    places = range(len(program.states))
    return tuple(place for place in places if program.outputs[place] in additive_lines(program, place))


def followed_states(layer: Recurrent) -> tuple[int, ...]:
    """The places of a layer's additive states: first those of its cell, then those made so by zoneout alone."""
    own = additive_states(layer.program)
    return own + tuple(place for place in additive_states(layer.programs[False]) if place not in own)


@lru_cache(maxsize=256)
def lines_of_states(program: Program) -> dict[int, int]:
    """Maps each line that is additive in an additive state to the place of that state (the first, if in several)."""
    return {index: place for place in reversed(additive_states(program)) for index in additive_lines(program, place)}


@lru_cache(maxsize=256)
def shown_lines(program: Program) -> frozenset[int]:
    """The lines that show additive states: they are computed from such a state, not through gates alone."""
    shown = set(lines_of_states(program))
    for index, value in enumerate(program.values):
        if not _is_number(value.op) and not shown.isdisjoint(value.args):
            shown.add(index)
    return frozenset(shown)


class Values(Mapping[int, Tensor]):
    """The values of a program's lines at some steps, by index; [T, size] in float64.

    Values that the engine recorded are taken from it. The others are computed from them when they are asked for.
    """

    def __init__(self, program: Program, known: dict[int, Tensor]) -> None:
        self.program = program
        self.known = known

    def __getitem__(self, index: int) -> Tensor:
        if index not in self.known:
            value = self.program.values[index]
            if value.op == "constant":
                self.known[index] = torch.tensor(value.number, dtype=torch.float64)
            else:
                self.known[index] = OPERATIONS[value.op].reference(torch, *(self[arg] for arg in value.args))
        return self.known[index]

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.program.values)))

    def __len__(self) -> int:
        return len(self.program.values)


def keep_and_written(values: Values, place: int, index: int) -> tuple[Tensor, Tensor]:
    """Write a line that is additive in a state as `keep * s + written`, [T, size] each."""
    lines = additive_lines(values.program, place)
    like = values[values.program.first_state + place]

    def take(index: int) -> tuple[Any, Any]:
        value = values.program.values[index]
        if index not in lines:
            return 0.0, values[index]
        if value.op == "state":
            return 1.0, 0.0
        row, parts = OPERATIONS[value.op], [take(arg) for arg in value.args]
        if row.terms:  # The kept shares add up as the written parts do.
            return tuple(row.reference(torch, *part) for part in zip(*parts, strict=True))
        numbers = [None if arg in lines else values[arg] for arg in value.args]
        return tuple(
            row.reference(
                torch, *(own if number is None else number for own, number in zip(part, numbers, strict=True))
            )
            for part in zip(*parts, strict=True)
        )

    keep, written = (torch.as_tensor(share, dtype=torch.float64).expand_as(like) for share in take(index))
    return keep, written


@dataclass(frozen=True, repr=False)
class Stretch(Shown):
    """Consecutive steps in the order in which a direction reads: the number of the first, and their values."""

    first: int
    values: Values


def stretches(
    layer: Recurrent,
    x: Tensor,
    initial: tuple[Tensor, ...] | None = None,
    *,
    level: int = -1,
    direction: int = 0,
    beside: Mapping[str, Tensor] = NOTHING_BESIDE,
) -> Iterator[Stretch]:
    """All values of one layer and direction, some steps at a time; arguments and errors are those of `decompose`."""
    directions = 2 if layer.bidirectional else 1
    if not -layer.num_layers <= level < layer.num_layers or not 0 <= direction < directions:
        raise ArgumentError(
            f"level {level}, direction {direction} is none of {layer.num_layers} layers of {directions} directions"
        )
    level %= layer.num_layers
    program, entry = layer.programs[False], level * directions + direction
    x = _entering(layer, x, initial, level, beside)
    reader = _reader(layer, x.shape[1], level, direction)
    names = [name for name, _ in layer.program.names]
    indices = dict(program.names)
    parameters = {
        index: reader.get_parameter(f"{value.name}_l0").detach().double().cpu()
        for index, value in enumerate(program.values)
        if value.op == "parameter"
    }
    state = None
    initial = layer.begin(None) if initial is None else initial
    if initial is not None:
        rows = layer.stack.of_layer([values[:, None] for values in initial], entry)
        state = tuple(values[None] for values in rows)
    others = [(index, value.name) for index, value in enumerate(program.inputs) if index]
    read = [x, *(beside[name] for _, name in others)]
    read = [values.flip(0) for values in read] if layer.backwards[direction] else read
    for first in range(0, len(x), STEPS_AT_ONCE):
        steps, *rest = (values[first : first + STEPS_AT_ONCE] for values in read)
        inputs = {name: values[:, None] for (_, name), values in zip(others, rest, strict=True)}
        before = state
        hx: Any = before[0] if before is not None and len(before) == 1 else before
        with torch.no_grad():
            _, state, records = reader(steps[:, None], hx, record=names, inputs=inputs)
        state = states_of(state)
        if before is None:
            before = tuple(first_states(reader.stack, 1, state[0]))
        known = {indices[name]: records[name][0, 0, :, 0].double().cpu() for name in names}
        for place, (old, new) in enumerate(zip(before, program.outputs, strict=True)):
            known[program.first_state + place] = torch.cat([old[0].double().cpu(), known[new][:-1]])
        entered = zip((0, *(index for index, _ in others)), (steps, *rest), strict=True)
        known |= {index: values.detach().double().cpu() for index, values in entered}
        yield Stretch(first, Values(program, {**parameters, **known}))


def _entering(
    layer: Recurrent, x: Tensor, initial: tuple[Tensor, ...] | None, level: int, beside: Mapping[str, Tensor]
) -> Tensor:
    """What enters a layer, [T, size]: the input, or the output of the layer below."""
    if not level:
        return x
    output = layer.program.output_name
    hx: Any = None if initial is None else tuple(values[:, None] for values in initial)
    row = 0 if layer.batch_first else 1
    inputs = {name: values.unsqueeze(row) for name, values in beside.items()}
    with torch.no_grad():
        _, _, records = layer(x.unsqueeze(row), hx[0] if hx and len(hx) == 1 else hx, record=[output], inputs=inputs)
    below: Tensor = records[output][level - 1].squeeze(1 if layer.batch_first else 2)  # [directions, T, size]
    return torch.cat(tuple(below), dim=1)


def _reader(layer: Recurrent, input_size: int, level: int, direction: int) -> Recurrent:
    """A layer of its own with the weights of one layer and direction, which reads from first to last."""
    own = layer.regularisers
    reader = Recurrent(
        layer.program,
        input_size,
        layer.hidden_size,
        bias=layer.bias,
        proj_size=layer.proj_size,
        zoneout=own.zoneout,
        layer_norm=own.layer_norm,
        engine=layer.engine,
        precision=layer.precision,
        device="meta",  # It gets the layer's weights below.
    )
    suffix = f"_l{level}{'_reverse' * direction}"
    weights = {f"{name}_l0": getattr(layer, name + suffix).detach() for name in layer.stack.learned_names}
    reader.load_state_dict(weights, assign=True)
    return reader.requires_grad_(False).eval()
