"""Tiny language models, what they are trained on, and a training that is interrupted."""

import signal
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ricorda.cells import lstm
from ricorda.tasks.language.network import Dropouts, NextStep, Sizes
from ricorda.tasks.language.objective import NextStepTraining
from ricorda.tasks.language.sequences import Sequences
from ricorda.training import TrainingOptions

VOCABULARY = 11
OPTIONS = TrainingOptions(epochs=3, batch_size=4, seed=5, learning_rate=0.01, device="cpu")
NOTHING = Dropouts()
DROPPING = Dropouts(plain=0.2, embedding=0.1, input=0.1, state=0.1, weight=0.2, zoneout=0.1)


def network(dropouts: Dropouts = NOTHING, cell: Any = lstm, **sizes: Any) -> NextStep:
    given: dict[str, Any] = {"hidden": 6, "layers": 2, "vocabulary": VOCABULARY, "embedding": 5, **sizes}
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return NextStep(cell.program, Sizes(**given), dropouts)


def stream(steps: int = 90) -> Sequences:
    ids = np.random.default_rng(1).integers(VOCABULARY, size=steps + 1).astype(np.int32)
    return Sequences.of([ids], stream=True)


def documents(*lengths: int, condition: Tensor | None = None) -> Sequences:
    random = np.random.default_rng(2)
    parts = [random.integers(VOCABULARY, size=length + 1).astype(np.int32) for length in lengths]
    return Sequences.of(parts, stream=False, condition=condition)


class Pressed(NextStepTraining):
    """Presses Ctrl-C in a step."""

    press = -1

    def loss(self, rows: Any) -> tuple[Tensor, Tensor]:
        self.press -= 1
        if self.press == -1:
            signal.raise_signal(signal.SIGINT)
        return super().loss(rows)
