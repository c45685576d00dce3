"""Tiny tasks for the tests of the training loop; also run as a script.

python training_tasks.py FOLDER OPTIONS [resume] trains `Signs`, and writes the weights into FOLDER; OPTIONS is a JSON
object.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ricorda.data.batches import Rows
from ricorda.nn import LSTM
from ricorda.training import Task, TrainingOptions, train

SCRIPT = Path(__file__)
SHORT = TrainingOptions(epochs=3, batch_size=8, seed=5)  # of Signs: 3 epochs of 5 steps
TIMES = ("tokens_per_second", "seconds")


class Signs(Task):
    """Tell the sign of a sum: an LSTM with dropout, and a hook that is called before every loss."""

    def __init__(self, rows: int = 40, dropout: float = 0.3) -> None:
        random = torch.Generator().manual_seed(7)
        self.x = torch.randn(rows, 6, 3, generator=random)
        self.y = (self.x[:, :, 0].sum(1) > 0).long()
        self.lengths = [6] * rows
        self.hook: Callable[[int], None] = lambda _call: None
        self.calls = 0
        with torch.random.fork_rng():
            torch.manual_seed(3)
            # torch's own LSTM has no bfloat16 on processors without products of it
            self.lstm, self.head = LSTM(3, 5, batch_first=True), nn.Linear(5, 2)
        self.dropout = nn.Dropout(dropout)
        self.module = nn.ModuleDict({"lstm": self.lstm, "dropout": self.dropout, "head": self.head})

    def logits(self, rows: Rows) -> Tensor:
        out, _ = self.lstm(self.x[rows])
        logits: Tensor = self.head(self.dropout(out[:, -1]))
        return logits

    def loss(self, rows: Rows) -> tuple[Tensor, Tensor]:
        self.hook(self.calls)
        self.calls += 1
        losses = F.cross_entropy(self.logits(rows), self.y[rows], reduction="none")
        return losses.sum(), torch.tensor(float(len(rows)))

    def validate(self) -> dict[str, float]:
        rows = np.arange(len(self.lengths))
        return {"score": -float(F.cross_entropy(self.logits(rows), self.y[rows]))}


class Unequal(Task):
    """Weighted float64 regression with rows of unequal weight, a parameter unused by some rows and one by all.

    The last batch of an epoch has a single row, so that the second of two processes has none.
    """

    def __init__(self) -> None:
        random = torch.Generator().manual_seed(7)
        self.x = torch.randn(33, 4, generator=random, dtype=torch.float64)
        self.weights = torch.rand(33, generator=random, dtype=torch.float64) + 0.1
        self.lengths = [1] * 33
        with torch.random.fork_rng():
            torch.manual_seed(3)
            self.always, self.sometimes, never = (nn.Linear(4, 2, dtype=torch.float64) for _ in range(3))
        self.module = nn.ModuleDict({"always": self.always, "sometimes": self.sometimes, "never": never})

    def loss(self, rows: Rows) -> tuple[Tensor, Tensor]:
        x, weights = self.x[rows], self.weights[rows]
        y: Tensor = self.always(x)
        special = rows < 5
        if special.any():
            y = y + self.sometimes(x) * torch.from_numpy(special)[:, None]
        return (weights * (y - x[:, :2].sin()).square().sum(1)).sum(), weights.sum()

    def validate(self) -> dict[str, float]:
        return {"score": -float(self.loss(np.arange(33))[0])}

    def batches(self, size: int, *, seed: int, epoch: int) -> list[Rows]:
        order = np.random.default_rng([seed, epoch]).permutation(33)
        return [order[start : start + size] for start in range(0, 33, size)]


class Scripted(Signs):
    """A task whose score in each epoch is given, and where there are losses, that of the validation too."""

    def __init__(self, scores: list[float], losses: list[float] | None = None) -> None:
        super().__init__()
        self.scores, self.losses = scores, losses
        self.seen: list[dict[str, Tensor]] = []

    def validate(self) -> dict[str, float]:
        self.seen.append(weights(self))
        epoch = len(self.seen) - 1
        losses = {} if self.losses is None else {"validation_loss": self.losses[epoch]}
        return {"score": self.scores[epoch], **losses} if self.scores else losses


def weights(task: Task) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in task.module.state_dict().items()}


def assert_equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name


def timeless(history: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{name: value for name, value in record.items() if name not in TIMES} for record in history]


if __name__ == "__main__":
    torch.set_num_threads(1)
    output, options, *resume = sys.argv[1:]
    task, folder = Signs(), Path(output)
    train(task, TrainingOptions(**json.loads(options)), folder=folder, resume=bool(resume))
    safetensors.torch.save_file(dict(task.module.state_dict()), folder / "weights.safetensors")
