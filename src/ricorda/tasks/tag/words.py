"""How a tagger reads words: the id of each in lower case, and its characters as they stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from ricorda.data.tokenization import PADDING, UNKNOWN, encode, train_tokenizer

LONGEST_WORD = 40
"""The most characters that are read of a word: of a longer one (mostly an address) the first and the last half."""


@dataclass(frozen=True)
class Words:
    """Distinct words.

    Parameters
    ----------
    ids : int64 [n]
        Ids in the vocabulary of words.
    characters : int64 [n, L]
        Ids of the characters, padded at the end.
    lengths : int64 [n]
        The number of characters of each word.
    """

    ids: Tensor
    characters: Tensor
    lengths: Tensor

    def take(self, rows: Tensor) -> Words:
        """Some of the words, padded no further than the longest of them."""
        lengths = self.lengths[rows]
        return Words(self.ids[rows], self.characters[rows, : int(lengths.max())], lengths)

    def to(self, device: torch.device) -> Words:
        """The words on another device; the lengths stay on the CPU, where recurrent layers need them."""
        return Words(self.ids.to(device), self.characters.to(device), self.lengths)


@dataclass(frozen=True)
class WordVocabulary:
    """The words and characters that a tagger knows.

    Parameters
    ----------
    words, characters : Tokenizer
        The tokenisers of words and of characters.
    lowercase : bool
        Whether words are looked up in lower case; their characters keep their case.
    """

    words: Tokenizer
    characters: Tokenizer
    lowercase: bool

    @classmethod
    def learn(
        cls, sentences: Sequence[list[str]], *, vocab_size: int, min_frequency: int, lowercase: bool
    ) -> WordVocabulary:
        """Learn the vocabulary of training sentences; raises ArgumentError as `train_tokenizer` does."""
        folded = [[_folded(word, lowercase) for word in sentence] for sentence in sentences]
        words = train_tokenizer("word", folded, vocab_size=vocab_size, min_frequency=min_frequency)
        distinct = sorted({word for sentence in sentences for word in sentence})
        characters = train_tokenizer("char", distinct, lowercase=False)
        return cls(words, characters, lowercase)

    def read(self, sentences: Sequence[list[str]]) -> tuple[Words, list[Tensor]]:
        """The distinct words of sentences, and the place of each sentence's words among them, [T] each."""
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
        """The count of each word of the vocabulary, float32 [words]; 0 for padding and the unknown."""
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
