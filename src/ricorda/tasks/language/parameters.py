"""The parameters of a language model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ricorda.tasks.parameters import READING, TRAINING, Embedding, parameter
from ricorda.tasks.rules import COUNT, FLAG, OPTIONAL_COUNT, SHARE, one_of


@dataclass(repr=False, eq=False, kw_only=True)
class LanguageParameters(Embedding):
    """The parameters of `LanguageModel`."""

    EPOCHS: ClassVar[int] = 12

    hidden_size: int = 512
    embedding_size: int = 64
    min_frequency: int = 1
    lowercase: bool = False
    learning_rate: float = 3e-3
    warmup: float = 0.05
    tokenizer: str = parameter(
        "char",
        one_of("char", "bpe", "word"),
        "What a token is: word, bpe or char.",
        "A character, a part of a word, or what stands between white space, a line's end being a token too. Token "
        "lists are taken as they stand.",
        panel=READING,
    )
    vocab_size: int | None = parameter(  # type: ignore[assignment]  # Other tasks always have a size.
        None, OPTIONAL_COUNT, "Most tokens to know.", "With None all, and 4,000 of bpe.", panel=READING
    )
    reverse: bool = parameter(
        False,
        FLAG,
        "Whether to read from the end.",
        "Such a model writes nothing; with one that reads in order it begins another that reads in both directions, by "
        "`pretrained`.",
        panel=READING,
        option="reverse/--in-order",
        before=False,
    )
    tie_embeddings: bool = parameter(
        False,
        FLAG,
        "Whether the output's matrix is the embedding's.",
        "Press, Wolf (2017); where they are of different sizes, a matrix stands between.",
        option="tie-embeddings/--untied",
    )
    adaptive_softmax: bool = parameter(
        False,
        FLAG,
        "Whether rare tokens share clusters of the output.",
        "Grave et al. (2017), for large vocabularies.",
        option="adaptive-softmax/--full-softmax",
    )
    dropout: float = 0.25
    embedding_dropout: float = parameter(
        0.0, SHARE, "Share of tokens dropped everywhere in a batch, in training.", "Gal, Ghahramani (2016)."
    )
    input_dropout: float = parameter(
        0.0, SHARE, "Share of a layer's inputs dropped for a window, in training.", "Gal, Ghahramani (2016)."
    )
    state_dropout: float = parameter(
        0.0,
        SHARE,
        "Share of a state's units dropped for a window, in training.",
        "Where the state enters the recurrent products (Gal, Ghahramani 2016).",
    )
    weight_drop: float = parameter(
        0.0, SHARE, "Share of the recurrent weights dropped for a window, in training.", "Merity et al. (2018)."
    )
    zoneout: float = parameter(
        0.0, SHARE, "Share of units that keep their old state at a step, in training.", "Krueger et al. (2017)."
    )
    window: int = parameter(
        100,
        COUNT,
        "Steps that a gradient goes back.",
        "Truncated BPTT: the state goes on from window to window.",
        panel=TRAINING,
    )
    optimizer: str = parameter("adamw", None, "adamw or sgd.", panel=TRAINING)
    schedule: str = parameter(
        "linear",
        None,
        "How the rate falls: linear, cosine or constant.",
        "After the warm-up; constant does not fall.",
        panel=TRAINING,
    )
