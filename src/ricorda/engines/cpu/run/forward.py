"""The forward pass: memory for a loop, its kernel, and what it leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ctypes import memmove
from typing import NamedTuple

import torch
from torch import Tensor

from ricorda.engines.cpu.kernels.kernels import Kernels
from ricorda.engines.cpu.run.call import Call, prepared, shape_of, sizes_of, taken_apart, team_of
from ricorda.engines.cpu.run.memory import (
    Memory,
    Prepared,
    give_absent_biases,
    give_masks,
    give_stages,
    give_steps,
    mask_names,
    packed,
    padded,
    parameter_slots,
    spare,
)
from ricorda.engines.cpu.run.steps import Steps
from ricorda.engines.cpu.run.stored import stored


class _State(NamedTuple):
    """Where a state is given and found.

    Parameters
    ----------
    initial : slot of its initial value
    place : slot of the place that it has between steps; -1 if it is stored as a sequence
    two : whether that is two places, which steps use in turns
    result : number of the result that it is stored in, -1 if it is none
    begin, size : the first number and the size of it among what is hidden otherwise
    last : the byte of either at which the last step begins
    """

    initial: int
    place: int
    two: bool = False
    result: int = -1
    begin: int = 0
    size: int = 0
    last: int = 0


class _Given(NamedTuple):
    """Where the kernel reads what each call gives it.

    Parameters
    ----------
    x : slot of the input, or of what the affines have beside their states
    results : name, slot and size of the output and of the records
    hidden : slot and first byte of each other sequence in their piece of memory, which has so many numbers
    """

    x: int
    results: tuple[tuple[str, int, int], ...]
    hidden: tuple[tuple[int, int], ...]
    numbers: int
    states: tuple[_State, ...]


def forward(call: Call, tensors: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Run the forward loop.

    Parameters
    ----------
    tensors : input, or what the affines have beside their states where `Kernels.inputs` is empty, [N, size] or, where
        all rows have all steps, [T, B, size]; states [B, size] or [1, B, size]; parameters

    Returns
    -------
    results
        Output, final states and records, in the form of the input.
    left
        What the loop stored, for BPTT: see `stored.stored`.
    """
    which, steps = call.kernels, call.steps
    x, states, parameters = taken_apart(call, tensors)
    shape = shape_of(call, x, states, parameters)
    team = team_of(which, steps, shape)
    ready = prepared(prepare, which, steps, shape, team)
    arguments, given = ready.arguments(), ready.given
    block = arguments.block
    block[given.x] = x.data_ptr()
    arguments.give_parameters(parameters)
    masks = give_masks(block, ready.slots, which.program, steps, call.seed)
    rows = x.shape[:-1]
    sequences = []
    for _, slot, size in given.results:
        sequences.append(x.new_empty(*rows, size))
        block[slot] = sequences[-1].data_ptr()
    left = tuple(sequences)
    if given.hidden:
        hidden = x.new_empty(given.numbers)
        left += (hidden,)
        begin = hidden.data_ptr()
        for slot, offset in given.hidden:
            block[slot] = begin + offset
    places: list[Tensor | None] = []
    for at, value in zip(given.states, states, strict=True):
        place = None
        if at.place >= 0:
            place = torch.stack([value, value]) if at.two else value.clone()
            block[at.place] = place.data_ptr()
        block[at.initial] = value.data_ptr()
        places.append(place)
    which.run_forward().run(block, team[0])
    del masks  # which lived as long as the kernel read them
    ready.take_back(arguments)
    finals = []
    for at, initial, place in zip(given.states, states, places, strict=True):
        if place is not None:
            finals.append(_final_of_place(steps, place, at.two))
            continue
        of_result = at.result >= 0
        if steps.ends is None:
            begin = (sequences[at.result] if of_result else hidden).data_ptr() + at.last
            finals.append(final := initial.new_empty(initial.shape))
            memmove(final.data_ptr(), begin, final.nbytes)  # a copy by torch would take ten times as long
        else:
            end = at.begin + steps.rows * at.size
            sequence = sequences[at.result] if of_result else hidden[at.begin : end].view(-1, at.size)
            finals.append(_last_of_each(steps, sequence, initial))
    if not call.record:
        return (sequences[0], *finals), left
    by_name = {name: sequence for (name, _, _), sequence in zip(given.results, sequences, strict=True)}
    return (sequences[0], *finals, *(by_name[name] for name in call.record)), left


