"""A loop's place in torch's autograd: forward by one kernel, BPTT by another."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ricorda.engines.cpu.run.backward import backward
from ricorda.engines.cpu.run.call import Call
from ricorda.engines.cpu.run.differentiable import gradients_of
from ricorda.engines.cpu.run.forward import forward
from ricorda.engines.obstacles import batched, wrapped
from ricorda.errors import TensorError

CHANGED = (
    "the output of a recurrent layer was changed in place, and its gradient needs it as it was: change a copy "
    "(output.clone()), or use the call that makes one, such as relu for relu_ and inplace=False"
)


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
        try:
            saved = ctx.saved_tensors
        except RuntimeError as error:
            if "of LoopFunction" in str(error):  # One of its outputs, which it saved.
                raise TensorError(CHANGED) from error
            raise
        split = len(saved) - ctx.count
        tensors = saved[:split]
        hidden = [True for gradient in gradients if gradient is not None and (wrapped(gradient) or batched(gradient))]
        if hidden or torch.is_grad_enabled():  # Kernels can't read several gradients at a time.
            return None, *gradients_of(ctx.call, tensors, gradients, ctx.needs_input_grad[1:])
        return None, *backward(ctx.call, tensors, saved[split:], gradients, ctx.needs_input_grad[1:])
