"""BPTT: memory for a backward loop, its kernel, and the gradients that it leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ricorda.engines.cpu.call import Call, sizes_of, taken_apart, team_of
from ricorda.engines.cpu.memory import Memory, give_masks, give_parameters, give_stages, give_steps, packed
from ricorda.engines.cpu.plans import Kernels


def backward(
    call: Call,
    tensors: Sequence[Tensor],
    saved: Sequence[Tensor],
    gradients: Sequence[Tensor | None],
    input_wanted: bool,
) -> list[Tensor | None]:
    """The gradients of input, initial states and parameters from those of output, final states and records."""
    which, steps = call.kernels, call.steps
    plan, program, lanes = which.backward, which.program, which.target.lanes
    assert plan is not None  # this is training
    x, states, parameters = taken_apart(call, tensors)
    sizes = sizes_of(call, x, states, parameters)
    memory = Memory(x.dtype)
    memory.numbers(I=sizes["I"], H=sizes["H"], P=sizes["P"])
    work = 4.0 * steps.rows * sum(parameter.numel() for parameter in parameters.values())
    parts, by_units = team_of(steps, work)
    rows = give_steps(memory, steps, parts, by_units, whole=not which.input_is_ours)
    columns = {name: start.H * sizes["H"] + start.P * sizes["P"] for name, start in plan.columns.items()}
    ends = {f"dz_{program.values[index].name}": program.values[index].size for index in program.affines}
    width = max(start + sizes[ends.get(name, "H")] for name, start in columns.items())
    ld = width + 16
    chunk = x.new_empty(rows * ld + 64)
    memory.give("chunk", chunk)
    memory.numbers(chunk_ld=ld)
    memory.scratch("packed gradients", width * (rows + 1) + 64)
    half_ld = sum(-(-sizes[ends.get(name, "H")] // 2) for name in columns) + 8
    memory.numbers(half_ld=half_ld)
    memory.scratch("half chunk", rows * half_ld)
    for position, source in enumerate(which.sources):
        memory.scratch(f"source {position}", packed(sizes[source.size], rows + 1, lanes))
    dx = torch.empty_like(x) if which.input_is_ours and input_wanted else None
    if which.input_is_ours:
        memory.give("x", x)
        memory.scratch("input weights", packed(sizes["I"], len(which.inputs) * sizes["H"], lanes))
    memory.give("dx", dx)
    sums = x.new_empty(width)
    memory.give("sums", sums)
    results = {name: torch.empty_like(parameter) for name, parameter in parameters.items()}
    for name, result in results.items():
        memory.give(f"gradient {name}", result)
    give_stages(memory, plan, sizes, steps.B, lanes)
    give_parameters(memory, which, parameters, sizes["H"])
    give_masks(memory, program, steps, call.seed)
    for (name, _), sequence in zip(which.forward.loop.stored, saved, strict=True):
        memory.give(f"sequence {name}", sequence)
    count = len(program.states)
    first = program.states[0].name
    seeds = {f"d_{first}": gradients[0]}
    seeds |= {f"d_{name}": given for name, given in zip(call.record, gradients[1 + count :], strict=True)}
    for line in plan.loop.lines:
        if line.op == "sequence" and line.name in seeds:
            given = seeds[line.name]
            zero = given is None
            memory.give(
                f"sequence {line.name}", x.new_zeros(steps.rows, sizes[line.size]) if zero else given.contiguous()
            )
    places = []
    for state, value, given in zip(program.states, states, gradients[1 : 1 + count], strict=True):
        memory.give(f"initial {state.name}", value)
        place = torch.zeros_like(value) if given is None else given.clone(memory_format=torch.contiguous_format)
        if state.name in plan.schedule.whole_states:
            place = torch.stack([place, place])
        places.append(place)
        memory.give(f"place {state.name}", place)
    squares = {}
    for name, _ in plan.watched:
        squares[name] = x.new_zeros(parts, steps.rows)
        memory.give(f"squares {name}", squares[name])
    memory.numbers(rows=steps.rows)
    kernel = which.run_backward()
    kernel.run(memory.block(kernel.slots), parts)
    if call.watch is not None:
        for name, sums_of_parts in squares.items():
            call.watch(name, sums_of_parts.sum(dim=0).sqrt_())
    d_states = [place[0] if place.dim() == 3 else place for place in places]
    if not which.input_is_ours:
        dx = chunk[: rows * ld].view(rows, ld)[:, : x.shape[1]]
    d_parameters = [_gradient(which, name, results, sums, columns, sizes) for name in parameters]
    return [dx, *d_states, *d_parameters]


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
