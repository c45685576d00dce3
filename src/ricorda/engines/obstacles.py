"""What keeps an engine of kernels from serving: tensors that are no plain numbers in memory, and torch's transforms."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

PLAIN = {Tensor, nn.Parameter, nn.Buffer}
"""Types of tensors whose operations mean what they say."""

DTYPES = {torch.float32, torch.float64}
"""What kernels compute in."""

level_of_torch_func = torch._C._functorch.maybe_current_level
tracing_state = torch._C._get_tracing_state


def of_tensor(tensor: object, dtype: torch.dtype, device: torch.device, place: str) -> str:
    """What is not plain about a tensor.

    Parameters
    ----------
    dtype, device : those of the input
    place : where the engine computes, in words
    """
    if type(tensor) not in PLAIN:
        return f"it takes plain tensors, not {type(tensor).__name__}"
    assert isinstance(tensor, Tensor)  # of a plain type
    if tensor.dtype is not dtype:
        return f"it computes in one dtype, not in {dtype} and {tensor.dtype}"
    if tensor.device != device:
        return f"it computes on {place}, not on {tensor.device}"
    if tensor.layout is not torch.strided:
        return f"it takes dense tensors, not {tensor.layout}"
    return "it takes tensors as they lie in memory, not with a sign that is still to be changed"


def transform() -> str | None:
    """What of torch's that changes the meaning of a call is at work, and kernels do not know."""
    if level_of_torch_func() is not None:
        return "it has no rules for torch.func's transforms"
    if forward_ad._current_level >= 0:
        return "it has no forward-mode derivatives"
    if tracing_state() is not None:
        return "torch.jit.trace cannot see into it"
    return None
