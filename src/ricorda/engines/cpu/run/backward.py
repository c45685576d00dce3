"""BPTT: the memory of a backward loop, the call of its kernel, and the gradients that it writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from ricorda.engines.cpu.kernels.kernels import Kernels
from ricorda.engines.cpu.run.call import Call, shape_of, sizes_of, split_tensors, stored, team_of, template_for
from ricorda.engines.cpu.run.memory import (
    STEP_VALUES,
    NamedValues,
    Template,
    give_absent_biases,
    give_masks,
    give_stages,
    mask_names,
    packed,
    parameter_slots,
    spare,
)
from ricorda.engines.cpu.run.steps import Steps
from ricorda.program.differentiate import output_sequence

PAD = 16
"""Numbers between the rows of a chunk: without them all rows would fall into the same sets of the cache."""

Pieces = tuple[tuple[int | None, int], ...]
"""The gradient of a vector as pieces of the sums: where each begins (None for zeros) and its length."""


class _Slots(NamedTuple):
    """The slots of a kernel's arguments that change from call to call.

    Parameters
    ----------
    x, dx, chunk, sums : their slots
    width, total : length of a row of the chunk, and of the sums; the sums have those of learned vectors after the
        columns of the chunk
    matrices : name and slot of the gradient of each matrix that the kernel computes
    vectors : for each other parameter, whether its gradient must be copied (see `_columns`), and its pieces
    stored : slot of each sequence, number of its tensor among those that the forward pass saved, and its first byte
    seeds : slot and size of the gradient of each result, by the name of its sequence
    states : slots of each state's initial value and of its gradient's place, and whether there are two places
    squares : name and slot of the squares of each state's gradients
    """

    x: int
    dx: int
    chunk: int
    sums: int
    width: int
    total: int
    matrices: tuple[tuple[str, int], ...]
    vectors: Mapping[str, tuple[bool, Pieces]]
    stored: tuple[tuple[int, int, int], ...]
    seeds: Mapping[str, tuple[int, int]]
    states: tuple[tuple[int, int, bool], ...]
    squares: tuple[tuple[str, int], ...]


def backward(
    call: Call,
    tensors: Sequence[Tensor],
    saved: Sequence[Tensor],
    gradients: Sequence[Tensor | None],
    wanted: Sequence[bool],
) -> list[Tensor | None]:
    """The gradients of input, initial states and parameters from those of output, final states and records.

    Parameters
    ----------
    saved : what the forward pass saved, see `call.Stored`
    wanted : for each tensor whether its gradient is asked for; what the others' matrices would take is left out
    """
    kernels, steps = call.kernels, call.steps
    x, states, parameters = split_tensors(call, tensors)
    shape = shape_of(call, x, states, parameters)
    team = team_of(kernels, steps, shape)
    arguments_of = template_for(template, kernels, steps, shape, team)
    arguments, slots = arguments_of.arguments(), arguments_of.call
    block = arguments.block
    dx = x.new_empty(x.shape) if kernels.multiplies_input and wanted[0] else None
    block[slots.dx] = 0 if dx is None else dx.data_ptr()
    block[slots.x] = x.data_ptr()
    if not kernels.multiplies_input:
        chunk = x.new_empty(steps.rows * (slots.width + PAD) + 64)
        block[slots.chunk] = chunk.data_ptr()
    sums = x.new_empty(slots.total)
    block[slots.sums] = sums.data_ptr()
    results: dict[str, Tensor | None] = {}
    asked = dict(zip(parameters, wanted[1 + len(states) :], strict=True))
    for name, slot in slots.matrices:
        results[name] = result = x.new_empty(parameters[name].shape) if asked[name] else None
        block[slot] = 0 if result is None else result.data_ptr()
    arguments.give_parameters(parameters)
    masks = give_masks(block, arguments_of.slots, kernels.program, steps, call.seed)
    for slot, number, begin in slots.stored:
        block[slot] = saved[number].data_ptr() + begin
    recorded = gradients[0], *gradients[1 + len(states) :]
    seeds = dict(zip((output_sequence(kernels.program), *call.record), recorded, strict=True))
    alive = []
    for name, (slot, size) in slots.seeds.items():
        seed = seeds[name]
        alive.append(x.new_zeros(steps.rows, size) if seed is None else seed.contiguous())
        block[slot] = alive[-1].data_ptr()
    places = []
    for (initial, slot, two), value, end in zip(slots.states, states, gradients[1 : 1 + len(states)], strict=True):
        place = torch.zeros_like(value) if end is None else end.clone(memory_format=torch.contiguous_format)
        places.append(torch.stack([place, place]) if two else place)
        block[slot] = places[-1].data_ptr()
        block[initial] = value.data_ptr()
    squares = []
    for name, slot in slots.squares:
        squares.append((name, x.new_zeros(team[0], steps.rows)))
        block[slot] = squares[-1][1].data_ptr()
    arguments_of.kernel.run(block, team[0])
    del masks, alive  # The kernel has read them.
    arguments_of.take_back(arguments)
    if call.watch is not None:
        for name, of_parts in squares:
            call.watch(name, of_parts.sum(dim=0).sqrt_())
    d_states = [place[0] if two else place for place, (_, _, two) in zip(places, slots.states, strict=True)]
    if not kernels.multiplies_input:
        dx = chunk[: steps.rows * (slots.width + PAD)].view(steps.rows, slots.width + PAD)[:, : x.shape[1]]
    d_parameters = [results[n] if n in results else _from_sums(sums, slots.vectors.get(n)) for n in parameters]
    return [dx, *d_states, *d_parameters]


@lru_cache(maxsize=256)
def _columns(kernels: Kernels, shape: tuple[int, int, int]) -> tuple[int, int, dict[str, tuple[bool, Pieces]]]:
    """The width of a chunk, the length of the sums, and for each vector whether it must be copied, and its pieces.

    A vector must be copied if an earlier one shares its part of the sums: no two gradients may have the same memory.
    """
    assert kernels.backward is not None  # Only training comes here.
    sizes = sizes_of(shape)
    plan = kernels.backward
    columns_of = {**plan.columns, **plan.totals}
    begins = {name: at.at(sizes) for name, at in columns_of.items()}
    own = {name: plan.loop.lines[line].size for name, line in (*plan.loop.stored, *plan.loop.summed)}
    width, total = (max(begins[name] + sizes[own[name]] for name in names) for names in (plan.columns, columns_of))
    summed = {name for name, _ in kernels.sums} | plan.totals.keys()
    blocks = {(name, 0): f"dp_{name}" for name in kernels.layout.shapes}
    for affine, places in kernels.layout.biases.items():
        blocks |= {(block.parameter, block.position): f"dz_{kernels.program.values[affine].name}" for block in places}
    vectors: dict[str, tuple[bool, Pieces]] = {}
    taken: set[int] = set()
    for name, weights in kernels.layout.shapes.items():
        columns = [blocks.get((name, position)) for position in range(len(weights.rows))]
        if weights.columns is not None or not any(column in summed for column in columns):
            continue
        pieces: list[tuple[int | None, int]] = []
        used = {begins[column] for column in columns if column is not None and column in summed}
        for column, row in zip(columns, weights.rows, strict=True):
            begin = begins[column] if column is not None and column in summed else None
            before, length = pieces[-1] if pieces else (None, 0)
            if begin is not None and before is not None and before + length == begin:
                pieces[-1] = (before, length + sizes[row])
            else:
                pieces.append((begin, sizes[row]))
        vectors[name] = bool(used & taken), tuple(pieces)
        taken |= used
    return width, total, vectors


def _from_sums(sums: Tensor, where: tuple[bool, Pieces] | None) -> Tensor | None:
    """The gradient of a vector, read from the sums over rows and steps."""
    if where is None:
        return None
    shared, pieces = where
    if pieces == ((0, len(sums)),):
        return sums.clone() if shared else sums
    parts = [sums.new_zeros(length) if begin is None else sums.narrow(0, begin, length) for begin, length in pieces]
    if len(parts) > 1:
        return torch.cat(parts)
    return parts[0].clone() if shared else parts[0]


def template(kernels: Kernels, B: int, rows: int, shape: tuple[int, int, int]) -> Template:
    """The arguments that depend on the shape of a call only."""
    plan, lanes = kernels.backward, kernels.target.lanes
    assert plan is not None  # Only training comes here.
    I, H, P = shape
    sizes = sizes_of(shape)
    width, _, _ = _columns(kernels, shape)
    values = NamedValues(kernels.dtype)
    half_ld = width // 2 + len(plan.columns) + 8
    give_absent_biases(values, kernels, sizes)
    x_ld = sum(sizes[size] for size in kernels.part_sizes)
    values.numbers(I=I, H=H, P=P, chunk_ld=width + PAD, half_ld=half_ld, x_ld=x_ld)
    if kernels.multiplies_input:
        values.scratch("chunk", rows * (width + PAD) + 64)
        values.scratch("input weights", packed(I, len(kernels.inputs) * (H + 1), lanes))
    values.scratch("half chunk", rows * half_ld)
    values.scratch("packed gradients", width * (rows + 1) + 64)
    for position, operand in enumerate(kernels.weight_operands):
        values.scratch(f"weight operand {position}", packed(sizes[operand.size], rows + 1, lanes))
    give_stages(values, plan, sizes, B, kernels.target)
    kernel = kernels.run_backward()
    names = ["x", "dx", "chunk", "sums", *mask_names(kernels.program), *STEP_VALUES]
    names += [f"gradient {name}" for name in kernels.layout.shapes]
    names += [f"sequence {name}" for name, _ in (*kernels.forward.loop.stored, *plan.loop.sequences)]
    names += [f"{kind} {state.name}" for state in kernels.program.states for kind in ("initial", "place")]
    names += [f"squares {name}" for name, _ in plan.watched]
    slots = _slots(kernels, shape, kernel.slots)
    sequences, itemsize = stored(kernels, shape), kernels.dtype.itemsize
    count = len(sequences.results)

    def at(steps: Steps) -> _Slots:
        begins = [0] * count + [begin * itemsize for begin in sequences.begins(steps.rows)[0]]
        places = zip(slots.stored, begins, strict=True)
        return slots._replace(stored=tuple((slot, number, begin) for (slot, number, _), begin in places))

    return Template(values, kernel.slots, parameter_slots(kernels, kernel.slots, sizes), names, at, kernel)


def _slots(kernels: Kernels, shape: tuple[int, int, int], slots: Mapping[str, int]) -> _Slots:
    plan, sizes, unread = kernels.backward, sizes_of(shape), spare(slots)
    assert plan is not None  # Only training comes here.
    sequences = stored(kernels, shape)
    width, total, vectors = _columns(kernels, shape)

    def slot(name: str) -> int:
        return slots.get(name, unread)

    read = dict(plan.loop.sequences)
    results = [(slot(f"sequence {name}"), number, 0) for number, (name, _) in enumerate(sequences.results)]
    return _Slots(
        slot("x"),
        slot("dx"),
        slot("chunk"),
        slot("sums"),
        width,
        total,
        tuple(
            (name, slots[f"gradient {name}"])
            for name, weights in kernels.layout.shapes.items()
            if weights.columns is not None and f"gradient {name}" in slots
        ),
        vectors,
        (*results, *((slot(f"sequence {name}"), -1, 0) for name, _ in sequences.hidden)),
        {
            name: (slot(f"sequence d_{name}"), sizes[read[f"d_{name}"]])
            for name, _ in sequences.results
            if f"d_{name}" in read
        },
        tuple(
            (slot(f"initial {s.name}"), slot(f"place {s.name}"), s.name in plan.schedule.whole_states)
            for s in kernels.program.states
        ),
        tuple((name, slot(f"squares {name}")) for name, _ in plan.watched),
    )
