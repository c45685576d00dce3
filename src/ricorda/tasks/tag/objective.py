"""Tagging as the training loop sees it: the loss of some rows, and the score of the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ricorda.data.batches import Rows
from ricorda.data.tokenization import UNKNOWN
from ricorda.tasks.tag.inference import Inputs, outputs
from ricorda.tasks.tag.metrics import number_report
from ricorda.tasks.tag.network import Aligned
from ricorda.tasks.tag.words import Words
from ricorda.training.task import Task

NO_TAG = -100
"""The target of steps beyond a row's length."""


@dataclass(frozen=True)
class Targeted:
    """Encoded inputs with the targets of their steps: tags int64 [T], or float32 numbers [T, O]."""

    inputs: Inputs
    targets: Sequence[Tensor]

    def take(self, rows: Rows) -> Targeted:
        """Some of the examples."""
        return Targeted(self.inputs.take(rows.tolist()), [self.targets[row] for row in rows])

    def tensors(self) -> list[Tensor]:
        """All tensors of the examples."""
        words = self.inputs.words
        return [*([] if words is None else [words.ids, words.characters]), *self.inputs.sequences, *self.targets]


class Tagging(Task):
    """Training of a tagger's network, as `ricorda.training.train` takes it.

    Parameters
    ----------
    module : Aligned
        The network.
    examples, held_out : Targeted
        Examples to train on, and examples to choose the best epoch by; the second may be empty.
    unread : Tensor [vocabulary], optional
        Probability of reading each word as unknown, so that the unknown is learned too.
    """

    def __init__(self, module: Aligned, examples: Targeted, held_out: Targeted, unread: Tensor | None = None) -> None:
        self.module: Aligned = module
        self.told = "R2 {r2:.4f}" if module.numeric else "accuracy {accuracy:.2%}"
        self.examples = examples
        self.held_out = held_out
        self.unread = unread
        self.lengths = [len(target) for target in examples.targets]

    def loss(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """The sum of the losses of the rows' steps, see `step_losses`, and the number of these steps."""
        module, inputs = self.module, self.examples.inputs
        device = module.head.weight.device
        sequences = [inputs.sequences[row] for row in rows]
        lengths = torch.tensor([len(sequence) for sequence in sequences])
        if inputs.words is None:
            x = pad_sequence(sequences).to(device)
        else:
            distinct, places = torch.unique(torch.cat(sequences), return_inverse=True)
            words = self._half_forgotten(inputs.words.take(distinct))
            padded = pad_sequence(list(torch.split(places, lengths.tolist())))
            x = F.embedding(padded.to(device), module.read(words.to(device)))
            if module.context is not None:
                x = torch.cat([x, pad_sequence([self._contexts[row] for row in rows]).to(x)], dim=2)
        scores = module(x, lengths)
        targets = [self.examples.targets[row] for row in rows]
        return step_losses(module, scores, targets, lengths), lengths.sum()

    def validate(self) -> dict[str, float]:
        """The score and further figures on the held-out examples; nothing if there are none."""
        if not len(self.held_out.targets):
            return {}
        module, targets = self.module, self.held_out.targets
        said = [target.numpy() for target in targets]
        loss = 0.0
        for rows, scores, lengths in outputs(module, self.held_out.inputs):
            loss += float(step_losses(module, scores, [targets[row] for row in rows], lengths))
            verdicts = (module.numbers(scores) if module.numeric else module.best(scores, lengths)).cpu().numpy()
            for column, row in enumerate(rows):
                said[row] = verdicts[: len(targets[row]), column]
        truth = [target.numpy() for target in targets]
        if module.numeric:
            name, score = "r2", number_report(truth, said).r2
        else:
            name, score = "accuracy", float((np.concatenate(said) == np.concatenate(truth)).mean())
        return {"score": score, name: score, "validation_loss": loss / sum(map(len, targets))}

    @cached_property
    def _contexts(self) -> list[Tensor]:
        """The words of each training sentence in their context; read once, as their readers learn no more."""
        context, spelled = self.module.context, self.examples.inputs.spelled
        assert context is not None
        assert spelled is not None
        return context.of_each(spelled)

    def _half_forgotten(self, words: Words) -> Words:
        if self.unread is None:
            return words
        forgotten = torch.rand(len(words.ids)) < self.unread[words.ids]
        return Words(words.ids.masked_fill(forgotten, UNKNOWN), words.characters, words.lengths)


def step_losses(module: Aligned, scores: Tensor, targets: Sequence[Tensor], lengths: Tensor) -> Tensor:
    """The sum of the losses of all steps, under scores [T, B, outputs].

    For tags it is -ln of the probability of the truth (of whole tag sequences under a CRF), in nats. For numbers it is
    the squared error in units of each output's deviation over the training examples, the mean over the outputs.
    """
    if module.numeric:
        wanted = (pad_sequence(list(targets)).to(scores.device) - module.target_mean) / module.target_scale
        alive = torch.arange(len(scores)).unsqueeze(1) < lengths
        return (scores - wanted).square().mean(2)[alive.to(scores.device)].sum()
    tags = pad_sequence(list(targets), padding_value=NO_TAG).to(scores.device)
    if module.crf is not None:
        with torch.autocast(scores.device.type, enabled=False):
            return -module.crf.log_likelihood(scores.float(), tags, lengths).sum()
    return F.cross_entropy(scores.flatten(0, 1), tags.flatten(), ignore_index=NO_TAG, reduction="sum")


def unread_probabilities(counts: Tensor, strength: float) -> Tensor:
    """Probability of reading a word of these counts as unknown: strength / (strength + count).

    Kiperwasser, Goldberg (2016), section 3; rare words stand for the words that are never seen.
    """
    return torch.where(counts > 0, strength / (strength + counts), 0.0)
