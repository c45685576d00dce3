"""Runs a trained tagger over many sequences: batches of like length, and each distinct word read once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ricorda.data.tokenization import UNKNOWN
from ricorda.tasks.encoding import batches_of_like_length
from ricorda.tasks.tag.context import Spelled
from ricorda.tasks.tag.network import Aligned
from ricorda.tasks.tag.words import Words

STEPS_AT_ONCE = 4_096
"""Steps of a batch, padding included: this bounds its memory, and what it takes of the processor's caches."""

WORDS_AT_ONCE = 1_024
"""Distinct words whose characters are read together."""


@dataclass(frozen=True)
class Inputs:
    """Encoded sequences: float32 numbers [T, I], or int64 [T], rows of the table of their distinct words."""

    sequences: Sequence[Tensor]
    words: Words | None = None
    spelled: Sequence[Spelled] | None = None
    """The sentences' characters, where language models read them."""

    def take(self, rows: Sequence[int]) -> Inputs:
        """Some of the sequences, with the same table of words."""
        spelled = None if self.spelled is None else [self.spelled[row] for row in rows]
        return Inputs([self.sequences[row] for row in rows], self.words, spelled)

    def seen(self) -> list[Tensor]:
        """Whether the vocabulary holds each step's word, bool [T] each; numbers are always known."""
        if self.words is None:
            return [torch.ones(len(sequence), dtype=torch.bool) for sequence in self.sequences]
        known = self.words.ids != UNKNOWN
        return [known[sequence] for sequence in self.sequences]


def outputs(module: Aligned, inputs: Inputs) -> Iterator[tuple[list[int], Tensor, Tensor]]:
    """Row numbers, scores [T, B, outputs] and lengths of each batch, by a module in evaluation mode.

    The caller disables gradients, because `no_grad` in a generator would reach beyond it.
    """
    device = module.head.weight.device
    say = getattr(module, "apart", module) if device.type == "cpu" else module
    sequences, vectors = list(inputs.sequences), None
    sizes = [len(sequence) for sequence in sequences]
    if inputs.words is not None:
        distinct, places = torch.unique(torch.cat(sequences), return_inverse=True)
        sequences, vectors = list(torch.split(places, sizes)), _vectors(module, inputs.words.take(distinct))
    for rows in batches_of_like_length(sizes, STEPS_AT_ONCE):
        lengths = torch.tensor([sizes[row] for row in rows])
        x = pad_sequence([sequences[row] for row in rows]).to(device)
        x = x if vectors is None else vectors[x]
        if module.context is not None and inputs.spelled is not None:
            x = torch.cat([x, module.context([inputs.spelled[row] for row in rows]).to(x)], dim=2)
        yield rows, say(x, lengths), lengths


def of_each(module: Aligned, inputs: Inputs, result: Callable[[Tensor, Tensor], Tensor]) -> list[NDArray[Any]]:
    """What `result` computes from scores [T, B, outputs] and lengths, as an array [T, ...] for each sequence."""
    results: list[Any] = [None] * len(inputs.sequences)
    with torch.inference_mode():
        for rows, scores, lengths in outputs(module, inputs):
            batch = result(scores, lengths).cpu().numpy()
            for column, (row, length) in enumerate(zip(rows, lengths.tolist(), strict=True)):
                results[row] = batch[:length, column]
    return results


def _vectors(module: Aligned, words: Words) -> Tensor:
    """The vectors of all words, [n, D]; words of like length are read together."""
    order = words.lengths.argsort()
    device = module.head.weight.device
    parts = [module.read(words.take(rows).to(device)) for rows in torch.split(order, WORDS_AT_ONCE)]
    read = torch.cat(parts)
    vectors = torch.empty_like(read)
    vectors[order.to(device)] = read
    return vectors
