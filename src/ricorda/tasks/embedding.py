"""Tokens as vectors: fresh ones, those of a file to begin with, and words that are read as unknown while training."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn

from ricorda.data.fingerprint import fingerprint
from ricorda.data.token_vectors import TokenVectors
from ricorda.data.tokenization import PADDING, UNKNOWN
from ricorda.errors import ArgumentError
from ricorda.tasks.parameters import WordVectors
from ricorda.tasks.rules import AUTO

EMBEDDING_SCALE = 0.2
"""Standard deviation of a fresh embedding: torch's 1.0 costs 7 points on the sentences of SST-2, 0.02 to 0.3 cost 0."""

COVERAGE = "vectors"
"""Where in a summary it stands which tokens had vectors in the file."""


def token_embedding(vocabulary: int, size: int, *, scale: float = EMBEDDING_SCALE) -> nn.Embedding:
    """A fresh embedding, normal with standard deviation `scale`; padding is zero."""
    embedding = nn.Embedding(vocabulary, size, padding_idx=PADDING)
    with torch.no_grad():
        embedding.weight.mul_(scale)
    return embedding


def drop_words(tokens: Tensor, probability: float) -> Tensor:
    """Token ids, some of them at random replaced by the unknown, so that it is learned too; padding stays."""
    dropped = torch.rand(tokens.shape, device=tokens.device) < probability
    return tokens.masked_fill(dropped & (tokens != PADDING), UNKNOWN)


@dataclass(frozen=True)
class ReadyVectors:
    """What an embedding begins with: the vectors of a file, or none.

    Parameters
    ----------
    tokens : TokenVectors, optional
        The vectors. They are brought to the standard deviation of a fresh embedding, which the other tokens have.
    frozen : bool
        Whether the embedding stays as it is.
    """

    tokens: TokenVectors | None = None
    frozen: bool = False

    @classmethod
    def of(
        cls, model: WordVectors, tokenizer: Tokenizer, counted: Callable[[], NDArray[Any]], **tokens: bool
    ) -> tuple[Tokenizer, ReadyVectors]:
        """An estimator's tokeniser, with the words of the file that it is to know, and what its embedding begins with.

        Parameters
        ----------
        model : WordVectors
            The estimator's parameters.
        tokenizer : Tokenizer
            The training's tokeniser; for words it was learned with `limits`.
        counted : callable
            Counts how often each token occurs in the training, [tokens].
        tokens
            `words` and `lowercase`; see `TokenVectors.read`.

        Raises
        ------
        ArgumentError, DataError
            If the embedding's size is not that of the vectors, or the file is invalid.
        """
        if model.vectors is None:
            if model.freeze_vectors:
                raise ArgumentError("freeze_vectors is on, and there are no vectors: give a file of them")
            return tokenizer, cls()
        most = {"vocab_size": model.settled()["vocab_size"], "min_frequency": model.min_frequency}
        read = TokenVectors.read(model.vectors, tokenizer, counted(), **tokens, **most)
        size = read.vectors.shape[1]
        if model.embedding_size not in (AUTO, size):
            raise ArgumentError(
                f"embedding_size is {model.embedding_size}, and {model.vectors} has vectors of {size} numbers: leave "
                "it out"
            )
        return read.tokenizer, cls(read, model.freeze_vectors)

    @classmethod
    def of_numbers(cls, model: WordVectors) -> ReadyVectors:
        """None for an estimator that was given numbers; raises ArgumentError if it was given vectors too."""
        if model.vectors is not None:
            raise ArgumentError(f"vectors is {str(model.vectors)!r}, and the examples are numbers: leave it out")
        return cls()

    def facts(self, _model: Any) -> dict[str, Any]:
        """The fitted attributes of an estimator that follow: the size of its embedding."""
        return {"taken_": {} if self.tokens is None else {"embedding_size": self.tokens.vectors.shape[1]}}

    @property
    def summary(self) -> dict[str, Any]:
        """What a training's summary says of it."""
        return {} if self.tokens is None else {COVERAGE: self.tokens.coverage}

    def settings(self) -> dict[str, Any]:
        """What a resumed training has to begin with too: a hash of the vectors, wherever the file is."""
        if self.tokens is None:
            return {}
        return {"vectors": f"numbers {fingerprint(self.tokens.ids, self.tokens.vectors)[:16]}"}

    def begin(self, embedding: nn.Embedding, _recurrent: nn.Module | None = None) -> None:
        """Let a fresh embedding begin so."""
        if self.tokens is not None:
            scale = EMBEDDING_SCALE / (self.tokens.deviation or 1.0)
            with torch.no_grad():
                embedding.weight[torch.from_numpy(self.tokens.ids)] = torch.from_numpy(self.tokens.vectors) * scale
            embedding.weight.requires_grad_(not self.frozen)


def limits(model: WordVectors, *, words: bool) -> dict[str, int]:
    """The limits to a vocabulary that is learned: of words, those that a file of vectors has are chosen afterwards."""
    if words and model.vectors is not None:
        return {"vocab_size": sys.maxsize, "min_frequency": 1}
    return {"vocab_size": model.settled()["vocab_size"], "min_frequency": model.min_frequency}


def coverage_sentences(summary: Mapping[str, Any]) -> list[str]:
    """What a summary says of the vectors that a model began with; nothing if there were none."""
    said = summary.get(COVERAGE)
    if said is None:
        return []
    before = "Texts are read as words: " if said["called"] == "words" else ""
    count, every = said["with_a_vector"], said["tokens"]
    more = f"; {said['taken_along']:,} of its other words are known too" if said.get("taken_along") else ""
    return [
        f"{before}{said['file']} has vectors for {count:,} of the {every:,} {said['called']} of the training "
        f"({count / every:.1%}; {said['share_of_running']:.1%} of its text){more}."
    ]
