"""Regression as the training loop sees it: the loss of some rows, and the score of the whole."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ricorda.tasks.many_to_one.examples import Examples, outputs_of_all, scores_and_targets
from ricorda.tasks.many_to_one.network import ManyToOne
from ricorda.tasks.regress.metrics import report
from ricorda.tasks.scaling import Scaling
from ricorda.tasks.scores import scored
from ricorda.training.task import Task

LOSSES = {"mse": F.mse_loss, "mae": F.l1_loss}


class Regression(Task):
    """Training of a many-to-one network that predicts numbers, as `ricorda.training.train` takes it.

    Parameters
    ----------
    module : ManyToOne
        The network.
    examples, held_out : Examples
        Examples to train on, and examples to choose the best epoch by; the second may be empty.
    scaling : Scaling
        The standardisation of the targets.
    loss : {"mse", "mae"}
        Squared or absolute error of standardised targets.
    """

    told = "R2 {r2:.4f}"
    together = True

    def __init__(self, module: ManyToOne, examples: Examples, held_out: Examples, scaling: Scaling, loss: str) -> None:
        self.module = module
        targets = scaling.standardise(examples.targets).astype(np.float32)
        self.standardised = Examples(examples.sequences, targets, examples.offsets)
        self.held_out = held_out
        self.scaling = scaling
        self.error = LOSSES[loss]
        self.lengths = [len(sequence) for sequence in examples.sequences]

    def loss(self, rows: NDArray[np.intp]) -> tuple[Tensor, Tensor]:
        """The sum over the rows of the mean error of a row's outputs, and the number of rows."""
        said, targets = scores_and_targets(self.standardised, rows, self.module)
        loss = self.error(said, targets, reduction="none").mean(1)
        return loss.sum(), loss.new_tensor(len(rows))

    def validate(self) -> dict[str, float]:
        """R2, the loss and the mean absolute error on the held-out examples; nothing if there are none."""
        if not len(self.held_out):
            return {}
        said = outputs_of_all(self.processes, self.module, self.held_out.sequences)
        truth = self.scaling.standardise(self.held_out.targets)
        loss = self.error(torch.from_numpy(said), torch.from_numpy(truth))
        result = report(self.held_out.targets, self.scaling.undo(said), [""] * truth.shape[1])
        numbers = {"r2": result.r2, "mae": result.mae, "validation_loss": float(loss)}
        return scored("r2", numbers, len(self.held_out))
