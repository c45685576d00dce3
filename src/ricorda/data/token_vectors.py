"""A tokeniser and a file of vectors brought together: which words are known, and which tokens have a vector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models

from ricorda.data.tokenization import UNKNOWN, with_words
from ricorda.data.vectors import by_spelling, read_vectors


@dataclass(frozen=True)
class TokenVectors:
    """The vectors of a tokeniser's tokens.

    Parameters
    ----------
    tokenizer : Tokenizer
        The tokeniser, with the words of the file that it is to know.
    ids : int64 [n]
        The tokens that have a vector: from the file, from words that are spelled alike or, for the unknown, the mean.
    vectors : float32 [n, D]
        These vectors.
    deviation : float
        The standard deviation of the numbers that were read from the file.
    coverage : mapping
        What the file has of the training, as JSON.
    """

    tokenizer: Tokenizer
    ids: NDArray[np.int64]
    vectors: NDArray[np.float32]
    deviation: float
    coverage: Mapping[str, Any]

    @classmethod
    def read(
        cls,
        path: str | Path,
        tokenizer: Tokenizer,
        counts: NDArray[Any],
        *,
        words: bool,
        lowercase: bool,
        vocab_size: int,
        min_frequency: int,
    ) -> TokenVectors:
        """Read the vectors of a training's tokens.

        Parameters
        ----------
        path
            The file.
        tokenizer : Tokenizer
            The training's tokeniser: one of words has every word that occurs, the most frequent first.
        counts : array [tokens]
            How often each token occurs in the training.
        words : bool
            Whether tokens are words. Then those remain that have a vector or occur `min_frequency` times, and the
            file's first others fill the vocabulary up to `vocab_size`. Of pieces of words, those that begin a word may
            have the vector of a word that is spelled so.
        lowercase : bool
            Whether the words are in small letters.

        Raises
        ------
        ArgumentError, DataError
            If the vocabulary has no room for a word, or the file is invalid; see `read_vectors`.
        """
        spelled = _spelled(tokenizer)
        read = read_vectors(path, list(spelled.values()), others=vocab_size if words else 0, lowercase=lowercase)
        has = [id for id, word in spelled.items() if word in read.of]
        coverage = {
            "file": Path(path).name,
            "called": "words" if words else "tokens",
            "tokens": len(spelled),
            "with_a_vector": len(has),
            "share_of_running": float(counts[has].sum() / counts[UNKNOWN + 1 :].sum()),
        }
        if words:
            known = [word for id, word in spelled.items() if word in read.of or counts[id] >= min_frequency]
            tokenizer = with_words(tokenizer, [*known, *read.others], vocab_size)
            spelled = _spelled(tokenizer)
            coverage["taken_along"] = len(set(read.others).intersection(spelled.values()))
        every = np.stack(list(read.of.values()))
        vectors = {**by_spelling([word for word in spelled.values() if word not in read.of], read.of), **read.of}
        rows = {UNKNOWN: every.mean(0), **{id: vectors[word] for id, word in spelled.items() if word in vectors}}
        return cls(tokenizer, np.array(list(rows)), np.stack(list(rows.values())), float(every.std()), coverage)


def _spelled(tokenizer: Tokenizer) -> dict[int, str]:
    """The tokens that can be words of a file, by their ids, in order; of pieces those that begin a word."""
    tokens = sorted((id, token) for token, id in tokenizer.get_vocab().items() if id > UNKNOWN)
    if isinstance(tokenizer.model, models.BPE):
        return {id: token[1:] for id, token in tokens if token[0] == "\u2581" and len(token) > 1}
    return dict(tokens)
