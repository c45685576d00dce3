"""Classification as the training loop sees it: a loss of some rows, and a score of the whole."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ricorda.tasks.encoding import collate
from ricorda.tasks.metrics import report
from ricorda.tasks.network import ManyToOne
from ricorda.training.task import Task

STEPS_AT_ONCE = 32_768
"""Steps, padding included, that a batch of predictions may have: it bounds the memory."""


@dataclass(frozen=True)
class Labelled:
    """Encoded sequences, the index of each one's class, and optionally the weight of each class in the loss."""

    sequences: Sequence[Tensor]
    targets: NDArray[np.intp]
    class_weights: NDArray[np.float64] | None = None

    def take(self, rows: NDArray[np.intp]) -> Labelled:
        """Some of the examples."""
        return Labelled([self.sequences[row] for row in rows], self.targets[rows], self.class_weights)


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
            for rows in _batches([len(sequence) for sequence in sequences]):
                inputs, lengths = collate([sequences[row] for row in rows], device)
                parts.append(module(inputs, lengths).double().softmax(1).cpu())
                order.extend(rows)
    finally:
        module.train(training)
    result: NDArray[np.float64] = np.empty((len(order), parts[0].shape[1]))
    result[order] = torch.cat(parts).numpy()
    return result


def fingerprint(*parts: Labelled) -> str:
    """A hash of examples and labels, by which a resumed training knows its data again."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.targets.tobytes())
        for sequence in part.sequences:
            digest.update(str(tuple(sequence.shape)).encode())
            digest.update(sequence.numpy().tobytes())
    return digest.hexdigest()


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Rows of like length together, so that little is padded."""
    rows: list[int] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if rows and (len(rows) + 1) * lengths[row] > STEPS_AT_ONCE:
            yield rows
            rows = []
        rows.append(row)
    yield rows
