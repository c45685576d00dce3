"""Translation as the training loop sees it: the loss of some pairs, and how well held-out ones are predicted."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ricorda.data.batches import Rows, batches
from ricorda.tasks.encoding import collate
from ricorda.tasks.translate.examples import Encoded
from ricorda.tasks.translate.network import BOUNDARY, EncoderDecoder
from ricorda.training.task import Task

STEPS_AT_ONCE = 4_096
"""Steps of targets, padding included, that are scored at once in a validation: this bounds the memory."""


class TranslationTask(Task):
    """Training of an encoder and decoder, as `ricorda.training.train` takes it.

    Parameters
    ----------
    module : EncoderDecoder
        The network.
    examples, held_out : Encoded
        Pairs to train on, and pairs to choose the best epoch by; the second may be empty.
    smoothing : float
        Label smoothing of the training's loss.
    """

    module: EncoderDecoder

    told = "{validation_loss:.4f} nats a token"

    def __init__(self, module: EncoderDecoder, examples: Encoded, held_out: Encoded, smoothing: float) -> None:
        self.module = module
        self.examples = examples
        self.held_out = held_out
        self.smoothing = smoothing
        self.lengths = [len(target) + 1 for target in examples.targets]
        self.sums = [len(source) + length for source, length in zip(examples.sources, self.lengths, strict=True)]

    def batches(self, size: int, *, seed: int, epoch: int) -> list[Rows]:
        """Batches of pairs that are of like length on both sides together."""
        return batches(self.sums, size, seed=seed, epoch=epoch)

    def loss(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """The sum of the smoothed cross-entropies of all target tokens, in nats; and the number of these tokens."""
        features, targets = _taught(self.module, self.examples.take(rows))
        return self.module.loss(features, targets, self.smoothing), features.new_tensor(len(targets))

    def validate(self) -> dict[str, float]:
        """Loss (not smoothed) and share of held-out tokens predicted correctly, each from the true tokens before it."""
        if not len(self.held_out.targets):
            return {}
        loss = right = tokens = 0.0
        for rows in _parts(self.held_out):
            features, targets = _taught(self.module, self.held_out.take(rows))
            scores = self.module.output(features)
            loss += float(F.cross_entropy(scores, targets, reduction="sum"))
            right += float((scores.argmax(1) == targets).sum())
            tokens += len(targets)
        return {"score": -loss / tokens, "validation_loss": loss / tokens, "token_accuracy": right / tokens}


def _taught(module: EncoderDecoder, pairs: Encoded) -> tuple[Tensor, Tensor]:
    """The input of the output layer for each target token, [N, width], and these tokens [N]."""
    device = module.output.weight.device
    sources, source_lengths = collate(pairs.sources, device)
    boundary = torch.tensor([BOUNDARY])
    inputs = pad_sequence([torch.cat([boundary, target]) for target in pairs.targets])
    lengths = torch.tensor([len(target) + 1 for target in pairs.targets])
    targets = torch.cat([part for target in pairs.targets for part in (target, boundary)])
    features = module(module.start(sources, source_lengths), inputs.to(device), lengths)
    return features, targets.to(device)


def _parts(pairs: Encoded) -> list[Rows]:
    """Rows of like length together, so that there is little padding."""
    lengths = np.array([len(source) + len(target) for source, target in zip(pairs.sources, pairs.targets, strict=True)])
    order = np.argsort(lengths, kind="stable")
    at_once = max(1, STEPS_AT_ONCE // int(lengths.max() + 1))
    return [order[start : start + at_once] for start in range(0, len(order), at_once)]
