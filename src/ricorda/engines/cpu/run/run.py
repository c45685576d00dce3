"""The CPU engine's `run`: a program over a sequence, of any lengths, with records, in any manner."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from ricorda.engines import Run, reference
from ricorda.engines.cpu.kernels.kernels import Kernels, kernels_for
from ricorda.engines.cpu.run.autograd import Loop
from ricorda.engines.cpu.run.call import Call
from ricorda.engines.cpu.run.checkpoint import Segmented, segment_steps
from ricorda.engines.cpu.run.forward import forward
from ricorda.engines.cpu.run.inputs import input_parts, input_values, is_of_input
from ricorda.engines.cpu.run.shapes import check_shapes
from ricorda.engines.cpu.run.steps import full, ragged
from ricorda.engines.cpu.words import target
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
    checkpoint: str | int | None = None,
    watch: Callable[[str, Tensor], None] | None = None,
) -> Run:
    """Run a program over a sequence; see `ricorda.engines`.

    Parameters
    ----------
    bf16 : bool
        Whether the factors of float32 products are rounded to bf16; sums and states stay in float32.
    checkpoint : "sqrt", int or None
        Steps of the segments that are run again in BPTT, to save memory.
    watch : callable
        Gets, during BPTT, each state's name and the norms [T, B] of the gradient of its new value at each step and row.
    """
    T, B, I = x.shape
    if B == 0 or (lengths is not None and not bool(lengths.any())):
        return reference.run(
            program, parameters, x, states,
            lengths=lengths, reverse=reverse, record=record, seed=seed, watch=watch,
        )  # fmt: skip
    given = x
    if lengths is None or bool((lengths == T).all()):
        steps = full(T, B, reverse)
    else:
        steps = ragged(T, lengths, reverse)
        assert steps.positions is not None  # rows end at different steps
        assert steps.order is not None
        given = x.reshape(T * B, I).index_select(0, steps.positions)
        states = [state.index_select(0, steps.order) for state in states]
    training = torch.is_grad_enabled() and any(each.requires_grad for each in (x, *states, *parameters.values()))
    names, record = tuple(parameters), tuple(record)
    element = "f64" if x.dtype == torch.float64 else "f32"
    processor = target.host(element, "bf16" if bf16 and element == "f32" else None, few=B <= target.FEW)
    found = kernels_for(program, names, processor, training=training, record=record, watch=watch is not None)
    check_shapes(found, parameters, x, states)
    traced = _traces(found, tuple(record))
    of_input = input_values(program, given.reshape(-1, I)) if record or not found.input_is_ours else {}
    if not found.input_is_ours:
        given = input_parts(program, found.layout, found.z_names, parameters, of_input)

    def over_time(values: Tensor) -> Tensor:
        if values.dim() == 3:
            return values
        if steps.positions is not None:
            values = values.new_zeros(T * B, values.shape[1]).index_copy(0, steps.positions, values)
        return values.view(T, B, values.shape[1])

    watcher = None if watch is None else lambda name, norms: watch(name, over_time(norms[:, None])[..., 0])
    call = Call(found, steps, names, tuple(traced), tuple(traced.values()), seed, reverse, watcher)
    if training and checkpoint is not None:
        length = segment_steps(checkpoint, steps)
        without = kernels_for(program, names, processor, record=record)
        flat = given.reshape(-1, given.shape[-1])
        results = Segmented.apply(call, without, length, flat, *states, *parameters.values())  # type: ignore[no-untyped-call]
    elif training:
        results = Loop.apply(call, given, *states, *parameters.values())  # type: ignore[no-untyped-call]
    else:
        results = forward(call, (given, *states, *parameters.values()))[0]
    output, finals, recorded = results[0], results[1 : 1 + len(states)], results[1 + len(states) :]
    if steps.order is not None:
        back = steps.order.argsort()
        finals = tuple(state.index_select(0, back) for state in finals)
    output = over_time(output)
    if not record:
        return Run(output, finals, {})
    values = dict(zip(traced, recorded, strict=True))
    records = {}
    for name in record:
        index = dict(program.names)[name]
        sequence = sequence_name(program, index)
        if index in of_input:
            records[name] = over_time(of_input[index])
        else:
            records[name] = output if sequence == program.states[0].name else over_time(values[sequence])
    return Run(output, finals, records)


@lru_cache(maxsize=256)
def _traces(which: Kernels, record: tuple[str, ...]) -> dict[str, str]:
    """The stored sequences that records are, and the name of the value that each is; the output is one as it is."""
    program = which.program
    found = {}
    for name in record:
        index = dict(program.names)[name]
        sequence = sequence_name(program, index)
        if not is_of_input(program.values[index]) and sequence != program.states[0].name:
            found[sequence] = name
    return found
