"""How to train: everything that the loop lets its caller choose."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ricorda.errors import ArgumentError

PRECISIONS = ("32", "bf16")
OPTIMIZERS = ("adamw", "sgd")
SCHEDULES = ("linear", "cosine", "constant")


LEAST_STEPS, MOST_EPOCHS = 640, 100
"""Steps that small data is trained for where the epochs are automatic, and the most epochs that may take."""

LEAST_BATCH, BATCHES = 8, 25
"""Rows of an automatic batch at least, and batches that small data is cut into: more steps of less work learn more."""


@dataclass(frozen=True)
class Auto:
    """A number that follows the data: `usual` where there is much of it; of epochs, so many that they have `steps`."""

    usual: int
    steps: int = LEAST_STEPS


@dataclass(frozen=True)
class TrainingOptions:
    """The choices of a training run; an invalid value raises an ArgumentError at once.

    Parameters
    ----------
    epochs
        The most passes over the training data; the learning rate's schedule is made for so many. With `Auto` as many
        as are usual, and more where these would be fewer than LEAST_STEPS steps.
    batch_size
        Rows of a batch on each process. With `Auto` as many as are usual, and fewer of small data.
    learning_rate
        The highest learning rate, reached after the warm-up.
    optimizer
        "adamw" (Loshchilov & Hutter 2019), or "sgd": plain gradient descent.
    weight_decay
        Decoupled weight decay on matrices; biases and other vectors have none.
    schedule
        What the learning rate does after the warm-up: "linear" and "cosine" fall to zero, "constant" stays.
    warmup
        Share of all steps in which the learning rate rises linearly.
    clip_norm
        The largest allowed global norm of the gradient (Pascanu et al. 2013); None does not clip.
    patience
        Epochs without a better score after which training stops; None trains all epochs.
    seed
        Seed of the batches and of every random number that is drawn while training.
    device
        "cpu", "cuda", "cuda:1" and so on, or "auto": CUDA if there is one.
    precision
        "32", or "bf16" for bfloat16 products in the training steps (weights, optimiser and validation stay as they
        are).
    """

    epochs: int | Auto = 10
    batch_size: int | Auto = 32
    learning_rate: float = 2e-3
    optimizer: str = "adamw"
    weight_decay: float = 0.01
    schedule: str = "linear"
    warmup: float = 0.1
    clip_norm: float | None = 1.0
    patience: int | None = None
    seed: int = 0
    device: str = "auto"
    precision: str = "32"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if not isinstance(getattr(self, name), Auto):
                check_whole(getattr(self, name), name, at_least=1)
        check_whole(self.seed, "seed", at_least=0)
        if self.patience is not None:
            check_whole(self.patience, "patience", at_least=1)
        _between(self.learning_rate, "learning_rate", 0, math.inf)
        _between(self.weight_decay, "weight_decay", 0, math.inf, or_equal=True)
        _between(self.warmup, "warmup", 0, 1, or_equal=True)
        if self.clip_norm is not None:
            _between(self.clip_norm, "clip_norm", 0, math.inf)
        _one_of(self.precision, "precision", PRECISIONS)
        _one_of(self.optimizer, "optimizer", OPTIMIZERS)
        _one_of(self.schedule, "schedule", SCHEDULES)

    def fitting(self, rows: int, steps: Callable[[int], int]) -> "FittedOptions":
        """These options with numbers for a training's data where they are `Auto`.

        Parameters
        ----------
        rows
            Of each process.
        steps
            From the size of a batch to the steps of an epoch.
        """
        size, epochs = self.batch_size, self.epochs
        if isinstance(size, Auto):
            size = min(size.usual, max(rows // BATCHES, min(rows, LEAST_BATCH), 1))
        if isinstance(epochs, Auto):
            epochs = max(epochs.usual, min(MOST_EPOCHS, -(-epochs.steps // steps(size))))
        return FittedOptions(**{**vars(self), "epochs": epochs, "batch_size": size})

    def learning_rate_at(self, step: int, steps: int) -> float:
        """Learning rate of step ``step`` of ``steps``, counted from 0: a linear rise, then what the schedule says."""
        rising = round(self.warmup * steps)
        if step < rising:
            return self.learning_rate * (step + 1) / rising
        left = (steps - step) / (steps - rising)
        if self.schedule == "cosine":
            left = (1 - math.cos(math.pi * left)) / 2
        return self.learning_rate * (1.0 if self.schedule == "constant" else left)


@dataclass(frozen=True)
class FittedOptions(TrainingOptions):
    """Options in which every number is there."""

    epochs: int = 10
    batch_size: int = 32


def check_whole(value: object, name: str, *, at_least: int) -> None:
    """Raise ArgumentError unless a value is a whole number that is large enough."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < at_least:
        raise ArgumentError(f"{name} is {value!r}: give a whole number of at least {at_least}")


def _between(value: float, name: str, low: float, high: float, *, or_equal: bool = False) -> None:
    if not (low < value < high or (or_equal and value == low)):
        bounds = f"from {low}" if or_equal else f"above {low}"
        raise ArgumentError(f"{name} is {value!r}: give a number {bounds}" + (f" and below {high}" * (high < math.inf)))


def _one_of(value: object, name: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ArgumentError(f"{name} is {value!r}: choose one of {', '.join(choices)}")
