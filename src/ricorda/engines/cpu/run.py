"""The CPU engine: a cell's loops as machine code, and their place in torch's autograd."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ricorda.engines import Run, reference
from ricorda.engines.cpu.compile import in_fork, openmp
from ricorda.engines.cpu.differentiable import gradients as differentiable_gradients
from ricorda.engines.cpu.inputs import input_parts, input_values
from ricorda.engines.cpu.memory import Memory, give_masks, give_parameters, give_stages, give_steps, packed, padded
from ricorda.engines.cpu.plans import Kernels, kernels
from ricorda.engines.cpu.steps import Steps, full, ragged
from ricorda.engines.cpu.target import host
from ricorda.program.differentiate import sequence_name
from ricorda.program.ir import Program


def run(
    program: Program,
    parameters: Mapping[str, Tensor],
    x: Tensor,
    states: Sequence[Tensor],
    *,
    lengths: Tensor | None = None,
    reverse: bool = False,
    record: Sequence[str] = (),
    seed: int = 0,
    bf16: bool = False,
) -> Run:
    """Run a program over a sequence; see `ricorda.engines`.

    Parameters
    ----------
    bf16 : bool
        Whether the factors of float32 products are rounded to bf16; sums and states stay in float32.
    """
    T, B, I = x.shape
    if B == 0 or (lengths is not None and not bool(lengths.any())):
        return reference.run(program, parameters, x, states, lengths=lengths, reverse=reverse, record=record, seed=seed)
    if lengths is None or bool((lengths == T).all()):
        steps, flat = full(T, B, reverse), x.reshape(T * B, I)
    else:
        steps = ragged(T, lengths, reverse)
        flat = x.reshape(T * B, I).index_select(0, steps.positions)
        states = [state.index_select(0, steps.order) for state in states]
    training = torch.is_grad_enabled() and any(each.requires_grad for each in (x, *states, *parameters.values()))
    bias = any(name.startswith("bias_") for name in parameters)
    target = host("f64") if x.dtype == torch.float64 else host("f32", "bf16" if bf16 else None)
    found = kernels(program, bias, tuple(record), training, target)
    of_input = input_values(program, flat)
    indices = {name: dict(program.names)[name] for name in record}
    names = {name: sequence_name(program, index) for name, index in indices.items() if index not in of_input}
    first = program.states[0].name
    stored = tuple(dict.fromkeys(sequence for sequence in names.values() if sequence != first))
    asked = {sequence: name for name, sequence in names.items()}
    values = tuple(asked[sequence] for sequence in stored)
    call = _Call(found, steps, tuple(parameters), stored, seed, reverse, values)
    given = flat if found.input_is_ours else input_parts(program, found.layout, found.z_names, parameters, of_input)
    tensors = (given, *states, *parameters.values())
    results = _Autograd.apply(call, *tensors) if training else _forward(call, tensors)[0]
    output, finals, recorded = results[0], results[1 : 1 + len(states)], results[1 + len(states) :]
    traces = {first: output, **dict(zip(call.record, recorded, strict=True))}

    def over_time(values: Tensor) -> Tensor:
        if steps.positions is not None:
            values = values.new_zeros(T * B, values.shape[1]).index_copy(0, steps.positions, values)
        return values.view(T, B, values.shape[1])

    if steps.order is not None:
        back = steps.order.argsort()
        finals = tuple(state.index_select(0, back) for state in finals)
    records = {name: traces[names[name]] if name in names else of_input[index] for name, index in indices.items()}
    return Run(over_time(output), tuple(finals), {name: over_time(values) for name, values in records.items()})


@dataclass(frozen=True, eq=False)
class _Call:
    """One run of a layer in one direction."""

    kernels: Kernels
    steps: Steps
    parameters: tuple[str, ...]
    record: tuple[str, ...]
    seed: int
    reverse: bool
    values: tuple[str, ...]
    """Names of the values that the records are."""


class _Autograd(torch.autograd.Function):
    """The forward loop with BPTT as its derivative."""

    @staticmethod
    def forward(ctx: Any, call: _Call, *tensors: Tensor) -> tuple[Tensor, ...]:
        results, sequences = _forward(call, tensors)
        ctx.call = call
        ctx.count = len(sequences)
        ctx.save_for_backward(*tensors, *sequences)
        ctx.set_materialize_grads(False)
        return results

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        split = len(saved) - ctx.count
        if torch.is_grad_enabled():  # what torch does for create_graph=True
            call, which = ctx.call, ctx.call.kernels
            return None, *differentiable_gradients(
                which.program,
                () if which.input_is_ours else which.z_names,
                call.parameters,
                call.steps,
                call.reverse,
                call.values,
                call.seed,
                saved[:split],
                gradients,
                ctx.needs_input_grad[1:],
            )
        return None, *_backward(ctx.call, saved[:split], saved[split:], gradients, ctx.needs_input_grad[1])


def _backward(
    call: _Call,
    tensors: Sequence[Tensor],
    saved: Sequence[Tensor],
    gradients: Sequence[Tensor | None],
    input_wanted: bool,
) -> list[Tensor | None]:
    """The gradients of input, initial states and parameters from those of output, final states and records."""
    which, steps = call.kernels, call.steps
    plan, program, lanes = which.backward, which.program, which.target.lanes
    assert plan is not None  # this is training
    x, states, parameters = _taken_apart(call, tensors)
    sizes = _sizes(call, x, states, parameters)
    memory = Memory(x.dtype)
    memory.numbers(I=sizes["I"], H=sizes["H"], P=sizes["P"])
    work = 4.0 * steps.rows * sum(parameter.numel() for parameter in parameters.values())
    parts, by_units = _team(steps, work)
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
    kernel = which.run_backward()
    kernel.run(memory.block(kernel.slots), parts)
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


def _sizes(call: _Call, x: Tensor, states: Sequence[Tensor], parameters: Mapping[str, Tensor]) -> dict[str, int]:
    shape = next((s, n) for n, s in call.kernels.layout.shapes.items() if s.rows[0] == "H")
    H = parameters[shape[1]].shape[0] // len(shape[0].rows)
    return {"I": x.shape[1], "H": H, "P": states[0].shape[1], "1": 1}


def _team(steps: Steps, work: float) -> tuple[int, bool]:
    """How many threads share the work, and whether they share units rather than rows."""
    threads = torch.get_num_threads() if openmp() else 1
    if work < ALONE or threads == 1 or in_fork():
        return 1, False
    return threads, steps.B < 2 * threads


ALONE = 4e6
"""Floating-point operations that are not worth waking another thread for."""


def _forward(call: _Call, tensors: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Output, final states and records; and the sequences that BPTT reads, in the order of `_saved_names`."""
    which, steps, plan = call.kernels, call.steps, call.kernels.forward
    program, lanes = which.program, which.target.lanes
    x, states, parameters = _taken_apart(call, tensors)
    sizes = _sizes(call, x, states, parameters)
    memory = Memory(x.dtype)
    memory.numbers(I=sizes["I"], H=sizes["H"], P=sizes["P"])
    z_columns = sum(sizes[program.values[index].size] for index in which.z_names)
    work = 2.0 * steps.rows * sum(parameter.numel() for parameter in parameters.values())
    parts, by_units = _team(steps, work)
    rows = give_steps(memory, steps, parts, by_units, whole=not which.input_is_ours)
    if which.input_is_ours:
        ld = z_columns + 16
        memory.give("x", x)
        memory.scratch("chunk", rows * ld + 64)
        memory.scratch("half x", rows * sizes["I"])
        memory.scratch("input weights", packed(z_columns, sizes["I"], lanes))
        memory.scratch("input bias", padded(z_columns, lanes))
    else:
        ld = z_columns
        memory.give("chunk", x)
    memory.numbers(chunk_ld=ld)
    give_stages(memory, plan, sizes, steps.B, lanes)
    give_parameters(memory, which, parameters, sizes["H"])
    give_masks(memory, program, steps, call.seed)
    sequences = {name: x.new_empty(steps.rows, sizes[plan.loop.lines[line].size]) for name, line in plan.loop.stored}
    for name, sequence in sequences.items():
        memory.give(f"sequence {name}", sequence)
    places = {}
    for state, value in zip(program.states, states, strict=True):
        memory.give(f"initial {state.name}", value := value.contiguous())
        if state.name not in sequences:
            two = state.name in plan.schedule.whole_states
            places[state.name] = torch.stack([value, value]) if two else value.clone()
            memory.give(f"place {state.name}", places[state.name])
    kernel = which.run_forward()
    kernel.run(memory.block(kernel.slots), parts)
    finals = []
    for state, initial in zip(program.states, states, strict=True):
        if state.name in sequences:
            finals.append(_final_of_sequence(steps, sequences[state.name], initial))
        else:
            finals.append(_final_of_place(steps, places[state.name], state.name in plan.schedule.whole_states))
    first = program.states[0].name
    records = [sequences[name] for name in call.record]
    saved = tuple(sequences.values())
    return (sequences[first], *finals, *records), saved


def _final_of_sequence(steps: Steps, sequence: Tensor, initial: Tensor) -> Tensor:
    if steps.ends is None:
        return sequence.narrow(0, int(steps.offsets[-1]), steps.B).clone()
    last = torch.from_numpy(steps.offsets)[(steps.ends - 1).clamp(min=0)] + torch.arange(steps.B, device="cpu")
    return torch.where(steps.ends[:, None] > 0, sequence[last.clamp(max=max(steps.rows - 1, 0))], initial)


def _final_of_place(steps: Steps, place: Tensor, two: bool) -> Tensor:
    if not two:
        return place
    ends = torch.full((steps.B,), steps.T, device="cpu") if steps.ends is None else steps.ends
    return torch.where((ends % 2 == 1)[:, None], place[0], place[1])


def _taken_apart(call: _Call, tensors: Sequence[Tensor]) -> tuple[Tensor, Sequence[Tensor], dict[str, Tensor]]:
    count = len(call.kernels.program.states)
    tensors = [tensor.contiguous() for tensor in tensors]
    return tensors[0], tensors[1 : 1 + count], dict(zip(call.parameters, tensors[1 + count :], strict=True))
