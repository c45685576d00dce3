"""The forward pass: memory for a loop, its kernel, and what it leaves."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ricorda.engines.cpu.call import Call, sizes_of, taken_apart, team_of
from ricorda.engines.cpu.memory import Memory, give_masks, give_parameters, give_stages, give_steps, packed, padded
from ricorda.engines.cpu.steps import Steps


def forward(call: Call, tensors: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Output, final states and records; and the sequences that BPTT reads, in the order of `_saved_names`."""
    which, steps, plan = call.kernels, call.steps, call.kernels.forward
    program, lanes = which.program, which.target.lanes
    x, states, parameters = taken_apart(call, tensors)
    sizes = sizes_of(call, x, states, parameters)
    memory = Memory(x.dtype)
    memory.numbers(I=sizes["I"], H=sizes["H"], P=sizes["P"])
    z_columns = sum(sizes[program.values[index].size] for index in which.z_names)
    work = 2.0 * steps.rows * sum(parameter.numel() for parameter in parameters.values())
    parts, by_units = team_of(steps, work)
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