def prepare(which: Kernels, steps: Steps, shape: tuple[int, int, int], team: tuple[int, bool]) -> Prepared:
    """The arguments that follow from a call's shape."""
    plan, program, lanes = which.forward, which.program, which.target.lanes
    I, H, P = shape
    sizes = sizes_of(shape)
    memory = Memory(which.dtype)
    memory.numbers(I=I, H=H, P=P)
    give_absent_biases(memory, which, H)
    rows = give_steps(memory, steps, *team, whole=not which.input_is_ours)
    z_columns = sum(sizes[program.values[index].size] for index in which.z_names)
    if which.input_is_ours:
        ld = z_columns + 16  # rows that do not all fall in the same sets of the cache
        memory.scratch("chunk", rows * ld + 64)
        memory.scratch("half x", rows * I)
        memory.scratch("input weights", packed(z_columns, I, lanes))
        memory.scratch("input bias", padded(z_columns, which.target))
    memory.numbers(chunk_ld=ld if which.input_is_ours else z_columns)
    give_stages(memory, plan, sizes, steps.B, lanes)
    slots = which.run_forward().slots
    given = _given(which, steps, shape, slots)
    states = [f"{kind} {state.name}" for state in program.states for kind in ("initial", "place")]
    stores = [f"sequence {name}" for name, _ in plan.loop.stored]
    names = ["x" if which.input_is_ours else "chunk", *states, *stores, *mask_names(program)]
    return Prepared(memory, slots, parameter_slots(which, slots, H), names, given)


def _given(which: Kernels, steps: Steps, shape: tuple[int, int, int], slots: Mapping[str, int]) -> _Given:
    own, unread = stored(which, steps.rows, shape), spare(slots)

    def slot(name: str) -> int:
        return slots.get(name, unread)

    itemsize, low = which.dtype.itemsize, int(steps.offsets[-1])
    numbers = {name: number for number, (name, _) in enumerate(own.results)}
    hidden = {name: (begin, size, (begin + low * size) * itemsize) for name, size, begin in own.hidden}
    states = []
    for state in which.program.states:
        initial, name = slot(f"initial {state.name}"), state.name
        if name in numbers:
            last = low * dict(own.results)[name] * itemsize
            states.append(_State(initial, -1, result=numbers[name], last=last))
        elif name in hidden:
            states.append(_State(initial, -1, False, -1, *hidden[name]))
        else:
            states.append(_State(initial, slot(f"place {name}"), name in which.forward.schedule.whole_states))
    return _Given(
        slot("x" if which.input_is_ours else "chunk"),
        tuple((name, slot(f"sequence {name}"), size) for name, size in own.results),
        tuple((slot(f"sequence {name}"), begin * itemsize) for name, _, begin in own.hidden),
        own.numbers,
        tuple(states),
    )


def _last_of_each(steps: Steps, sequence: Tensor, initial: Tensor) -> Tensor:
    """The value of each row's own last step; the initial one of rows without steps."""
    assert steps.ends is not None  # rows end at different steps
    last = torch.from_numpy(steps.offsets)[(steps.ends - 1).clamp(min=0)] + torch.arange(steps.B, device="cpu")
    last = last.clamp(max=max(steps.rows - 1, 0))
    return torch.where(steps.ends[:, None] > 0, sequence.flatten(0, -2)[last], initial)


def _final_of_place(steps: Steps, place: Tensor, two: bool) -> Tensor:
    if not two:
        return place
    ends = torch.full((steps.B,), steps.T, device="cpu") if steps.ends is None else steps.ends
    return torch.where((ends % 2 == 1)[:, None], place[0], place[1])
