"""Obstacles for engines that run kernels: tensors that are not plain numbers in memory, and torch's transforms."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

PLAIN = {Tensor, nn.Parameter, nn.Buffer}
"""Types of tensors that do not override torch's operations."""

DTYPES = {torch.float32, torch.float64}
"""The dtypes of kernels."""

level_of_torch_func = torch._C._functorch.maybe_current_level
tracing_state = torch._C._get_tracing_state
wrapped = torch._C._functorch.is_functorch_wrapped_tensor
batched = torch._C._functorch.is_legacy_batchedtensor


def hidden(tensor: Tensor) -> bool:
    """Whether the numbers in a tensor cannot be read: operations are recorded, or it stands for several tensors."""
    recorded = torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack() > 0
    return recorded or tracing_state() is not None or stands_for_several(tensor)


def stands_for_several(tensor: Tensor | None) -> bool:
    """Whether torch batches over this tensor, by torch.func.vmap or by torch.autograd.grad(is_grads_batched=True)."""
    functorch = torch._C._functorch
    while tensor is not None:
        if functorch.is_batchedtensor(tensor) or functorch.is_legacy_batchedtensor(tensor):
            return True
        tensor = functorch.get_unwrapped(tensor) if functorch.is_functorch_wrapped_tensor(tensor) else None
    return False


def of_tensor(tensor: object, dtype: torch.dtype, device: torch.device, place: str) -> str:
    """Why kernels cannot read a tensor, as the end of a sentence.

    Parameters
    ----------
    dtype, device : those of the input
    place : where the engine computes, as text
    """
    if type(tensor) not in PLAIN:
        return f"it takes plain tensors, not {type(tensor).__name__}"
    assert isinstance(tensor, Tensor)  # All plain types are tensors.
    if tensor.dtype is not dtype:
        return f"it computes in one dtype, not in {dtype} and {tensor.dtype}"
    if tensor.device != device:
        return f"it computes on {place}, not on {tensor.device}"
    if tensor.layout is not torch.strided:
        return f"it takes dense tensors, not {tensor.layout}"
    return "it takes tensors as they lie in memory, not with a sign that is still to be changed"


def transform() -> str | None:
    """The transform of torch's that is active and that kernels do not support; None if there is none."""
    if level_of_torch_func() is not None:
        return "it has no rules for torch.func's transforms"
    if forward_ad._current_level >= 0:
        return "it has no forward-mode derivatives"
    if tracing_state() is not None:
        return "torch.jit.trace cannot see into it"
    return None
