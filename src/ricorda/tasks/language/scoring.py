"""How probable a model finds a text or music; the state is carried from the first step to the last."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ricorda.nn.sequences import State
from ricorda.tasks.evaluating import evaluating
from ricorda.tasks.language.network import NextStep
from ricorda.tasks.language.sequences import FRESH, SEQUENCE, Sequences
from ricorda.tasks.scores import Figures

AT_ONCE = 8_192
"""Steps whose outputs are in memory at once, over all rows."""

SCORES_AT_ONCE = 4_000_000
"""Scores of tokens that are in memory at once."""

PARALLEL = 16
"""Rows that a long stream is cut into for a quick figure."""

BEFORE = 256
"""Steps that such a row reads before its own, so that its state is nearly the carried one."""

MOST_TOKENS = 100_000
"""Characters, or tokens of a list, of the longest text whose tokens are written as JSON, some 50 bytes each."""

PART = 100
"""The most steps of a text that count as one example in a comparison of models."""


@dataclass(frozen=True, repr=False)
class Evaluation(Figures):
    """How well a text, or music, is predicted.

    Attributes
    ----------
    steps
        The number of predicted tokens, or steps of music.
    nats
        Mean negative log-probability of a step: the cross-entropy.
    perplexity
        exp(nats); None for music.
    bits_per_character
        nats of the whole text over its characters and ln 2, whatever the tokens are; None if there are no characters.
    """

    steps: int
    nats: float
    perplexity: float | None = None
    bits_per_character: float | None = None

    @classmethod
    def of(cls, nats: float, steps: int, *, keys: bool, characters: int) -> Evaluation:
        """The figures that follow from a sum of negative log-probabilities."""
        perplexity = None if keys else math.exp(min(nats / steps, 700.0))
        return cls(steps, nats / steps, perplexity, nats / math.log(2) / characters if characters else None)

    def to_json(self) -> dict[str, Any]:
        """The figures that are not None."""
        return {name: value for name, value in super().to_json().items() if value is not None}


def losses_of(module: NextStep, sequences: Sequences, *, quick: bool = False) -> Iterator[Tensor]:
    """Negative log-probabilities of all predictions, in nats, in parts [n] in the order of the steps.

    With `quick`, rows are read side by side, in their order. Rows of a long stream read some steps before their own.
    The module's mode is left as it was.
    """
    with evaluating(module):
        if quick and not sequences.stream:
            yield from _in_groups(module, sequences)
        elif quick and sequences.predictions >= 4 * PARALLEL * BEFORE:
            yield from _in_parallel(module, sequences)
        else:
            for index, (start, length) in enumerate(zip(sequences.starts, sequences.lengths, strict=True)):
                condition = None if sequences.condition is None else sequences.condition[index : index + 1]
                yield from _in_turn(module, sequences, int(start), int(length), condition)


def by_part(module: NextStep, sequences: Sequences) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The mean loss of each part of a text or document, of PART steps at most, in nats, and the steps of each."""
    losses = np.concatenate([part.double().cpu().numpy() for part in losses_of(module, sequences)])
    ends = np.cumsum(sequences.lengths)
    starts = [start for end, n in zip(ends, sequences.lengths, strict=True) for start in range(end - n, end, PART)]
    steps = np.diff([*starts, len(losses)])
    return np.add.reduceat(losses, starts) / steps, steps


def _in_turn(
    module: NextStep, sequences: Sequences, start: int, length: int, condition: Tensor | None
) -> Iterator[Tensor]:
    """The losses of one sequence, as one row."""
    device = next(module.parameters()).device
    state = None if condition is None else module.initial(condition.to(device))
    for begin in range(start, start + length, AT_ONCE):
        end = min(begin + AT_ONCE, start + length)
        losses, state = _part(module, sequences.steps[begin : end + 1, None].to(device), state)
        yield losses.flatten()


def _in_parallel(module: NextStep, sequences: Sequences) -> Iterator[Tensor]:
    """The losses of a stream, as rows side by side."""
    device = next(module.parameters()).device
    size = -(-sequences.predictions // PARALLEL)
    starts = np.maximum(np.arange(PARALLEL) * size - BEFORE, 0)
    ends = np.minimum(np.arange(1, PARALLEL + 1) * size, sequences.predictions)
    first = np.arange(PARALLEL) * size  # Steps before it are only read.
    state: State | None = None
    at_once = AT_ONCE // PARALLEL
    for begin in range(0, int((ends - starts).max()), at_once):
        index = torch.from_numpy(starts) + torch.arange(begin, begin + at_once + 1)[:, None]
        steps = sequences.steps[index.clamp(max=sequences.predictions)].to(device)
        losses, state = _part(module, steps, state)
        own = (index[:-1] >= torch.from_numpy(first)) & (index[:-1] < torch.from_numpy(ends))
        yield losses[own.to(device)]


def _in_groups(module: NextStep, sequences: Sequences) -> Iterator[Tensor]:
    """The losses of documents side by side, those of like length together."""
    device = next(module.parameters()).device
    state: State | None = None
    for rows in sequences.windows(PARALLEL, AT_ONCE // PARALLEL, seed=0, epoch=0):
        if rows[0, FRESH]:
            state = (
                None
                if sequences.condition is None
                else module.initial(sequences.condition[torch.from_numpy(rows[:, SEQUENCE].copy())].to(device))
            )
        inputs, targets, lengths = sequences.at(rows)
        outputs, state = module(inputs.to(device), state, lengths)
        losses = _losses(module, outputs, targets.to(device))
        yield losses.flatten() if lengths is None else losses[(torch.arange(len(inputs))[:, None] < lengths).to(device)]


def _part(module: NextStep, steps: Tensor, state: State | None) -> tuple[Tensor, State]:
    """Losses [T, B] of steps [T + 1, B, ...], and the state after them."""
    outputs, state = module(steps[:-1], state)
    return _losses(module, outputs, steps[1:]), state


def _losses(module: NextStep, outputs: Tensor, targets: Tensor) -> Tensor:
    """Losses [T, B] of outputs [T, B, H] and targets [T, B, ...], in parts, so that the scores take little memory."""
    flat, wanted = outputs.flatten(0, 1), targets.flatten(0, 1)
    wanted = wanted if wanted.ndim > 1 else wanted.long()
    rows = max(1, SCORES_AT_ONCE // (module.sizes.vocabulary or module.sizes.keys))
    parts = [module.output.losses(flat[k : k + rows], wanted[k : k + rows]) for k in range(0, len(flat), rows)]
    return torch.cat(parts).view(outputs.shape[:2])
