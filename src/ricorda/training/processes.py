"""The processes that train together: this one alone, or those that torchrun started.

Each holds the whole model and works on its share of every batch; gradients are summed. Plain torch.distributed,
because lightning-fabric costs 3 to 5 % of a small model's step and 0.8 s of start-up. The sum is our own as well,
because DistributedDataParallel waits for ever when a process has no row of a batch or leaves a parameter unused,
and would gain little: BPTT finishes all gradients of a recurrent layer at its very end.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ricorda.errors import ArgumentError, LostProcessError
from ricorda.training import meeting
from ricorda.training.devices import find_device
from ricorda.training.heartbeat import LOST

Sent = TypeVar("Sent")


@dataclass(frozen=True)
class Processes:
    """A process's place among the ``size`` that train together, and the device it computes on.

    Every method that speaks with the others raises LostProcessError if one of them has ended. What is no tensor goes
    over the processors (Gloo), and tensors go over the devices that they are on: ``group`` is NCCL's, or None.
    """

    rank: int
    size: int
    device: torch.device
    group: Any = None

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and shows progress."""
        return self.rank == 0

    def sum(self, *numbers: Tensor | float) -> list[float]:
        """Sum each number over all processes."""
        if self.size == 1:
            return [float(number) for number in numbers]
        values = torch.stack([torch.as_tensor(n, dtype=torch.float64, device=self.device) for n in numbers])
        self.sum_tensor(values)
        return [float(value) for value in values.tolist()]

    def sum_tensor(self, values: Tensor) -> None:
        """Sum a tensor of this process's device over all processes, in its place."""
        if self.size > 1:
            with _noticing_the_lost():
                dist.all_reduce(values, group=self.group)

    def gather(self, value: Sent) -> list[Sent]:
        """Return every process's value on every process, in the order of their ranks."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        with _noticing_the_lost():
            dist.all_gather_object(values, value)
        return values

    def agree(self, value: Sent) -> Sent:
        """Return the first process's value on every process."""
        if self.size == 1:
            return value
        box = [value]
        with _noticing_the_lost():
            dist.broadcast_object_list(box, src=0)
        return box[0]

    def agree_on_weights(self, module: nn.Module) -> None:
        """Give every process the first one's parameters and buffers."""
        if self.size > 1:
            with _noticing_the_lost():
                for tensor in module.state_dict().values():
                    dist.broadcast(tensor, src=0, group=self.group)


ALONE = Processes(0, 1, torch.device("cpu"))
"""One process that shares nothing: what is gathered is its own, and what is agreed on too."""


def launched() -> bool:
    """Whether torchrun started this process."""
    return dist.is_available() and dist.is_torchelastic_launched()


def join_processes(device: str) -> Processes:
    """Find this process's place and device, and connect to the others that torchrun started, if any.

    The connection lives until Python ends: a second one under the same torchrun could not find its members.

    Parameters
    ----------
    device
        As in `TrainingOptions`.

    Raises
    ------
    ArgumentError
        If there is no such device, or the processes are on devices of different kinds.
    LostProcessError
        If the processes do not come together.
    """
    size = int(os.environ["WORLD_SIZE"]) if launched() else 1
    if size == 1:
        return Processes(0, 1, find_device(device))
    meeting.meet()
    # Only now, so that all hear of it if one machine lacks the device.
    chosen = find_device(device)
    here = Processes(dist.get_rank(), size, chosen)
    kinds = here.gather(chosen.type)
    if len(set(kinds)) > 1:
        other = next(rank for rank, kind in enumerate(kinds) if kind != kinds[0])
        raise ArgumentError(
            f"device is {device!r}, which is {kinds[0]} for process 0 and {kinds[other]} for process {other}: give all "
            "the same, as --device cpu"
        )
    if chosen.type != "cuda":
        return here
    torch.cuda.set_device(chosen)
    return Processes(here.rank, size, chosen, meeting.group_of("nccl"))


@contextmanager
def _noticing_the_lost() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # torch raises no narrower class for a closed connection.
        if isinstance(error, torch.OutOfMemoryError):
            raise
        reason = str(error).partition("\n")[0].rpartition("] ")[2].partition(". ")[0]
        raise LostProcessError(
            f"the training cannot go on, because a process that trains with this one has ended ({reason:.200}); {LOST}"
        ) from error
