"""Sentence pairs as a translator learns from them, as token ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from ricorda.data.batches import Rows
from ricorda.data.sentences import Sentences
from ricorda.data.subwords import as_written, reader_of, train_subwords, with_one_quote
from ricorda.data.tokenization import encode
from ricorda.errors import DataError


@dataclass(frozen=True)
class Encoded:
    """Pairs as token ids; no text has a boundary among them."""

    sources: Sequence[Tensor]
    targets: Sequence[Tensor]

    def take(self, rows: Rows) -> Encoded:
        """Some of the pairs."""
        return Encoded([self.sources[row] for row in rows], [self.targets[row] for row in rows])


@dataclass(frozen=True)
class Subwords:
    """The tokenisers of both sides, with the same tokens where the vocabulary is shared.

    The source is only read: `reader_of` makes its apostrophes and blanks alike. The target stays as it was written.
    """

    source: Tokenizer
    target: Tokenizer

    @classmethod
    def learn(cls, sources: list[str], targets: list[str], *, shared: bool, **options: Any) -> Subwords:
        """Learn them from training pairs; for the options see `train_subwords`."""
        sources = [with_one_quote(text) for text in sources]
        target = train_subwords(sources + targets if shared else targets, **options)
        return cls(reader_of(target if shared else train_subwords(sources, **options)), target)

    def encode_pairs(self, sources: Sentences, targets: Sentences, max_length: int) -> Encoded:
        """Training pairs as token ids.

        Raises
        ------
        DataError
            If one has more than `max_length` tokens on a side.
        """
        way_out = "split it, leave the pair out, or give a larger max_length"
        return Encoded(
            _encoded(self.source, sources, max_length, "in its source", way_out),
            _encoded(self.target, targets, max_length, "in its target", way_out),
        )

    def encode_sources(self, sources: Sentences, max_length: int) -> list[Tensor]:
        """Sentences to translate as token ids; raises DataError for one of more than `max_length` tokens."""
        return _encoded(self.source, sources, max_length, "in its text", "split it into sentences")

    def written(self, texts: Sequence[str]) -> list[str]:
        """Translations or references as the model writes them, the form in which they are compared."""
        return as_written(self.target, texts)


def _encoded(tokenizer: Tokenizer, sentences: Sentences, max_length: int, where: str, way_out: str) -> list[Tensor]:
    ids = encode(tokenizer, sentences.texts)
    for index, tokens in enumerate(ids):
        if len(tokens) > max_length:
            raise DataError(
                f"{sentences.place(index)} has {len(tokens):,} subwords {where}, more than {max_length:,}: {way_out}"
            )
    return [torch.tensor(tokens) for tokens in ids]
