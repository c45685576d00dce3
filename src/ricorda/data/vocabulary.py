"""Text to token ids and back, without a loss: what a language model reads, it can write."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from ricorda.errors import ArgumentError, DataError

Kind = Literal["char", "bpe", "word", "tokens"]
"""What a token is: a character, a part of a word, the text between white space, or an entry of a token list."""

UNKNOWN, END = 0, 1
"""The ids of `<unk>` and `<eos>`: the end of a document, and of a line where tokens are words."""

MARKS = ("<unk>", "<eos>")
BPE_SIZE = 4_000
"""The default number of tokens of a byte-pair vocabulary."""

Ids = NDArray[np.int32]


class Vocabulary:
    """A tokeniser whose ids give the text back.

    Parameters
    ----------
    kind : {"char", "bpe", "word", "tokens"}
        What a token is. Byte pairs know every text (they begin with all bytes); others have `<unk>`.
    tokenizer : Tokenizer
        A tokeniser of the `tokenizers` library, from `train_vocabulary`.
    """

    def __init__(self, kind: Kind, tokenizer: Tokenizer) -> None:
        self.kind = kind
        self.tokenizer = tokenizer
        self._ids: dict[str, int] = tokenizer.get_vocab()
        self._tokens = {id: token for token, id in self._ids.items()}
        if sorted(self._tokens) != list(range(len(self._ids))) or [self._tokens[UNKNOWN], self._tokens[END]] != [
            *MARKS
        ]:
            raise ArgumentError("the tokenizer is not one of a language model")

    def __len__(self) -> int:
        """Number of ids."""
        return len(self._ids)

    def split(self, text: str | Sequence[str], *, lines: bool = False) -> list[str]:
        """The tokens of a text, in the vocabulary or not; with `lines`, words get an `<eos>` for each line end."""
        if not isinstance(text, str):
            return list(text)
        if self.tokenizer.normalizer is not None:
            text = str(self.tokenizer.normalizer.normalize_str(text))
        if self.kind == "bpe":
            parts = self.tokenizer.encode_batch_fast(text.splitlines(keepends=True))
            return [self._tokens[id] for part in parts for id in part.ids]
        if self.kind == "char":
            return list(text)
        return (text.replace("\n", f" {MARKS[END]} ") if lines else text).split()

    def ids(self, tokens: Iterable[str]) -> Ids:
        """The id of each token."""
        find = self._ids.get
        return np.fromiter((find(token, UNKNOWN) for token in tokens), np.int32)

    def refuse_unknown(self, tokens: Sequence[str], ids: Ids, where: str) -> None:
        """Raise DataError if a token has no id of its own, naming the first."""
        if self.kind == "bpe":
            return
        for position in np.flatnonzero(ids == UNKNOWN):
            token = tokens[int(position)]
            if token != MARKS[UNKNOWN]:
                what = "character" if self.kind == "char" else "word"
                every = "" if self.kind == "tokens" else "--tokenizer bpe, which reads every text, or with "
                raise DataError(
                    f"{where} has {token!r:.40} as {what} {int(position) + 1}, which the training text never had: "
                    f"leave it out, or train with {every}--min-frequency 2, which learns from rare ones"
                )

    def token(self, id: int) -> str:
        """The token of an id, as the vocabulary has it."""
        return self._tokens[id]

    def find(self, token: str) -> int | None:
        """The id of a token, or None if it has none."""
        return self._ids.get(token)

    def writer(self, *, at_line_start: bool = True) -> Writer:
        """A writer, which turns generated ids into text piece by piece."""
        return Writer(self, at_line_start)


class Writer:
    """Turns ids into text as they come; the pieces that it returns, joined, are the text."""

    def __init__(self, vocabulary: Vocabulary, at_line_start: bool) -> None:
        self._vocabulary = vocabulary
        self._at_line_start = at_line_start
        self._waiting: list[int] = []

    def write(self, id: int) -> str:
        """The text that an id adds; empty while bytes of a character are still missing."""
        kind = self._vocabulary.kind
        if kind == "bpe":
            self._waiting.append(id)
            text = str(self._vocabulary.tokenizer.decode(self._waiting, skip_special_tokens=False))
            if text.endswith("\ufffd") and len(self._waiting) < 4 and not self._ends_whole():
                return ""
            self._waiting = []
            return text
        token = self._vocabulary.token(id)
        if kind == "word":
            space = "" if self._at_line_start or id == END else " "
            self._at_line_start = id == END
            return "\n" if id == END else space + token
        return token

    def _ends_whole(self) -> bool:
        """Whether the waiting tokens end with the bytes of U+FFFD itself, by which a decoder marks broken ones too."""
        tokens = "".join(str(self._vocabulary.tokenizer.id_to_token(id)) for id in self._waiting)
        return tokens.endswith("\u00ef\u00bf\u00bd")  # Byte-level tokens write EF BF BD so.


def train_vocabulary(
    kind: Kind,
    texts: Sequence[str] | Sequence[Sequence[str]],
    *,
    vocab_size: int | None = None,
    min_frequency: int = 1,
    lowercase: bool = False,
) -> Vocabulary:
    """Learn a vocabulary; the same texts give the same one.

    Parameters
    ----------
    kind
        What a token is.
    texts
        Texts, or token lists for "tokens".
    vocab_size
        Most tokens, the two marks (and the 256 bytes of "bpe") among them; the most frequent stay. By default all,
        and 4,000 of "bpe".
    min_frequency
        How often a token ("bpe": a pair that becomes one) must occur.
    lowercase
        Read texts in lower case.

    Raises
    ------
    ArgumentError
        If the vocabulary has no room for a token.
    """
    smallest = len(MARKS) + (256 if kind == "bpe" else 1)
    if vocab_size is not None and vocab_size < smallest:
        raise ArgumentError(f"vocab_size is {vocab_size}: give at least {smallest} for the tokenizer {kind!r}")
    normalizer = normalizers.Lowercase() if lowercase and kind != "tokens" else None
    if kind == "bpe":
        return Vocabulary(kind, _byte_pairs(texts, vocab_size or BPE_SIZE, min_frequency, normalizer))
    tokenizer = Tokenizer(models.WordLevel({mark: id for id, mark in enumerate(MARKS)}, unk_token=MARKS[UNKNOWN]))
    tokenizer.normalizer = normalizer
    plain = Vocabulary(kind, tokenizer)
    counts = Counter(token for text in texts for token in plain.split(text) if token not in MARKS)
    frequent = sorted((-count, token) for token, count in counts.items() if count >= min_frequency)
    if not frequent:
        raise ArgumentError(f"min_frequency is {min_frequency}, and no token is met as often: give a smaller one")
    kept = [token for _, token in frequent[: None if vocab_size is None else vocab_size - len(MARKS)]]
    model = models.WordLevel({token: id for id, token in enumerate([*MARKS, *kept])}, unk_token=MARKS[UNKNOWN])
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizer
    if kind == "char":
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
        tokenizer.decoder = decoders.Fuse()
    elif kind == "word":
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return Vocabulary(kind, tokenizer)


def _byte_pairs(
    texts: Sequence[str] | Sequence[Sequence[str]],
    size: int,
    min_frequency: int,
    normalizer: normalizers.Normalizer | None,
) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=min_frequency,
        special_tokens=[*MARKS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((line for text in texts for line in str(text).splitlines(keepends=True)), trainer)
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = []  # Otherwise a text that spells a mark would be read as the mark.
    return Tokenizer.from_str(json.dumps(content))
