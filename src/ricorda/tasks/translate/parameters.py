"""The parameters of a translator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ricorda.tasks.parameters import READING, WordVectors, parameter
from ricorda.tasks.rules import AUTO, COUNT, FLAG, SHARE, Rule, is_number, one_of, or_auto

SEARCH = "The search for a translation"
NO_ATTENTION = "none"
"""The value of `--attention` for a decoder without attention."""

_PENALTY = Rule(lambda value: is_number(value) and 0 <= value <= 50, "a number from 0 to 50")


@dataclass(repr=False, eq=False, kw_only=True)
class TranslateParameters(WordVectors):
    """The parameters of `Translator`."""

    BATCH_SIZE: ClassVar[int] = 64
    EMBEDDING_SIZE: ClassVar[int] = 256

    hidden_size: int = 256
    embedding_size: int | str = parameter(
        AUTO, help="Numbers a token is turned into; auto: 256, with --vectors theirs.", **or_auto(COUNT)
    )
    dropout: float = 0.3
    min_frequency: int = 2
    lowercase: bool = False
    learning_rate: float = 4e-3
    validation_fraction: float | str = 0.05
    shared_vocabulary: bool = parameter(
        False,
        FLAG,
        "Whether both languages have the same tokens.",
        "For languages that share words.",
        panel=READING,
        option="shared-vocabulary/--own-vocabularies",
    )
    max_length: int = parameter(250, COUNT, "Most tokens of a sentence; a longer one is refused.", panel=READING)
    bidirectional: bool = parameter(
        True, FLAG, "Whether to read from the end too.", "The encoder does.", option="bidirectional/--one-direction"
    )
    attention: str | None = parameter(
        "multiplicative",
        one_of("multiplicative", "additive", optional=True),
        "multiplicative, additive or none.",
        "As Luong et al. (2015) or as Bahdanau et al. (2015) score the source, both with the decoder's state of the "
        "same step. Without attention (None) all that the decoder knows is the encoder's last state (Sutskever et al. "
        "2014), which is little for long sentences.",
        read=lambda text: None if text == NO_ATTENTION else text,
    )
    input_feeding: bool = parameter(
        False,
        FLAG,
        "Whether the decoder reads what it saw before.",
        "What it saw at the last step (Luong et al. 2015); it then trains one step after another, several times "
        "slower.",
        option="input-feeding/--no-input-feeding",
    )
    tied_embeddings: bool = parameter(
        True,
        FLAG,
        "Whether embeddings are the output layer too.",
        "The target's (Press, Wolf 2017).",
        option="tied-embeddings/--own-output",
    )
    label_smoothing: float = parameter(
        0.1, SHARE, "Share of the loss that all tokens have alike.", "See Szegedy et al. (2016)."
    )
    beam_size: int = parameter(5, COUNT, "Unfinished translations that are kept; 1 is greedy.", panel=SEARCH)
    length_penalty: float = parameter(
        1.0, _PENALTY, "How much longer translations are preferred (alpha).", "See Wu et al. (2016).", panel=SEARCH
    )
    coverage_penalty: float = parameter(
        0.0,
        _PENALTY,
        "How much leaving a part out counts against one (beta).",
        "See Wu et al. (2016).",
        panel=SEARCH,
    )
