"""The forward pass: the memory of a loop, the call of its kernel, and the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ctypes import memmove
from typing import NamedTuple

import torch
from torch import Tensor

from ricorda.engines.cpu.kernels.kernels import Kernels
from ricorda.engines.cpu.run.call import (
    Call,
    Stored,
    shape_of,
    sizes_of,
    split_tensors,
    stored,
    team_of,
    template_for,
)
from ricorda.engines.cpu.run.memory import (
    STEP_VALUES,
    NamedValues,
    Template,
    give_absent_biases,
    give_masks,
    give_stages,
    mask_names,
    packed,
    padded,
    parameter_slots,
    spare,
)
from ricorda.engines.cpu.run.steps import Steps


class _State(NamedTuple):
    """Where a state lies.

    Parameters
    ----------
    initial : slot of its initial value
    place : slot of its place between steps; -1 if it is stored as a sequence
    two : whether there are two places, which even and odd steps use in turn
    result : number of the result that it is stored in; -1 if it is hidden
    begin, size : if it is hidden, where it begins in the tensor of hidden sequences, and its size
    last : byte at which its last step begins, in the result or in the tensor of hidden sequences
    """

    initial: int
    place: int
    two: bool = False
    result: int = -1
    begin: int = 0
    size: int = 0
    last: int = 0


class _Slots(NamedTuple):
    """The slots of a kernel's arguments that change from call to call.

    Parameters
    ----------
    x : slot of the input, or of the affines' products with it
    results : name, slot and size of the output and of the records
    hidden : slot and first byte of each hidden sequence in the tensor that they share
    numbers : the length of that tensor
    states : where each state lies
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
    tensors : input, or the affines' products with it if the kernels do not compute them, [N, size] or, if all rows
        have all steps, [T, B, size]; states [B, size] or [1, B, size]; parameters

    Returns
    -------
    results
        Output, final states and records, in the form of the input.
    saved
        The tensors that BPTT reads, see `call.Stored`.
    """
    kernels, steps = call.kernels, call.steps
    x, states, parameters = split_tensors(call, tensors)
    shape = shape_of(call, x, states, parameters)
    team = team_of(kernels, steps, shape)
    arguments_of = template_for(template, kernels, steps, shape, team)
    arguments, slots = arguments_of.arguments(), arguments_of.call
    block = arguments.block
    block[slots.x] = x.data_ptr()
    arguments.give_parameters(parameters)
    masks = give_masks(block, arguments_of.slots, kernels.program, steps, call.seed)
    rows = x.shape[:-1]
    sequences = []
    for _, slot, size in slots.results:
        sequences.append(x.new_empty(*rows, size))
        block[slot] = sequences[-1].data_ptr()
    saved = tuple(sequences)
    if slots.hidden:
        hidden = x.new_empty(slots.numbers)
        saved += (hidden,)
        begin = hidden.data_ptr()
        for slot, offset in slots.hidden:
            block[slot] = begin + offset
    places: list[Tensor | None] = []
    for at, value in zip(slots.states, states, strict=True):
        place = None
        if at.place >= 0:
            place = torch.stack([value, value]) if at.two else value.clone()
            block[at.place] = place.data_ptr()
        block[at.initial] = value.data_ptr()
        places.append(place)
    arguments_of.kernel.run(block, team[0])
    del masks  # The kernel has read them.
    arguments_of.take_back(arguments)
    finals = []
    for at, initial, place in zip(slots.states, states, places, strict=True):
        if place is not None:
            finals.append(_final_of_place(steps, place, at.two))
            continue
        of_result = at.result >= 0
        if steps.ends is None:
            begin = (sequences[at.result] if of_result else hidden).data_ptr() + at.last
            finals.append(final := initial.new_empty(initial.shape))
            memmove(final.data_ptr(), begin, final.nbytes)  # A copy by torch takes ten times as long.
        else:
            end = at.begin + steps.rows * at.size
            sequence = sequences[at.result] if of_result else hidden[at.begin : end].view(-1, at.size)
            finals.append(_last_of_each(steps, sequence, initial))
    if not call.record:
        return (sequences[0], *finals), saved
    by_name = {name: sequence for (name, _, _), sequence in zip(slots.results, sequences, strict=True)}
    return (sequences[0], *finals, *(by_name[name] for name in call.record)), saved


def kernel_values(kernels: Kernels, B: int, rows: int, shape: tuple[int, int, int]) -> NamedValues:
    """The arguments that every call of a shape gives a forward kernel: sizes, and buffers for chunks of `rows` rows."""
    lanes = kernels.target.lanes
    I, H, P = shape
    sizes = sizes_of(shape)
    values = NamedValues(kernels.dtype)
    values.numbers(I=I, H=H, P=P)
    give_absent_biases(values, kernels, sizes)
    z_columns = sum(sizes[size] for size in kernels.part_sizes)
    if kernels.multiplies_input:
        ld = z_columns + 16  # Without the 16 all rows would fall into the same sets of the cache.
        values.scratch("chunk", rows * ld + 64)
        values.scratch("rounded x", kernels.target.rows(rows) * kernels.target.row(I))
        values.scratch("input weights", packed(z_columns, kernels.target.depth(I), lanes))
        values.scratch("input bias", padded(z_columns, kernels.target))
    values.numbers(chunk_ld=ld if kernels.multiplies_input else z_columns)
    give_stages(values, kernels.forward, sizes, B, kernels.target)
    return values


def template(kernels: Kernels, B: int, rows: int, shape: tuple[int, int, int]) -> Template:
    """The arguments that depend on the shape of a call only."""
    program, kernel, sequences = kernels.program, kernels.run_forward(), stored(kernels, shape)
    states = [f"{kind} {state.name}" for state in program.states for kind in ("initial", "place")]
    stores = [f"sequence {name}" for name, _ in kernels.forward.loop.stored]
    names = ["x" if kernels.multiplies_input else "chunk", *states, *stores, *mask_names(program), *STEP_VALUES]
    slots = kernel.slots
    return Template(
        kernel_values(kernels, B, rows, shape),
        slots,
        parameter_slots(kernels, slots, sizes_of(shape)),
        names,
        lambda steps: _slots(kernels, sequences, steps, slots),
        kernel,
    )


def _slots(kernels: Kernels, sequences: Stored, steps: Steps, slots: Mapping[str, int]) -> _Slots:
    unread = spare(slots)
    itemsize, low = kernels.dtype.itemsize, int(steps.offsets[-1])
    numbers = {name: (number, size) for number, (name, size) in enumerate(sequences.results)}
    begins, total = sequences.begins(steps.rows)
    hidden = {name: (begin, size) for (name, size), begin in zip(sequences.hidden, begins, strict=True)}
    states = []
    for state in kernels.program.states:
        name, initial = state.name, slots.get(f"initial {state.name}", unread)
        if name in numbers:
            number, size = numbers[name]
            states.append(_State(initial, -1, result=number, last=low * size * itemsize))
        elif name in hidden:
            begin, size = hidden[name]
            states.append(_State(initial, -1, False, -1, begin, size, (begin + low * size) * itemsize))
        else:
            two = name in kernels.forward.schedule.whole_states
            states.append(_State(initial, slots.get(f"place {name}", unread), two))
    return _Slots(
        slots.get("x" if kernels.multiplies_input else "chunk", unread),
        tuple((name, slots.get(f"sequence {name}", unread), size) for name, size in sequences.results),
        tuple((slots.get(f"sequence {name}", unread), begin * itemsize) for name, (begin, _) in hidden.items()),
        total,
        tuple(states),
    )


def _last_of_each(steps: Steps, sequence: Tensor, initial: Tensor) -> Tensor:
    """The value of each row at its own last step; for rows without steps the initial value."""
    assert steps.ends is not None  # The caller has checked that rows end at different steps.
    last = torch.from_numpy(steps.offsets)[(steps.ends - 1).clamp(min=0)] + torch.arange(steps.B, device="cpu")
    last = last.clamp(max=max(steps.rows - 1, 0))
    return torch.where(steps.ends[:, None] > 0, sequence.flatten(0, -2)[last], initial)


def _final_of_place(steps: Steps, place: Tensor, two: bool) -> Tensor:
    if not two:
        return place
    ends = torch.full((steps.B,), steps.T, device="cpu") if steps.ends is None else steps.ends
    return torch.where((ends % 2 == 1)[:, None], place[0], place[1])
