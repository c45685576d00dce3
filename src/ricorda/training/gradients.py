"""The gradients of processes that train together, summed in one message."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ricorda.training.processes import Processes


def sum_gradients(processes: Processes, parameters: Sequence[nn.Parameter], *numbers: Tensor | float) -> list[float]:
    """Sum the gradient of every parameter, and some numbers, over all processes.

    All goes in one message, because processes wait for each other in every one. A parameter that no process used keeps
    no gradient, as if there were one process.

    Parameters
    ----------
    parameters
        All of one dtype, and on the processes' devices.
    numbers
        They are summed in the parameters' dtype.

    Returns
    -------
    list of float
        The sums of the numbers.
    """
    if processes.size == 1:
        return [float(number) for number in numbers]
    like = parameters[0].detach()
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    used = like.new_tensor([p.grad is not None for p in parameters])
    others = torch.stack([torch.as_tensor(number, dtype=like.dtype, device=like.device) for number in numbers])
    flat = torch.cat([part.flatten() for part in (*gradients, used, others)])
    processes.sum_tensor(flat)
    *parts, used, others = torch.split(flat, [part.numel() for part in (*gradients, used, others)])
    for parameter, part, users in zip(parameters, parts, used.tolist(), strict=True):
        parameter.grad = part.view_as(parameter) if users else None
    return [float(number) for number in others.tolist()]
