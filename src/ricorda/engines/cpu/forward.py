"""The forward pass: memory for a loop, its kernel, and what it leaves."""

from __future__ import annotations

from collections.abc import Sequence

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
    padded,
    parameter_slots,
)
from ricorda.engines.cpu.plans import Kernels
from ricorda.engines.cpu.steps import Steps


def forward(call: Call, tensors: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Run the forward loop.

    Parameters
    ----------
    tensors : input, or what the affines have beside their states where `Kernels.inputs` is empty, [N, size] or, where
        all rows have all steps, [T, B, size]; states; parameters

    Returns
    -------
    results
        Output, final states and records, in the form of the input.
    sequences
        What the loop stored, in the order of `Loop.stored`, for BPTT.
    """
    which, steps, plan = call.kernels, call.steps, call.kernels.forward
    x, states, parameters = taken_apart(call, tensors)
    shape = shape_of(call, x, states, parameters)
    sizes = sizes_of(shape)
    team = team_of(which, steps, shape)
    ready = prepared(prepare, which, steps, shape, team)
    arguments = ready.arguments()
    arguments.give("x" if which.input_is_ours else "chunk", x)
    arguments.give_parameters(parameters)
    give_masks(arguments, which.program, steps, call.seed)
    sequences = {}
    for name, line in plan.loop.stored:
        sequences[name] = sequence = x.new_empty(*x.shape[:-1], sizes[plan.loop.lines[line].size])
        arguments.give(f"sequence {name}", sequence)
    places = {}
    for state, value in zip(which.program.states, states, strict=True):
        arguments.give(f"initial {state.name}", value)
        if state.name not in sequences:
            two = state.name in plan.schedule.whole_states
            places[state.name] = torch.stack([value, value]) if two else value.clone()
            arguments.give(f"place {state.name}", places[state.name])
    which.run_forward().run(arguments.block(), team[0])
    ready.take_back(arguments)
    finals = []
    for state, initial in zip(which.program.states, states, strict=True):
        if state.name in sequences:
            finals.append(_final_of_sequence(steps, sequences[state.name], initial))
        else:
            finals.append(_final_of_place(steps, places[state.name], state.name in plan.schedule.whole_states))
    first = which.program.states[0].name
    return (sequences[first], *finals, *(sequences[name] for name in call.record)), tuple(sequences.values())


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
    return Prepared(memory, slots, parameter_slots(which, slots, H))


def _final_of_sequence(steps: Steps, sequence: Tensor, initial: Tensor) -> Tensor:
    if steps.ends is None:
        low = int(steps.offsets[-1])
        return (sequence[low // steps.B] if sequence.dim() == 3 else sequence.narrow(0, low, steps.B)).clone()
    last = torch.from_numpy(steps.offsets)[(steps.ends - 1).clamp(min=0)] + torch.arange(steps.B, device="cpu")
    return torch.where(steps.ends[:, None] > 0, sequence[last.clamp(max=max(steps.rows - 1, 0))], initial)


def _final_of_place(steps: Steps, place: Tensor, two: bool) -> Tensor:
    if not two:
        return place
    ends = torch.full((steps.B,), steps.T, device="cpu") if steps.ends is None else steps.ends
    return torch.where((ends % 2 == 1)[:, None], place[0], place[1])
