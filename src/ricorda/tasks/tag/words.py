"""What a tagger reads of words: an id of each in small letters, and its characters as they stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from ricorda.data.tokenization import PADDING, UNKNOWN, encode, train_tokenizer

LONGEST_WORD = 40
"""Characters that are read of a word: of a longer one (an address, mostly) the first and the last half of these."""


@dataclass(frozen=True)
class Words:
    """Distinct words.

    Parameters
    ----------
    ids : int64 [n]
        In the vocabulary of words.
    characters : int64 [n, L]
        Their ids, padded behind.
    lengths : int64 [n]
        Characters of each.
    """

    ids: Tensor
    characters: Tensor
    lengths: Tensor

    def take(self, rows: Tensor) -> Words:
        """Some of them, padded no further than the longest."""
        lengths = self.lengths[rows]
        return Words(self.ids[rows], self.characters[rows, : int(lengths.max())], lengths)

    def to(self, device: torch.device) -> Words:
        """The same on another device, but for the lengths, which recurrent layers want on the CPU."""
        return Words(self.ids.to(device), self.characters.to(device), self.lengths)


@dataclass(frozen=True)
class WordVocabulary:
    """The words and characters that a tagger knows.

    Parameters
    ----------
    words, characters : Tokenizer
        Their ids.
    lowercase : bool
        Whether a word's id is that of its small letters; its characters keep their case.
    """

    words: Tokenizer
    characters: Tokenizer
    lowercase: bool

    @classmethod
    def learn(
        cls, sentences: Sequence[list[str]], *, vocab_size: int, min_frequency: int, lowercase: bool
    ) -> WordVocabulary:
        """Those of training sentences; raises ArgumentError as `train_tokenizer` does."""
        folded = [[_folded(word, lowercase) for word in sentence] for sentence in sentences]
        words = train_tokenizer("word", folded, vocab_size=vocab_size, min_frequency=min_frequency)
        distinct = sorted({word for sentence in sentences for word in sentence})
        characters = train_tokenizer("char", distinct, lowercase=False)
        return cls(words, characters, lowercase)

    def read(self, sentences: Sequence[list[str]]) -> tuple[Words, list[Tensor]]:
        """The distinct words of sentences, and the number of each sentence's words among them, [T] each."""
        number_of: dict[str, int] = {}
        numbers = [
            torch.tensor([number_of.setdefault(word, len(number_of)) for word in sentence]) for sentence in sentences
        ]
        distinct = list(number_of)
        (ids,) = encode(self.words, [[_folded(word, self.lowercase) for word in distinct]])
        spelled = [_ends(letters) or [UNKNOWN] for letters in encode(self.characters, distinct)]
        lengths = torch.tensor([len(letters) for letters in spelled])
        characters = torch.full((len(spelled), int(lengths.max())), PADDING)
        for row, letters in zip(characters, spelled, strict=True):
            row[: len(letters)] = torch.tensor(letters)
        return Words(torch.tensor(ids), characters, lengths), numbers

    def counts(self, sentences: Sequence[list[str]]) -> Tensor:
        """How often each word of the vocabulary occurs, float32 [words]; 0 for padding and the unknown."""
        occurring = Counter(_folded(word, self.lowercase) for sentence in sentences for word in sentence)
        counts = torch.zeros(self.words.get_vocab_size())
        for word, count in occurring.items():
            counts[self.words.token_to_id(word) or UNKNOWN] = count
        counts[UNKNOWN] = 0
        return counts


def _folded(word: str, lowercase: bool) -> str:
    return word.lower() if lowercase else word


def _ends(letters: list[int]) -> list[int]:
    half = LONGEST_WORD // 2
    return letters if len(letters) <= LONGEST_WORD else letters[:half] + letters[-half:]
