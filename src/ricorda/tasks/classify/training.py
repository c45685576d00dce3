"""Classification as the training loop sees it: a loss of some rows, and a score of the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ricorda.tasks.classify.metrics import report
from ricorda.tasks.classify.network import ManyToOne
from ricorda.tasks.encoding import batches_of_like_length, collate
from ricorda.training.task import Task


@dataclass(frozen=True)
class Labelled:
    """Encoded sequences, the index of each one's class, and optionally the weight of each class in the loss."""

    sequences: Sequence[Tensor]
    targets: NDArray[np.intp]
    class_weights: NDArray[np.float64] | None = None

    def take(self, rows: NDArray[np.intp]) -> Labelled:
        """Some of the examples."""
        return Labelled([self.sequences[row] for row in rows], self.targets[rows], self.class_weights)

    def parts(self) -> tuple[Any, ...]:
        """All that decides what is learned, for a fingerprint; the weights follow from the parameters."""
        return self.targets, self.sequences


class Classification(Task):
    """Training of a many-to-one network; the task that `ricorda.training.train` is given.

    Parameters
    ----------
    module : ManyToOne
        The network.
    examples, held_out : Labelled
        To train on, and to choose the best epoch by; the second may hold none.
    scoring : {"accuracy", "macro_f1"}
        Which number of the report is the score.
    """

    def __init__(self, module: ManyToOne, examples: Labelled, held_out: Labelled, scoring: str) -> None:
        self.module = module
        self.examples = examples
        self.held_out = held_out
        self.scoring = scoring
        self.lengths = [len(sequence) for sequence in examples.sequences]

    def loss(self, rows: NDArray[np.intp]) -> tuple[Tensor, Tensor]:
        """Weighted cross-entropy in nats: its sum over the rows, and the sum of the weights."""
        batch = self.examples.take(rows)
        device = next(self.module.parameters()).device
        inputs, lengths = collate(batch.sequences, device)
        targets = torch.from_numpy(batch.targets).to(device)
        scores = self.module(inputs, lengths)
        losses = F.cross_entropy(scores, targets, reduction="none")
        if batch.class_weights is None:
            return losses.sum(), losses.new_tensor(len(rows))
        weights = torch.from_numpy(batch.class_weights).to(losses)[targets]
        return (losses * weights).sum(), weights.sum()

    def validate(self) -> dict[str, float]:
        """The score and its companions on the held-out examples; nothing where there are none."""
        if not len(self.held_out.targets):
            return {}
        found = probabilities(self.module, self.held_out.sequences)
        result = report(self.held_out.targets, found, range(found.shape[1]))
        numbers = {
            "validation_loss": result.log_loss,
            "accuracy": result.accuracy,
            "macro_f1": result.macro_f1,
        }
        return {"score": numbers[self.scoring], **numbers}


def probabilities(module: nn.Module, sequences: Sequence[Tensor]) -> NDArray[np.float64]:
    """The probability of each class, [N, classes], for encoded sequences; the module's mode is left as it was."""
    training = module.training
    module.eval()
    device = next(module.parameters()).device
    parts: list[Tensor] = []
    order: list[int] = []
    try:
        with torch.inference_mode():
            for rows in batches_of_like_length([len(sequence) for sequence in sequences]):
                inputs, lengths = collate([sequences[row] for row in rows], device)
                parts.append(module(inputs, lengths).double().softmax(1).cpu())
                order.extend(rows)
    finally:
        module.train(training)
    result: NDArray[np.float64] = np.empty((len(order), parts[0].shape[1]))
    result[order] = torch.cat(parts).numpy()
    return result
