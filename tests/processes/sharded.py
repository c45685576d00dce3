"""What processes with a shard each do, for `test_shards.py`, which reads what they leave.

python sharded.py exact: tasks in float64, whole and interrupted. python sharded.py WORDS: `ricorda WORDS`, with what a
process opened and held in a file of its name, and an end as if by `kill -9` where KILLED_AT says so.
"""

import json
import os
import signal
import sys
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch
from together import EXACT, RANK, run
from torch import Tensor
from training_tasks import Unequal

from ricorda.data.batches import Rows
from ricorda.training.learner import Learner
from ricorda.training.processes import join_processes
from ricorda.training.sharded import Sharded
from ricorda.training.task import Task

SHARDS = (np.arange(20), np.arange(20, 33))
"""Rows of each of two processes: in batches of 4 the first has five, and the second four."""


class Part(Unequal):
    """Some rows of `Unequal`; a signal comes in one call of `loss`, if one is to come."""

    def __init__(self, rank: int, stop_at: int | None = None) -> None:
        super().__init__()
        self.own, self.calls, self.stop_at = SHARDS[rank], 0, stop_at
        self.lengths = [1] * len(self.own)

    def batches(self, size: int, *, seed: int, epoch: int) -> list[Rows]:
        order = np.random.default_rng([seed, epoch]).permutation(len(self.own))
        return [order[start : start + size] for start in range(0, len(order), size)]

    def loss(self, rows: Rows) -> tuple[Tensor, Tensor]:
        self.calls += 1
        if self.calls == self.stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().loss(self.own[rows])

    def validate(self) -> dict[str, float]:
        return {"score": -float(super().loss(np.arange(len(self.own)))[0])}


class Both(Task):
    """What `Sharded` is to compute, in one process that holds both shards; the modules become the first one's."""

    def __init__(self, first: Any, second: Any) -> None:
        self.parts, self.module, self.told = (first, second), first.module, first.told
        self.lengths = [*first.lengths, *second.lengths]

    def batches(self, size: int, *, seed: int, epoch: int) -> list[Rows]:
        each = [part.batches(size // 2, seed=seed, epoch=epoch) for part in self.parts]
        empty = np.empty(0, np.intp)
        return list(zip_longest(*each, fillvalue=empty))  # type: ignore[arg-type]  # rows of its own kind

    def steps(self, rows: Any) -> int:
        return sum(int(np.asarray(part.lengths)[own].sum()) for part, own in zip(self.parts, rows, strict=True))

    def loss(self, rows: Any) -> tuple[Tensor, Tensor]:
        sums = [part.loss(own) for part, own in zip(self.parts, rows, strict=True) if len(own)]
        return sum(loss for loss, _ in sums), sum(weight for _, weight in sums)  # type: ignore[return-value]

    def validate(self) -> dict[str, float]:
        numbers: dict[str, float] = self.parts[0].validate()
        return numbers


def both() -> Both:
    first, second = Part(0), Part(1)
    second.module, second.always, second.sometimes = first.module, first.always, first.sometimes
    return Both(first, second)


def exact() -> None:
    processes, rank = join_processes("cpu"), int(RANK)
    run("whole", Sharded(Part(rank), processes), EXACT)
    run("stopped", Sharded(Part(rank, stop_at=7 if rank else None), processes), EXACT)
    run("stopped", Sharded(Part(rank), processes), EXACT, resume=True)


def command(words: list[str]) -> None:
    from ricorda.cli import main

    opened: set[str] = set()
    held: dict[str, Any] = {}
    sys.addaudithook(lambda event, found: opened.add(str(found[0])) if event == "open" else None)
    wrap, step, kill_at = Sharded.__init__, Learner.step, int(os.environ.get("KILLED_AT", "-1"))

    def init(self: Sharded, task: Any, processes: Any) -> None:
        wrap(self, task, processes)
        held.update(examples=len(task.examples), held_out=len(task.held_out), rows=self.rows())

    def step_or_die(self: Learner, batch: Any, epoch: int, index: int, interruption: Any) -> Any:
        if RANK == "1" and (epoch, index) == (1, kill_at):
            os.kill(os.getpid(), signal.SIGKILL)
        return step(self, batch, epoch, index, interruption)

    Sharded.__init__, Learner.step = init, step_or_die  # type: ignore[method-assign]
    sys.argv = ["ricorda", *words]
    try:
        main()
    finally:
        files = sorted(name for name in opened if name.startswith("parts/"))
        Path(f"process-{RANK}.json").write_text(json.dumps({"files": files, **held}), encoding="utf-8")


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1] == "exact":
        exact()
    else:
        command(sys.argv[1:])
