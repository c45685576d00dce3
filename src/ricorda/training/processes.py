"""The processes that train together: this one alone, or those that torchrun started.

Each holds the whole model and works on its share of every batch; gradients are summed. Plain torch.distributed,
because lightning-fabric costs 3 to 5 % of a small model's step and 0.8 s of start-up. The sum is our own as well,
because DistributedDataParallel waits for ever when a process has no row of a batch or leaves a parameter unused,
and would gain little: BPTT finishes all gradients of a recurrent layer at its very end.
"""

import atexit
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ricorda.errors import ArgumentError

if dist.is_available():
    # Optimisers import this module, and if they do so once the group is there, its default arguments keep the group
    # alive: Gloo's threads then still run when Python ends, and abort the process now and then (seen with torch 2.13).
    import torch.distributed.nn.functional

Sent = TypeVar("Sent")


@dataclass(frozen=True)
class Processes:
    """A process's place among the ``size`` that train together, and the device it computes on."""

    rank: int
    size: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and shows progress."""
        return self.rank == 0

    def sum(self, *numbers: Tensor | float) -> list[float]:
        """Sum each number over all processes."""
        if self.size == 1:
            return [float(number) for number in numbers]
        values = torch.stack([torch.as_tensor(n, dtype=torch.float64, device=self.device) for n in numbers])
        dist.all_reduce(values)
        return [float(value) for value in values.tolist()]

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Sum the gradient of every parameter over all processes, in one message.

        A parameter that no process used keeps no gradient, as if there were one process.
        """
        if self.size == 1:
            return
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
        used = gradients[0].new_tensor([p.grad is not None for p in parameters])
        flat = torch.cat([gradient.flatten() for gradient in [*gradients, used]])
        dist.all_reduce(flat)
        *parts, used = torch.split(flat, [*(gradient.numel() for gradient in gradients), len(parameters)])
        for parameter, part, users in zip(parameters, parts, used.tolist(), strict=True):
            parameter.grad = part.view_as(parameter) if users else None

    def gather(self, value: Sent) -> list[Sent]:
        """Return every process's value on every process, in the order of their ranks."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def agree(self, value: Sent) -> Sent:
        """Return the first process's value on every process."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, device=self.device)
        return box[0]

    def agree_on_weights(self, module: nn.Module) -> None:
        """Give every process the first one's parameters and buffers."""
        if self.size > 1:
            for tensor in module.state_dict().values():
                dist.broadcast(tensor, src=0)


def join_processes(device: str) -> Processes:
    """Find this process's place and device, and connect to the others that torchrun started, if any.

    Parameters
    ----------
    device
        As in `TrainingOptions`.

    Raises
    ------
    ArgumentError
        If there is no such device.
    """
    size = int(os.environ["WORLD_SIZE"]) if dist.is_available() and dist.is_torchelastic_launched() else 1
    local_rank = int(os.environ["LOCAL_RANK"]) if size > 1 else 0
    chosen = _choose_device(device, local_rank)
    if size == 1:
        return Processes(0, 1, chosen)
    if not dist.is_initialized():
        if chosen.type == "cuda":
            torch.cuda.set_device(chosen)
            dist.init_process_group("nccl", device_id=chosen)
        else:
            dist.init_process_group("gloo")
        # The group lives until Python ends: a second one under the same torchrun could not find its members.
        atexit.register(dist.destroy_process_group)
    return Processes(dist.get_rank(), size, chosen)


def _choose_device(name: str, local_rank: int) -> torch.device:
    count = torch.cuda.device_count()
    if name == "auto":
        name = "cuda" if count else "cpu"
    if name == "cpu":
        return torch.device("cpu")
    kind, _, index = name.partition(":")
    if kind != "cuda" or not (index or "0").isdecimal():
        raise ArgumentError(f"device is {name!r}: choose auto, cpu, cuda, or a certain GPU as in cuda:0")
    number = int(index) if index else local_rank
    if number >= count:
        raise ArgumentError(f"device is {name!r}, but there are {count} CUDA GPUs here for it: choose auto or cpu")
    return torch.device("cuda", number)
