"""BPTT: memory for a backward loop, its kernel, and the gradients that it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from ricorda.engines.cpu.call import Call, prepared, shape_of, sizes_of, taken_apart, team_of
from ricorda.engines.cpu.memory import (
    Memory,
    Prepared,
    give_absent_biases,
    give_masks,
    give_stages,
    give_steps,
    packed,
    parameter_slots,
)
from ricorda.engines.cpu.plans import Kernels
from ricorda.engines.cpu.steps import Steps

PAD = 16
"""Numbers between the rows of a chunk, lest they all fall in the same sets of the cache."""


def backward(
    call: Call,
    tensors: Sequence[Tensor],
    saved: Sequence[Tensor],
    gradients: Sequence[Tensor | None],
    input_wanted: bool,
) -> list[Tensor | None]:
    """The gradients of input, initial states and parameters from those of output, final states and records."""
    which, steps = call.kernels, call.steps
    plan, program = which.backward, which.program
    assert plan is not None  # this is training
    x, states, parameters = taken_apart(call, tensors)
    shape = shape_of(call, x, states, parameters)
    sizes = sizes_of(shape)
    team = team_of(which, steps, shape)
    ready = prepared(_prepare, which, steps, shape, team)
    arguments = ready.arguments()
    width, pieces = _columns(which, shape)
    dx = torch.empty_like(x) if which.input_is_ours and input_wanted else None
    arguments.give("dx", dx)
    if which.input_is_ours:
        arguments.give("x", x)
    else:
        chunk = x.new_empty(steps.rows * (width + PAD) + 64)
        arguments.give("chunk", chunk)
    sums = x.new_empty(width)
    arguments.give("sums", sums)
    results = {name: torch.empty_like(p) for name, p in parameters.items() if p.dim() == 2}
    for name, result in results.items():
        arguments.give(f"gradient {name}", result)
    arguments.give_parameters(parameters)
    give_masks(arguments, program, steps, call.seed)
    for (name, _), sequence in zip(which.forward.loop.stored, saved, strict=True):
        arguments.give(f"sequence {name}", sequence)
    count = len(program.states)
    seeds = {f"d_{program.states[0].name}": gradients[0]}
    seeds |= {f"d_{name}": given for name, given in zip(call.record, gradients[1 + count :], strict=True)}
    for name, size in plan.loop.sequences:
        if name in seeds:
            given = seeds[name]
            given = x.new_zeros(steps.rows, sizes[size]) if given is None else given.contiguous()
            arguments.give(f"sequence {name}", given)
    places = []
    for state, value, given in zip(program.states, states, gradients[1 : 1 + count], strict=True):
        arguments.give(f"initial {state.name}", value)
        place = torch.zeros_like(value) if given is None else given.clone(memory_format=torch.contiguous_format)
        if state.name in plan.schedule.whole_states:
            place = torch.stack([place, place])
        places.append(place)
        arguments.give(f"place {state.name}", place)
    squares = {}
    for name, _ in plan.watched:
        squares[name] = x.new_zeros(team[0], steps.rows)
        arguments.give(f"squares {name}", squares[name])
    which.run_backward().run(arguments.block(), team[0])
    ready.take_back(arguments)
    if call.watch is not None:
        for name, sums_of_parts in squares.items():
            call.watch(name, sums_of_parts.sum(dim=0).sqrt_())
    d_states = [place[0] if place.dim() == 3 else place for place in places]
    if not which.input_is_ours:
        dx = chunk[: steps.rows * (width + PAD)].view(steps.rows, width + PAD)[:, : x.shape[1]]
        results.pop("weight_ih", None)
    d_parameters = [results[name] if name in results else _from_sums(sums, pieces.get(name)) for name in parameters]
    return [dx, *d_states, *d_parameters]


Pieces = tuple[tuple[int | None, int], ...]
"""Where the blocks of a vector's gradient begin in the sums (None: zeros), and how long they are; as few as can be."""


@lru_cache(maxsize=256)
def _columns(which: Kernels, shape: tuple[int, int, int]) -> tuple[int, dict[str, tuple[bool, Pieces]]]:
    """How wide the rows of a chunk are, and the pieces of each vector; whether an earlier one has some of them too."""
    assert which.backward is not None  # this is training
    sizes = sizes_of(shape)
    begins = {name: at.H * sizes["H"] + at.P * sizes["P"] for name, at in which.backward.columns.items()}
    own = {f"dz_{value.name}": value.size for value in which.program.values if value.op == "affine"}
    width = max(begin + sizes[own.get(name, "H")] for name, begin in begins.items())
    summed = {name for name, _ in which.sums}
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
    return width, found


def _from_sums(sums: Tensor, where: tuple[bool, Pieces] | None) -> Tensor | None:
    """The gradient of a vector, from the sums over rows and steps."""
    if where is None:
        return None
    shared, pieces = where
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
    width, _ = _columns(which, shape)
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
    return Prepared(memory, slots, parameter_slots(which, slots, H))
