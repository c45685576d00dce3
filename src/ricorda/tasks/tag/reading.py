"""How a tagger reads a user's sequences: lists of words, or arrays of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from tokenizers import Tokenizer

from ricorda.data.beside import NOTHING, Beside
from ricorda.data.inputs import ONE_OF, read_inputs
from ricorda.data.places import Place
from ricorda.errors import DataError, ModelFolderError
from ricorda.tasks.encoding import LONGEST
from ricorda.tasks.tag.context import Spelling
from ricorda.tasks.tag.inference import Inputs
from ricorda.tasks.tag.words import WordVocabulary

InputKind = Literal["tokens", "numbers"]


@dataclass(frozen=True)
class Reading:
    """How a tagger reads its inputs: words of a vocabulary, or a fixed count of numbers a step."""

    kind: InputKind
    vocabulary: WordVocabulary | None = None
    features: int = 0
    spelling: Spelling | None = None
    beside: Beside = NOTHING
    """What the cell reads beside numbers."""

    def encode(self, kind: InputKind, inputs: Sequence[Any], place: Place) -> Inputs:
        """Checked inputs in the form that the network takes.

        Raises
        ------
        DataError
            If the inputs are of another kind or size than the model was trained on.
        """
        if kind != self.kind:
            raise DataError(f"{place(0)} has {ONE_OF[kind]}, and the model was trained on {self.kind}: give it those")
        if self.vocabulary is not None:
            words, numbers = self.vocabulary.read(inputs)
            spelled = None if self.spelling is None else [self.spelling.spell(sentence) for sentence in inputs]
            return Inputs(numbers, words, spelled)
        if inputs[0].shape[1] != self.features:
            raise DataError(
                f"{place(0)} has {inputs[0].shape[1]} features a step, and the model was trained on {self.features}: "
                "give it as many"
            )
        for index, array in enumerate(inputs):
            if trouble := self.beside.trouble(array):
                raise DataError(f"{place(index)} {trouble}")
        return Inputs([self.beside.encoded(array) for array in inputs])

    def description(self) -> dict[str, Any]:
        """All that `restored` needs besides the tokenisers, as JSON."""
        context = {} if self.spelling is None else {"context": self.spelling.description()}
        return {"kind": self.kind, "features": self.features, **context}

    def tokenizers(self) -> dict[str, Tokenizer]:
        """The vocabulary's tokenisers, by the names of their files."""
        if self.vocabulary is None:
            return {}
        context = {} if self.spelling is None else {"context_tokenizer": self.spelling.tokenizer}
        return {"tokenizer": self.vocabulary.words, "character_tokenizer": self.vocabulary.characters, **context}

    @classmethod
    def restored(
        cls, description: Mapping[str, Any], tokenizers: Mapping[str, Tokenizer], *, lowercase: bool, beside: Beside
    ) -> Reading:
        """The reading that `description` wrote.

        Raises
        ------
        ModelFolderError
            If the description and the tokenisers do not belong together.
        """
        kind, features = description["kind"], description["features"]
        context = description.get("context")
        expected = {"tokenizer", "character_tokenizer"} if kind == "tokens" else set()
        if context is not None:
            expected |= {"context_tokenizer"}
        if kind not in get_args(InputKind) or set(tokenizers) != expected or (features != 0) != (kind == "numbers"):
            raise ModelFolderError(f"a model of {kind!r:.40} has the wrong tokenizers or number of features")
        if kind == "numbers":
            return cls(kind, features=features, beside=beside)
        if beside != NOTHING:
            raise ModelFolderError("its cell reads more than words")
        spelling = None if context is None else Spelling.restored(context, tokenizers["context_tokenizer"])
        vocabulary = WordVocabulary(tokenizers["tokenizer"], tokenizers["character_tokenizer"], lowercase)
        return cls(kind, vocabulary, spelling=spelling)


def read_sequences(
    value: Any, place: Place, argument: str = "X", *, missing: bool = False
) -> tuple[InputKind, list[Any]]:
    """Token lists or arrays of numbers [T, I], checked; if `missing`, a number may be NaN.

    Raises
    ------
    DataError
        If one is empty, a text, of another kind than the first, or longer than `LONGEST` steps.
    """
    kind, inputs = read_inputs(value, argument, missing=missing)
    if kind == "texts":
        raise DataError(f"{place(0)} has a text, and a tagger reads lists of words: split it, e.g. with text.split()")
    for index, sequence in enumerate(inputs):
        if len(sequence) > LONGEST:
            raise DataError(f"{place(index)} has {len(sequence):,} steps, more than {LONGEST:,}: cut it into parts")
    return kind, inputs
