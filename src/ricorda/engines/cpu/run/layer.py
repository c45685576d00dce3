"""One layer in one direction on the CPU engine: rows of any lengths, with records, in any manner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

import torch
from torch import Tensor

from ricorda.engines import Request, Run, reference
from ricorda.engines.cpu.kernels.kernels import Kernels, kernels_for
from ricorda.engines.cpu.run.autograd import LoopFunction
from ricorda.engines.cpu.run.call import Call, check_shapes
from ricorda.engines.cpu.run.checkpoint import Segmented, segment_steps
from ricorda.engines.cpu.run.forward import forward
from ricorda.engines.cpu.run.inputs import input_parts
from ricorda.engines.cpu.run.of_parameters import outside
from ricorda.engines.cpu.run.processor import processor_for
from ricorda.engines.cpu.run.repeated import by_products
from ricorda.engines.cpu.run.steps import full, ragged
from ricorda.engines.reference import values_of_inputs
from ricorda.program.differentiate import output_sequence, sequence_name


def run_layer(request: Request) -> Run:
    """Serve a request for one layer in one direction."""
    program, parameters, x, states, lengths, reverse, record, seed, manner, _, inputs = by_products(outside(request))
    T, B, I = x.shape
    if B == 0 or (lengths is not None and not bool(lengths.any())):
        return reference.run(request)
    rows, beside = x, [inputs[value.name] for value in program.inputs[1:]]
    if lengths is None or bool((lengths == T).all()):
        steps = full(T, B, reverse)
    else:
        steps = ragged(T, lengths, reverse)
        assert steps.positions is not None  # `ragged` has set both.
        assert steps.order is not None
        rows, *beside = (
            values.reshape(T * B, values.shape[2]).index_select(0, steps.positions) for values in (x, *beside)
        )
        states = [state.index_select(0, steps.order) for state in states]
    tensors = (x, *states, *parameters.values(), *beside)
    training = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    names, record = tuple(parameters), tuple(record)
    processor = processor_for(x, manner.factors)
    watch = manner.watch
    kernels = kernels_for(program, names, processor, training=training, record=record, watch=watch is not None)
    check_shapes(kernels, parameters, x, states)
    sequences = _sequences(kernels)
    of_input: Mapping[int, Tensor] = {}
    if record or not kernels.multiplies_input:
        of_input = values_of_inputs(program, dict(enumerate(v.reshape(-1, v.shape[-1]) for v in (rows, *beside))), x)
    if not kernels.multiplies_input:
        rows = input_parts(kernels, parameters, of_input, reference.sizes_of(program, parameters, states))

    def over_time(values: Tensor) -> Tensor:
        if values.dim() == 3:
            return values
        if steps.positions is not None:
            values = values.new_zeros(T * B, values.shape[1]).index_copy(0, steps.positions, values)
        return values.view(T, B, values.shape[1])

    watcher = None if watch is None else lambda name, norms: watch(name, over_time(norms[:, None])[..., 0])
    stored = tuple(sequences), tuple(sequences.values())
    call = Call(kernels, steps, names, *stored, int(seed), reverse, watcher, 0 if kernels.multiplies_input else I)
    if training and manner.checkpoint is not None:
        length = segment_steps(manner.checkpoint, steps)
        without = kernels_for(program, names, processor, record=record)
        flat = rows.reshape(-1, rows.shape[-1])
        results = Segmented.apply(call, without, length, flat, *states, *parameters.values())  # type: ignore[no-untyped-call]
    elif training:
        results = LoopFunction.apply(call, rows, *states, *parameters.values())  # type: ignore[no-untyped-call]
    else:
        results = forward(call, (rows, *states, *parameters.values()))[0]
    output, finals = over_time(results[0]), results[1 : 1 + len(states)]
    if steps.back is not None:
        finals = tuple(state.index_select(0, steps.back) for state in finals)
    if not record:
        return Run(output, finals, {})
    kept = dict(zip(sequences, results[1 + len(states) :], strict=True)) | {output_sequence(program): output}
    return Run(output, finals, {name: over_time(values) for name, values in _records(kernels, kept, of_input)})


@lru_cache(maxsize=256)
def _sequences(kernels: Kernels) -> dict[str, str]:
    """The stored sequences that are records, and the name of the recorded value; the output is left out."""
    program = kernels.program
    values = {}
    for name in kernels.record:
        index = dict(program.names)[name]
        sequence = sequence_name(program, index)
        if index not in program.of_input and sequence != output_sequence(program):
            values[sequence] = name
    return values


def _records(
    kernels: Kernels, stored: Mapping[str, Tensor], of_input: Mapping[int, Tensor]
) -> Iterator[tuple[str, Tensor]]:
    """Name and rows of each recorded value."""
    for name in kernels.record:
        index = dict(kernels.program.names)[name]
        yield name, of_input[index] if index in of_input else stored[sequence_name(kernels.program, index)]
