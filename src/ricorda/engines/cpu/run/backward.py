"""BPTT: memory for a backward loop, its kernel, and the gradients that it leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
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
    parameter_slots,
    spare,
)
from ricorda.engines.cpu.run.steps import Steps
from ricorda.engines.cpu.run.stored import stored

PAD = 16
"""Numbers between the rows of a chunk, lest they all fall in the same sets of the cache."""


Pieces = tuple[tuple[int | None, int], ...]
"""Where the blocks of a vector's gradient begin in the sums (None: zeros), and how long they are; as few as can be."""


class _Given(NamedTuple):
    """Where the kernel reads what each call gives it, and where it writes.

    Parameters
    ----------
    x, dx, chunk, sums : their slots
    width, total : numbers in a row of the chunk, and of the sums, which have the vectors' own after those
    matrices : name and slot of the gradient of each matrix that the kernel gives
    vectors : where the gradients of the others are in the sums
    stored : slot of each sequence by its name
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
    stored: Mapping[str, int]
    seeds: Mapping[str, tuple[int, int]]
    states: tuple[tuple[int, int, bool], ...]
    squares: tuple[tuple[str, int], ...]


def backward(
    call: Call,
    tensors: Sequence[Tensor],
    saved: Sequence[Tensor],
    gradients: Sequence[Tensor | None],
    input_wanted: bool,
) -> list[Tensor | None]:
    """The gradients of input, initial states and parameters from those of output, final states and records.

    Parameters
    ----------
    saved : what the forward pass left
    """
    which, steps = call.kernels, call.steps
    x, states, parameters = taken_apart(call, tensors)
    shape = shape_of(call, x, states, parameters)
    team = team_of(which, steps, shape)
    ready = prepared(_prepare, which, steps, shape, team)
    arguments, given = ready.arguments(), ready.given
    block = arguments.block
    dx = x.new_empty(x.shape) if which.input_is_ours and input_wanted else None
    block[given.dx] = 0 if dx is None else dx.data_ptr()
    block[given.x] = x.data_ptr()
    if not which.input_is_ours:
        chunk = x.new_empty(steps.rows * (given.width + PAD) + 64)
        block[given.chunk] = chunk.data_ptr()
    sums = x.new_empty(given.total)
    block[given.sums] = sums.data_ptr()
    results: dict[str, Tensor | None] = {}
    for name, slot in given.matrices:
        results[name] = result = x.new_empty(parameters[name].shape)
        block[slot] = result.data_ptr()
    arguments.give_parameters(parameters)
    masks = give_masks(block, ready.slots, which.program, steps, call.seed)
    for name, begin in stored(which, steps.rows, shape).addresses(saved).items():
        block[given.stored[name]] = begin
    count = len(which.program.states)
    seeds = dict(
        zip((which.program.states[0].name, *call.record), (gradients[0], *gradients[1 + count :]), strict=True)
    )
    alive = []
    for name, (slot, size) in given.seeds.items():
        seed = seeds[name]
        alive.append(x.new_zeros(steps.rows, size) if seed is None else seed.contiguous())
        block[slot] = alive[-1].data_ptr()
    places = []
    for (initial, slot, two), value, end in zip(given.states, states, gradients[1 : 1 + count], strict=True):
        place = torch.zeros_like(value) if end is None else end.clone(memory_format=torch.contiguous_format)
        places.append(torch.stack([place, place]) if two else place)
        block[slot] = places[-1].data_ptr()
        block[initial] = value.data_ptr()
    squares = []
    for name, slot in given.squares:
        squares.append((name, x.new_zeros(team[0], steps.rows)))
        block[slot] = squares[-1][1].data_ptr()
    which.run_backward().run(block, team[0])
    del masks, alive  # which lived as long as the kernel read them
    ready.take_back(arguments)
    if call.watch is not None:
        for name, of_parts in squares:
            call.watch(name, of_parts.sum(dim=0).sqrt_())
    d_states = [place[0] if two else place for place, (_, _, two) in zip(places, given.states, strict=True)]
    if not which.input_is_ours:
        dx = chunk[: steps.rows * (given.width + PAD)].view(steps.rows, given.width + PAD)[:, : x.shape[1]]
    d_parameters = [results[n] if n in results else _from_sums(sums, given.vectors.get(n)) for n in parameters]
    return [dx, *d_states, *d_parameters]


@lru_cache(maxsize=256)
def _columns(which: Kernels, shape: tuple[int, int, int]) -> tuple[int, int, dict[str, tuple[bool, Pieces]]]:
    """How wide a chunk and the sums are, and the pieces of each vector; whether an earlier one has some of them too."""
    assert which.backward is not None  # this is training
    sizes = sizes_of(shape)
    plan = which.backward
    columns_of = {**plan.columns, **plan.totals}
    begins = {name: at.H * sizes["H"] + at.P * sizes["P"] for name, at in columns_of.items()}
    own = {f"dz_{value.name}": value.size for value in which.program.values if value.op == "affine"}
    own |= {name: plan.total_size(name) for name in plan.totals}
    width, total = (max(begins[name] + sizes[own[name]] for name in names) for names in (plan.columns, columns_of))
    summed = {name for name, _ in which.sums} | plan.totals.keys()
    blocks = {(name, 0): f"dp_{name}" for name in which.layout.shapes}
    for affine, places in which.layout.biases.items():
        blocks |= {(each.parameter, each.position): f"dz_{which.program.values[affine].name}" for each in places}
    found: dict[str, tuple[bool, Pieces]] = {}
    taken: set[int] = set()
    for name, weights in which.layout.shapes.items():
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
        found[name] = bool(used & taken), tuple(pieces)
        taken |= used
    return width, total, found


def _from_sums(sums: Tensor, where: tuple[bool, Pieces] | None) -> Tensor | None:
    """The gradient of a vector, from the sums over rows and steps."""
    if where is None:
        return None
    shared, pieces = where
    if pieces == ((0, len(sums)),):
        return sums.clone() if shared else sums
    found = [sums.new_zeros(length) if begin is None else sums.narrow(0, begin, length) for begin, length in pieces]
    if len(found) > 1:
        return torch.cat(found)
    return found[0].clone() if shared else found[0]  # no two gradients in the same memory


def _prepare(which: Kernels, steps: Steps, shape: tuple[int, int, int], team: tuple[int, bool]) -> Prepared:
    """The arguments that follow from a call's shape."""
    plan, lanes = which.backward, which.target.lanes
    assert plan is not None  # this is training
    I, H, P = shape
    sizes = sizes_of(shape)
    width, _, _ = _columns(which, shape)
    memory = Memory(which.dtype)
    rows = give_steps(memory, steps, *team, whole=not which.input_is_ours)
    half_ld = width // 2 + len(plan.columns) + 8
    give_absent_biases(memory, which, H)
    memory.numbers(I=I, H=H, P=P, chunk_ld=width + PAD, half_ld=half_ld, rows=steps.rows)
    if which.input_is_ours:
        memory.scratch("chunk", rows * (width + PAD) + 64)
        memory.scratch("input weights", packed(I, len(which.inputs) * (H + 1), lanes))
    memory.scratch("half chunk", rows * half_ld)
    memory.scratch("packed gradients", width * (rows + 1) + 64)
    for position, source in enumerate(which.sources):
        memory.scratch(f"source {position}", packed(sizes[source.size], rows + 1, lanes))
    give_stages(memory, plan, sizes, steps.B, lanes)
    slots = which.run_backward().slots
    names = ["x", "dx", "chunk", "sums", *mask_names(which.program)]
    names += [f"gradient {name}" for name in which.layout.shapes]
    names += [f"sequence {name}" for name, _ in (*which.forward.loop.stored, *plan.loop.sequences)]
    names += [f"{kind} {state.name}" for state in which.program.states for kind in ("initial", "place")]
    names += [f"squares {name}" for name, _ in plan.watched]
    return Prepared(memory, slots, parameter_slots(which, slots, H), names, _given(which, steps, shape, slots))


