"""The parameters of a tagger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ricorda.tasks.parameters import Beginning, Elapsing, Remembering, WordVectors, parameter
from ricorda.tasks.rules import COUNT, FLAG, Rule, is_number


@dataclass(repr=False, eq=False, kw_only=True)
class TagParameters(WordVectors, Remembering, Beginning, Elapsing):
    """The parameters of `SequenceTagger`."""

    EPOCHS: ClassVar[int] = 15

    hidden_size: int = 200
    num_layers: int = 2
    vocab_size: int = 50_000
    min_frequency: int = 1
    dropout: float = 0.5
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    character_embedding_size: int = parameter(50, COUNT, "Numbers a character is turned into.")
    character_hidden_size: int = parameter(
        50,
        Rule(lambda value: value == 0 or COUNT.holds(value), "a whole number, 0 to read no characters"),
        "Units that read a word's characters; 0 for none.",
    )
    crf: bool = parameter(
        False,
        FLAG,
        "Whether neighbouring tags are scored together.",
        "By a linear-chain conditional random field (Lafferty et al. 2001).",
        option="crf/--no-crf",
    )
    word_dropout: float = parameter(
        0.25,
        Rule(lambda value: is_number(value) and value >= 0, "a number of at least 0"),
        "Share of tokens read as unknown in training.",
        "A word that occurs n times is read so with probability word_dropout / (word_dropout + n) (Kiperwasser, "
        "Goldberg 2016).",
    )
