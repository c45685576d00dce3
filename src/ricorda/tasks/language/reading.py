"""How a language model reads texts and music: the steps of each sequence, and the one before the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from ricorda.data.material import IN_WORDS, Material
from ricorda.data.material import Kind as MaterialKind
from ricorda.data.music import KEYS, roll_of
from ricorda.data.vocabulary import END, UNKNOWN, Ids, Vocabulary, train_vocabulary
from ricorda.data.vocabulary import Kind as TokenKind
from ricorda.errors import ArgumentError, DataError, ModelFolderError
from ricorda.tasks.language.sequences import Sequences


@dataclass(frozen=True)
class Reader:
    """A model's way of reading.

    Attributes
    ----------
    kind
        The kind of material that it was trained on.
    vocabulary
        The vocabulary; None for music.
    knows_unknown
        Whether the training text had `<unk>`; unknown tokens can then be read as `<unk>`.
    reverse
        Whether it reads each text, document or piece from its end.
    """

    kind: MaterialKind
    vocabulary: Vocabulary | None = None
    knows_unknown: bool = False
    reverse: bool = False

    @classmethod
    def learn(
        cls,
        material: Material,
        tokenizer: Any,
        *,
        vocab_size: int | None,
        min_frequency: int,
        lowercase: bool,
        reverse: bool = False,
    ) -> Reader:
        """The reader of some training material."""
        if material.kind == "music":
            return cls("music", reverse=reverse)
        kind: TokenKind = "tokens" if material.kind == "tokens" else tokenizer
        vocabulary = train_vocabulary(
            kind, material.parts, vocab_size=vocab_size, min_frequency=min_frequency, lowercase=lowercase
        )
        lines = material.kind == "stream"
        unknown = any((vocabulary.ids(vocabulary.split(part, lines=lines)) == UNKNOWN).any() for part in material.parts)
        return cls(material.kind, vocabulary, bool(unknown), reverse)

    def to_json(self) -> dict[str, Any]:
        """All that `from_json` needs besides the tokenizer."""
        return {
            "kind": self.kind,
            "tokens": "" if self.vocabulary is None else self.vocabulary.kind,
            "unknown": int(self.knows_unknown),
        }

    @classmethod
    def from_json(cls, description: Mapping[str, Any], tokenizer: Tokenizer | None, *, reverse: bool = False) -> Reader:
        """The reader that `to_json` described; raises ModelFolderError if the description is invalid."""
        kind, tokens = description["kind"], description["tokens"]
        fitting = {"music": ("",), "tokens": ("tokens",)}.get(kind, ("char", "bpe", "word"))
        if kind not in IN_WORDS or tokens not in fitting or (tokenizer is None) != (kind == "music"):
            raise ModelFolderError(f"a model of {kind!r:.40} has the wrong tokens ({tokens!r:.40}) or tokenizer")
        vocabulary = None if tokenizer is None else Vocabulary(tokens, tokenizer)
        return cls(kind, vocabulary, bool(description["unknown"]), reverse)

    @property
    def ends(self) -> bool:
        """Whether sequences begin and end with `<eos>`."""
        return self.kind in ("documents", "tokens")

    @property
    def before(self) -> int | None:
        """The id that is read before the first step: the end of a document or of a line; None if there is none."""
        assert self.vocabulary is not None
        if self.ends or self.vocabulary.kind == "word":
            return END
        return self.vocabulary.find("Ċ" if self.vocabulary.kind == "bpe" else "\n")  # Byte pairs spell a line end Ċ.

    def sequences(self, material: Material, where: str | None = None) -> Sequences:
        """The predictions in some material; with `where`, unknown tokens are refused unless the training had some.

        Raises
        ------
        DataError
            If it is of another kind than the model was trained on, too short, or has unknown tokens.
        """
        stream = self.kind == "stream"
        if material.kind != self.kind:
            raise DataError(
                f"{where or 'the validation'} is {IN_WORDS[material.kind]}, and the model was trained on "
                f"{IN_WORDS[self.kind]}: give it that"
            )
        if self.kind == "music":
            silence = np.zeros((1, KEYS), np.uint8)
            rolls = [roll_of(piece) for piece in material.parts]
            parts: list[NDArray[Any]] = [np.concatenate([silence, self._as_read(roll)]) for roll in rolls]
        else:
            parts = [
                self._ids(part, where if stream or where is None else f"{where}[{number}]")
                for number, part in enumerate(material.parts)
            ]
        if min(map(len, parts)) < 2:
            raise DataError(
                f"{where or 'the text'} has one token alone, so that there is nothing to predict: give more"
            )
        return Sequences.of(parts, stream=stream, condition=material.condition)

    def prompt(self, prompt: Any) -> list[Any]:
        """The steps that generation begins with: ids, or keys of music.

        Raises
        ------
        ArgumentError, DataError
            If the prompt has steps that the model does not know, or nothing to begin with is known.
        """
        if self.kind == "music":
            return [np.zeros(KEYS, np.uint8), *roll_of(prompt or [])]
        opening: list[Any] = [] if self.before is None else [self.before]
        ids = self.read(prompt, "prompt").tolist() if prompt else []
        if not opening and not ids:
            raise ArgumentError("prompt is empty, and the training text had no line end to begin behind: give a prompt")
        return [*opening, *ids]

    def tokens(self, part: str | Sequence[str]) -> list[str]:
        """The tokens of a text that are predicted, including `<eos>`."""
        assert self.vocabulary is not None
        tokens = self.vocabulary.split(part, lines=self.kind == "stream")
        return [*tokens, self.vocabulary.token(END)] if self.ends else tokens

    def _ids(self, part: Any, where: str | None) -> Ids:
        """The ids of a text or token list, with the id before its first token, and an end if sequences have one."""
        before = np.array([] if self.before is None else [self.before], np.int32)
        return np.concatenate([before, self.read(part, where), np.array([END] * self.ends, np.int32)])

    def read(self, part: Any, where: str | None) -> Ids:
        """The ids of a text or token list as they are read; with `where`, raises DataError for unknown tokens."""
        assert self.vocabulary is not None
        tokens = self.vocabulary.split(part, lines=self.kind == "stream")
        ids = self.vocabulary.ids(tokens)
        if where is not None and not self.knows_unknown:
            self.vocabulary.refuse_unknown(tokens, ids, where)
        return self._as_read(ids)

    def _as_read(self, steps: NDArray[Any]) -> NDArray[Any]:
        return steps[::-1] if self.reverse else steps
