"""Classification as the training loop sees it: the loss of some rows, and the score of the whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ricorda.tasks.classify.metrics import report
from ricorda.tasks.many_to_one.examples import Examples, outputs, outputs_of_all, scores_and_targets
from ricorda.tasks.many_to_one.network import ManyToOne
from ricorda.tasks.scores import scored
from ricorda.training.task import Task


class Classification(Task):
    """Training of a many-to-one network that predicts classes, as `ricorda.training.train` takes it.

    Parameters
    ----------
    module : ManyToOne
        The network.
    examples, held_out : Examples
        Examples to train on, and examples to choose the best epoch by; the second may be empty.
    scoring : {"accuracy", "macro_f1"}
        The number of the report that is the score.
    weights : array [classes], optional
        Weight of each class's examples in the loss; equal by default.
    """

    together = True

    def __init__(
        self,
        module: ManyToOne,
        examples: Examples,
        held_out: Examples,
        scoring: str,
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        self.module = module
        self.examples = examples
        self.held_out = held_out
        self.scoring = scoring
        self.told = {"accuracy": "accuracy {accuracy:.1%}", "macro_f1": "macro F1 {macro_f1:.3f}"}[scoring]
        self.weights = weights
        self.lengths = [len(sequence) for sequence in examples.sequences]

    def loss(self, rows: NDArray[np.intp]) -> tuple[Tensor, Tensor]:
        """Weighted cross-entropy in nats: its sum over the rows, and the sum of the weights."""
        scores, targets = scores_and_targets(self.examples, rows, self.module)
        losses = F.cross_entropy(scores, targets, reduction="none")
        if self.weights is None:
            return losses.sum(), losses.new_tensor(len(rows))
        weights = torch.from_numpy(self.weights).to(losses)[targets]
        return (losses * weights).sum(), weights.sum()

    def validate(self) -> dict[str, float]:
        """The score and further figures on the held-out examples; nothing if there are none."""
        if not len(self.held_out):
            return {}
        said = outputs_of_all(self.processes, self.module, self.held_out.sequences, probabilities)
        result = report(self.held_out.targets, said, range(said.shape[1]))
        numbers = {
            "validation_loss": result.log_loss,
            "accuracy": result.accuracy,
            "macro_f1": result.macro_f1,
        }
        return scored(self.scoring, numbers, len(self.held_out))


def probabilities(module: nn.Module, sequences: Sequence[Tensor]) -> NDArray[np.float64]:
    """The probability of each class, [N, classes], for encoded sequences; the module's mode is left as it was."""
    return outputs(module, sequences, lambda scores: scores.softmax(1))
