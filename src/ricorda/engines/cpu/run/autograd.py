"""A loop's place in torch's autograd: forward by one kernel, BPTT by another."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ricorda.engines.cpu.run.backward import backward
from ricorda.engines.cpu.run.call import Call
from ricorda.engines.cpu.run.differentiable import gradients as differentiable_gradients
from ricorda.engines.cpu.run.forward import forward


class LoopFunction(torch.autograd.Function):
    """The forward loop with BPTT as its derivative."""

    @staticmethod
    def forward(ctx: Any, call: Call, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Output, final states and records; for `tensors` see `forward.forward`."""
        results, saved = forward(call, tensors)
        ctx.call = call
        ctx.count = len(saved)
        ctx.save_for_backward(*tensors, *saved)
        ctx.set_materialize_grads(False)
        return results

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """The gradients of the tensors."""
        saved = ctx.saved_tensors
        split = len(saved) - ctx.count
        if torch.is_grad_enabled():  # With create_graph=True torch turns gradients on here.
            call, kernels = ctx.call, ctx.call.kernels
            x, *states = saved[: 1 + len(kernels.program.states)]
            parameters = saved[1 + len(states) : split]
            of_results = [g if g is None or g.dim() == 2 else g.flatten(0, 1) for g in gradients]
            dx, *others = differentiable_gradients(
                kernels.program,
                () if kernels.multiplies_input else kernels.z_affines,
                call.parameters,
                call.steps,
                call.reverse,
                call.values,
                call.seed,
                (*(tensor.reshape(-1, tensor.shape[-1]) for tensor in (x, *states)), *parameters),
                of_results,
                ctx.needs_input_grad[1:],
            )
            own = [g if g is None else g.view_as(s) for g, s in zip((dx, *others), (x, *states), strict=False)]
            return None, *own, *others[len(states) :]
        return None, *backward(ctx.call, saved[:split], saved[split:], gradients, ctx.needs_input_grad[1])
