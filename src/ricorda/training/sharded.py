"""A task whose examples lie on several processes, each of which holds a shard of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from torch import Tensor

from ricorda.data.batches import Rows
from ricorda.data.notices import say
from ricorda.data.shards import files_of_all, files_of_process
from ricorda.errors import ArgumentError
from ricorda.training.processes import Processes
from ricorda.training.task import Task


def with_shards(model: Any, processes: Processes) -> Processes:
    """The processes, each with a shard; raises ArgumentError if the model's task learns from none."""
    if not model.SHARDS:
        raise ArgumentError(
            f"shards are not for the task {model.TASK!r}, each process of which reads all data: leave --shards out"
        )
    return processes


def own_files(data: str | Sequence[str], processes: Processes) -> list[str]:
    """The files of this process, of those that data names.

    Raises
    ------
    ArgumentError
        If there are too few for all processes, or they are not the same on all machines.
    DataError
        If a name stands for none.
    LostProcessError
        If another process has ended.
    """
    first, *others = processes.gather(files_of_all(data))
    for rank, files in enumerate(others, 1):
        if files != first:
            raise ArgumentError(
                f"process {rank} finds other files than process 0 ({min(set(first) ^ set(files))} is not there for "
                "both): give all machines files of the same names"
            )
    if processes.size == 1:
        count = "the one file" if len(first) == 1 else f"all {len(first)} files"
        say("--shards", f"there is one process, which reads {count}; torchrun starts more")
    return files_of_process(first, processes.rank, processes.size)


@dataclass(frozen=True)
class Step:
    """The rows of this process in a step, possibly none, and how many steps the rows of all processes have."""

    rows: Rows
    steps: int


class Sharded(Task):
    """The task of this process's shard as a part of the task of all shards.

    An epoch has as many steps as the process with the most rows needs; the others have no rows in its last ones. Losses
    and gradients are sums over all rows of a step divided by the sum of their weights, so unequal shares are right.
    The first process alone validates.

    Parameters
    ----------
    task
        The task of the shard; its module is the same on all processes, but for the first numbers.
    processes
        All that train together; each makes a `Sharded`, and they ask it the same in the same order.
    """

    def __init__(self, task: Task, processes: Processes) -> None:
        self._task, self._processes = task, processes
        self.module, self.told = task.module, task.told
        task.lengths = np.asarray(task.lengths)
        self.lengths = np.array(processes.gather(task.rows()))  # of each process
        # Gradients are summed of the same weights everywhere; the first process may have frozen some.
        weights = list(task.module.parameters())
        for weight, learns in zip(weights, processes.agree([w.requires_grad for w in weights]), strict=True):
            weight.requires_grad_(learns)

    def batches(self, size: int, *, seed: int, epoch: int) -> list[Rows]:
        """The steps of an epoch; `size` is that of the batches of all processes together."""
        own = self._task.batches(max(1, size // self._processes.size), seed=seed, epoch=epoch)
        counts = self._processes.gather([self._task.steps(rows) for rows in own])
        steps = max(map(len, counts))
        total = np.sum([np.pad(np.array(count, dtype=np.int64), (0, steps - len(count))) for count in counts], axis=0)
        own += [np.empty(0, dtype=np.intp)] * (steps - len(own))
        together: list[Any] = [Step(rows, int(count)) for rows, count in zip(own, total, strict=True)]
        return together

    def share(self, batch: Any, rank: int, size: int) -> Rows:
        """The rows of this process, whose share of a step is what it holds."""
        return cast(Step, batch).rows

    def rows(self) -> int:
        """The rows of all processes."""
        return int(np.sum(self.lengths))

    def steps(self, rows: Any) -> int:
        """The steps of the rows of all processes."""
        return cast(Step, rows).steps

    def loss(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """That of this process's rows."""
        return self._task.loss(rows)

    def validate(self) -> dict[str, float]:
        """What the first process finds."""
        return self._task.validate()

    def tensors(self) -> Mapping[str, Tensor]:
        """What is carried with this process's rows."""
        return self._task.tensors()

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `tensors` returned."""
        self._task.restore(tensors)