def _given(which: Kernels, steps: Steps, shape: tuple[int, int, int], slots: Mapping[str, int]) -> _Given:
    plan, sizes, unread = which.backward, sizes_of(shape), spare(slots)
    assert plan is not None  # this is training
    own = stored(which, steps.rows, shape)
    width, total, vectors = _columns(which, shape)

    def slot(name: str) -> int:
        return slots.get(name, unread)

    read = dict(plan.loop.sequences)
    return _Given(
        slot("x"),
        slot("dx"),
        slot("chunk"),
        slot("sums"),
        width,
        total,
        tuple(
            (name, slots[f"gradient {name}"])
            for name, weights in which.layout.shapes.items()
            if weights.columns is not None and f"gradient {name}" in slots
        ),
        vectors,
        {name: slot(f"sequence {name}") for name in (*dict(own.results), *(name for name, _, _ in own.hidden))},
        {
            name: (slot(f"sequence d_{name}"), sizes[read[f"d_{name}"]])
            for name, _ in own.results
            if f"d_{name}" in read
        },
        tuple(
            (slot(f"initial {s.name}"), slot(f"place {s.name}"), s.name in plan.schedule.whole_states)
            for s in which.program.states
        ),
        tuple((name, slot(f"squares {name}")) for name, _ in plan.watched),
    )
