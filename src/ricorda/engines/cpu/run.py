"""The CPU engine: a cell's loops as machine code, and their place in torch's autograd."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ricorda.engines import Run, reference
from ricorda.engines.cpu.backward import backward
from ricorda.engines.cpu.call import Call
from ricorda.engines.cpu.checkpoint import Segmented, segment_steps
from ricorda.engines.cpu.differentiable import gradients as differentiable_gradients
from ricorda.engines.cpu.forward import forward
from ricorda.engines.cpu.inference import infer
from ricorda.engines.cpu.inputs import input_parts, input_values
from ricorda.engines.cpu.plans import kernels
from ricorda.engines.cpu.shapes import check_shapes
from ricorda.engines.cpu.steps import full, ragged
from ricorda.engines.cpu.target import FEW, host
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
    if lengths is None or bool((lengths == T).all()):
        steps, flat = full(T, B, reverse), x
    else:
        steps = ragged(T, lengths, reverse)
        assert steps.positions is not None  # rows end at different steps
        assert steps.order is not None
        flat = x.reshape(T * B, I).index_select(0, steps.positions)
        states = [state.index_select(0, steps.order) for state in states]
    training = torch.is_grad_enabled() and any(each.requires_grad for each in (x, *states, *parameters.values()))
    bias = any(name.startswith("bias_") for name in parameters)
    element = "f64" if x.dtype == torch.float64 else "f32"
    target = host(element, "bf16" if bf16 and element == "f32" else None, few=B <= FEW)
    found = kernels(program, bias, tuple(record), training, target, watch is not None)
    check_shapes(found, parameters, x, states)
    if not (training or record or program.masks) and steps.of_all and found.input_is_ours:
        short = infer(found, x, states, parameters, reverse)
        if short is not None:
            return Run(*short, {})
    flat = flat.reshape(-1, I)
    needed = record or not found.input_is_ours
    of_input = input_values(program, flat) if needed else {}
    indices = {name: dict(program.names)[name] for name in record}
    names = {name: sequence_name(program, index) for name, index in indices.items() if index not in of_input}
    first = program.states[0].name
    stored = tuple(dict.fromkeys(sequence for sequence in names.values() if sequence != first))
    asked = {sequence: name for name, sequence in names.items()}
    values = tuple(asked[sequence] for sequence in stored)

    def over_time(values: Tensor) -> Tensor:
        if steps.positions is not None:
            values = values.new_zeros(T * B, values.shape[1]).index_copy(0, steps.positions, values)
        return values.view(T, B, values.shape[1])

    watcher = None if watch is None else lambda name, norms: watch(name, over_time(norms[:, None])[..., 0])
    call = Call(found, steps, tuple(parameters), stored, values, seed, reverse, watcher)
    given = flat if found.input_is_ours else input_parts(program, found.layout, found.z_names, parameters, of_input)
    tensors = (given, *states, *parameters.values())
    if training and checkpoint is not None:
        length = segment_steps(checkpoint, steps)
        without = kernels(program, bias, tuple(record), False, target)
        results = Segmented.apply(call, without, length, *tensors)  # type: ignore[no-untyped-call]
    elif training:
        results = _Autograd.apply(call, *tensors)  # type: ignore[no-untyped-call]
    else:
        results = forward(call, tensors)[0]
    output, finals, recorded = results[0], results[1 : 1 + len(states)], results[1 + len(states) :]
    traces = {first: output, **dict(zip(call.record, recorded, strict=True))}

    if steps.order is not None:
        back = steps.order.argsort()
        finals = tuple(state.index_select(0, back) for state in finals)
    records = {name: traces[names[name]] if name in names else of_input[index] for name, index in indices.items()}
    return Run(over_time(output), tuple(finals), {name: over_time(values) for name, values in records.items()})


class _Autograd(torch.autograd.Function):
    """The forward loop with BPTT as its derivative."""

    @staticmethod
    def forward(ctx: Any, call: Call, *tensors: Tensor) -> tuple[Tensor, ...]:
        results, sequences = forward(call, tensors)
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
        return None, *backward(ctx.call, saved[:split], saved[split:], gradients, ctx.needs_input_grad[1])
