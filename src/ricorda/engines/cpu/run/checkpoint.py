"""BPTT through long sequences: the forward pass of each segment of steps is repeated during BPTT.

Memory grows with the number of segments and with the length of one, so segments of sqrt(T) steps need the least
(Chen, Xu, Zhang, Guestrin, 'Training deep nets with sublinear memory cost', 2016).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ricorda.engines.cpu.kernels.kernels import Kernels
from ricorda.engines.cpu.run.backward import backward
from ricorda.engines.cpu.run.call import Call
from ricorda.engines.cpu.run.differentiable import gradients_of
from ricorda.engines.cpu.run.forward import forward
from ricorda.engines.cpu.run.steps import CHUNK_ROWS, Steps
from ricorda.engines.obstacles import stands_for_several


def segment_steps(checkpoint: str | int, steps: Steps) -> int:
    """Steps of a segment: the number itself; for "sqrt" the square root of T, but at least two chunks."""
    if checkpoint != "sqrt":
        return int(checkpoint)
    return max(math.isqrt(len(steps.counts)), 2 * CHUNK_ROWS // steps.B, 1)


class Segmented(torch.autograd.Function):
    """The forward loop; only the states between segments are kept.

    Its arguments are the call, the kernels for inference, the steps of a segment, and the tensors of the loop.
    """

    @staticmethod
    def forward(ctx: Any, call: Call, inference: Kernels, length: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Output, final states and records."""
        count = len(call.kernels.program.states)
        x, states, parameters = tensors[0], list(tensors[1 : 1 + count]), tensors[1 + count :]
        results: list[Tensor] = []
        between: list[Tensor] = []
        for first, last in _segments(call, length):
            part = replace(call, kernels=inference, steps=call.steps.part(first, last))
            low, high = call.steps.bounds(first, last)
            between += states
            ran, _ = forward(part, (x[low:high], *(state[: part.steps.B] for state in states), *parameters))
            sequences = [ran[0], *ran[1 + count :]]
            if not results:
                results = [sequence.new_empty(call.steps.rows, sequence.shape[1]) for sequence in sequences]
            for whole, sequence in zip(results, sequences, strict=True):
                whole[low:high] = sequence
            states = [_with_rows(old, new) for old, new in zip(states, ran[1 : 1 + count], strict=True)]
        ctx.call, ctx.length = call, length
        ctx.count = len(tensors)
        ctx.save_for_backward(*tensors, *between)
        ctx.set_materialize_grads(False)
        finals = [state.clone() if state is own else state for state, own in zip(states, tensors[1:], strict=False)]
        return results[0], *finals, *results[1:]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """The gradients, one segment after another, from the last to the first."""
        call, saved = ctx.call, ctx.saved_tensors
        tensors, between = saved[: ctx.count], saved[ctx.count :]
        if any(map(stands_for_several, gradients)):
            return None, None, None, *gradients_of(call, tensors, gradients, ctx.needs_input_grad[3:])
        count = len(call.kernels.program.states)
        x, parameters = tensors[0], tensors[1 + count :]
        sequences = [gradients[0], *gradients[1 + count :]]
        d_states = [
            torch.zeros_like(state) if gradient is None else gradient.clone()
            for state, gradient in zip(tensors[1 : 1 + count], gradients[1 : 1 + count], strict=True)
        ]
        dx = torch.empty_like(x) if ctx.needs_input_grad[3] else None
        totals: list[Tensor | None] = [None] * len(parameters)
        norms: dict[str, Tensor] = {}
        segments = _segments(call, ctx.length)
        for number in reversed(range(len(segments))):
            first, last = segments[number]
            low, high = call.steps.bounds(first, last)

            def watch(name: str, values: Tensor, low: int = low, high: int = high) -> None:
                norms.setdefault(name, values.new_zeros(call.steps.rows))[low:high] = values

            part = replace(call, steps=call.steps.part(first, last), watch=watch if call.watch else None)
            entering = between[number * count : (number + 1) * count]
            own = (x[low:high], *(state[: part.steps.B] for state in entering), *parameters)
            _, stored = forward(part, own)
            of_part = [None if sequence is None else sequence[low:high] for sequence in sequences]
            alive = [state[: part.steps.B] for state in d_states]
            gone_back = backward(part, own, stored, [of_part[0], *alive, *of_part[1:]], ctx.needs_input_grad[3:])
            if dx is not None and gone_back[0] is not None:
                dx[low:high] = gone_back[0]
            d_states = [_with_rows(old, new) for old, new in zip(d_states, gone_back[1 : 1 + count], strict=True)]
            totals = [_sum(old, new) for old, new in zip(totals, gone_back[1 + count :], strict=True)]
        if call.watch is not None:
            for name, values in norms.items():
                call.watch(name, values)
        return None, None, None, dx, *d_states, *totals


def _segments(call: Call, length: int) -> list[tuple[int, int]]:
    steps = len(call.steps.counts)
    return [(first, min(first + length, steps)) for first in range(0, steps, length)]


def _with_rows(old: Tensor, new: Tensor | None) -> Tensor:
    """The old rows with the first of them replaced by the new ones."""
    assert new is not None  # In BPTT every state has a gradient.
    return new if len(new) == len(old) else torch.cat([new, old[len(new) :]])


def _sum(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return a if b is None else b if a is None else a.add_(b)
