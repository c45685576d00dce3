"""BPTT: memory for a backward loop, its kernel, and the gradients that it leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ricorda.engines.cpu.call import Call, prepared, sizes_of, taken_apart, team_of
from ricorda.engines.cpu.memory import Memory, Prepared, give_masks, give_parameters, give_stages, give_steps, packed
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
    sizes = sizes_of(call, x, states, parameters)
    team = team_of(which, steps, sizes)
    shape = sizes["I"], sizes["H"], sizes["P"]
    arguments = prepared(_prepare, which, steps, shape, team).arguments()
    columns, width = columns_of(which, sizes)
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
    give_parameters(arguments, which, parameters, sizes["H"])
    give_masks(arguments, program, steps, call.seed)
    for (name, _), sequence in zip(which.forward.loop.stored, saved, strict=True):
        arguments.give(f"sequence {name}", sequence)
    count = len(program.states)
    seeds = {f"d_{program.states[0].name}": gradients[0]}
    seeds |= {f"d_{name}": given for name, given in zip(call.record, gradients[1 + count :], strict=True)}
    for line in plan.loop.lines:
        if line.op == "sequence" and line.name in seeds:
            given = seeds[line.name]
            if given is None:
                given = x.new_zeros(steps.rows, sizes[line.size])
            arguments.give(f"sequence {line.name}", given.contiguous())
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
    if call.watch is not None:
        for name, sums_of_parts in squares.items():
            call.watch(name, sums_of_parts.sum(dim=0).sqrt_())
    d_states = [place[0] if place.dim() == 3 else place for place in places]
    if not which.input_is_ours:
        dx = chunk[: steps.rows * (width + PAD)].view(steps.rows, width + PAD)[:, : x.shape[1]]
    d_parameters = [_gradient(which, name, results, sums, columns, sizes) for name in parameters]
    return [dx, *d_states, *d_parameters]


def columns_of(which: Kernels, sizes: Mapping[str, int]) -> tuple[dict[str, int], int]:
    """Where each gradient begins in the rows of a chunk, and how wide these are."""
    assert which.backward is not None  # this is training
    begins = {name: at.H * sizes["H"] + at.P * sizes["P"] for name, at in which.backward.columns.items()}
    own = {f"dz_{value.name}": value.size for value in which.program.values if value.op == "affine"}
    return begins, max(begin + sizes[own.get(name, "H")] for name, begin in begins.items())


def _prepare(which: Kernels, steps: Steps, shape: tuple[int, int, int], team: tuple[int, bool]) -> Prepared:
    """The arguments that follow from a call's shape."""
    plan, lanes = which.backward, which.target.lanes
    assert plan is not None  # this is training
    I, H, P = shape
    sizes = {"I": I, "H": H, "P": P, "1": 1}
    columns, width = columns_of(which, sizes)
    memory = Memory(which.dtype)
    rows = give_steps(memory, steps, *team, whole=not which.input_is_ours)
    half_ld = width // 2 + len(columns) + 8
    memory.numbers(I=I, H=H, P=P, chunk_ld=width + PAD, half_ld=half_ld, rows=steps.rows)
    if which.input_is_ours:
        memory.scratch("chunk", rows * (width + PAD) + 64)
        memory.scratch("input weights", packed(I, len(which.inputs) * (H + 1), lanes))
    memory.scratch("half chunk", rows * half_ld)
    memory.scratch("packed gradients", width * (rows + 1) + 64)
    for position, source in enumerate(which.sources):
        memory.scratch(f"source {position}", packed(sizes[source.size], rows + 1, lanes))
    give_stages(memory, plan, sizes, steps.B, lanes)
    return Prepared(memory, which.run_backward().slots)


def _gradient(
    which: Kernels,
    name: str,
    results: Mapping[str, Tensor],
    sums: Tensor,
    columns: Mapping[str, int],
    sizes: Mapping[str, int],
) -> Tensor | None:
    """The gradient of a parameter: a product's result, or pieces of the sums over rows and steps."""
    shape = which.layout.shapes[name]
    if shape.columns is not None:
        return None if name == "weight_ih" and not which.input_is_ours else results[name]
    summed = dict(which.sums)
    pieces: dict[int, Tensor] = {}
    if f"dp_{name}" in summed:
        pieces[0] = sums.narrow(0, columns[f"dp_{name}"], sizes[shape.rows[0]])
    for affine, blocks in which.layout.biases.items():
        for block in blocks:
            z = f"dz_{which.program.values[affine].name}"
            if block.parameter == name and z in summed:
                pieces[block.position] = sums.narrow(0, columns[z], sizes[shape.rows[block.position]])
    if not pieces:
        return None
    zero = sums.new_zeros(sizes[shape.rows[0]])
    return torch.cat([pieces.get(position, zero) for position in range(len(shape.rows))])
