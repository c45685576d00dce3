"""An estimator's parameters, each written once: its default, its rule, and its description.

A task's parameters are the fields of a dataclass. The constructor, its checks, `config.json`, the public docstring and
the command's options are made from them. Only the standard library is imported here: `--help` reads this file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import Field, dataclass, field, fields
from os import PathLike
from textwrap import fill
from typing import TYPE_CHECKING, Any, ClassVar

from ricorda.tasks.rules import (
    AUTO,
    COUNT,
    ENOUGH_TO_CHOOSE,
    FLAG,
    NUMBER,
    OPTIONAL_COUNT,
    SHARE,
    Rule,
    are_folders,
    is_seed,
    is_whole,
    one_of,
    or_auto,
)

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from ricorda.program.cell import Cell
    from ricorda.program.ir import Program

READING, NETWORK, TRAINING = "Reading the data", "The network", "The training"
"""Groups of parameters in the help of a command."""


REQUIRED = object()
"""Stands for a value that there is not."""


@dataclass(frozen=True)
class About:
    """All that is known of a parameter besides its default.

    Parameters
    ----------
    rule : Rule, optional
        The rule for its values; None if something else checks it.
    help : str
        A sentence for readers, in the help of the command and in the docstring.
    more : str
        More sentences for the docstring.
    panel : str
        Its group in the help; "" if it has none.
    option : str
        The name of the command's option; by default its name with hyphens.
    read : callable, optional
        A function from the text of a command's option to the parameter.
    preset : object
        The option's value if the user leaves it out; by default None, which leaves the parameter at its default.
    before : object
        The value of models that were saved before there was the parameter; REQUIRED if there are none.
    """

    rule: Rule | None
    help: str
    more: str = ""
    panel: str = NETWORK
    option: str = ""
    read: Callable[[str], Any] | None = None
    preset: Any = None
    before: Any = REQUIRED


def parameter(default: Any, rule: Rule | None, help: str, more: str = "", **others: Any) -> Any:
    """A field of a dataclass of parameters; for the arguments see `About`."""
    return field(default=default, metadata={"about": About(rule, help, more, **others)})


def about(kind: type, name: str) -> About:
    """All that is known of a parameter. If a class changes only the default, the rest comes from the class above it."""
    for base in kind.__mro__:
        own: Field[Any] | None = base.__dict__.get("__dataclass_fields__", {}).get(name)
        if own is not None and "about" in own.metadata:
            known: About = own.metadata["about"]
            return known
    raise TypeError(f"{kind.__name__}.{name} has no description: write it as parameter(...)")


def parameters_of(kind: Any) -> Iterator[tuple[Field[Any], About]]:
    """The parameters of a class; those that all tasks have come first."""
    for parameter in fields(kind):
        yield parameter, about(kind, parameter.name)


def later_ones(kind: Any) -> dict[str, Any]:
    """The parameters that some saved models do not have, and the values with which those were trained."""
    return {field.name: known.before for field, known in parameters_of(kind) if known.before is not REQUIRED}


def type_of(parameter: Field[Any]) -> str:
    """A parameter's type as the class writes it, whether that is text or the type itself."""
    written = parameter.type
    return written if isinstance(written, str) else getattr(written, "__name__", str(written))


def check_parameters(model: Any) -> None:
    """Check an estimator's parameters by their rules.

    Raises
    ------
    ArgumentError
        If a parameter breaks its rule; the message names the first one, by the alphabet.
    """
    for parameter, known in sorted(parameters_of(type(model)), key=lambda pair: pair[0].name):
        if known.rule is not None:
            known.rule.check(parameter.name, getattr(model, parameter.name))


def documented(kind: Any) -> str:
    """The "Parameters" section of an estimator's docstring."""
    lines = ["Parameters", "----------"]
    for parameter, known in parameters_of(kind):
        lines.append(f"{parameter.name} : {type_of(parameter)}, default {parameter.default!r}")
        lines.append(fill(f"{known.help} {known.more}", 112, initial_indent="    ", subsequent_indent="    "))
    return "\n".join(lines)


@dataclass(repr=False, eq=False, kw_only=True)
class Parameters:
    """The parameters of every estimator.

    Attributes
    ----------
    EPOCHS, BATCH_SIZE : int
        The values of "auto" for large data.
    """

    EPOCHS: ClassVar[int] = 10
    BATCH_SIZE: ClassVar[int] = 32

    cell: str | Cell | Program | Callable[..., Any] = field(
        default="lstm",
        kw_only=False,
        metadata={
            "about": About(
                None,
                "A name from `ricorda cells`, or FILE.py:NAME; options as NAME(rate=0.5).",
                "In Python also a `Cell`, a function over symbols, or a `Program`.",
            )
        },
    )
    hidden_size: int = parameter(80, COUNT, "Units of a layer and direction.")
    num_layers: int = parameter(1, COUNT, "Layers.", option="layers")
    dropout: float = parameter(
        0.0, SHARE, "Share of numbers dropped in training.", "They enter or leave the recurrent layers."
    )
    epochs: int | str = parameter(
        AUTO,
        help="Passes over the data; auto: as many as its size wants.",
        more="With auto `EPOCHS`, and up to 100 of small data, for 640 steps.",
        panel=TRAINING,
        **or_auto(COUNT),
    )
    batch_size: int | str = parameter(
        AUTO,
        help="Examples a step and process; auto: as many as their number wants.",
        more="With auto `BATCH_SIZE`, and less of small data: 25 batches of at least 8.",
        panel=TRAINING,
        **or_auto(COUNT),
    )
    learning_rate: float = parameter(2e-3, NUMBER, "Largest rate of AdamW.", panel=TRAINING)
    weight_decay: float = parameter(0.01, NUMBER, "Weight decay of AdamW.", panel=TRAINING)
    warmup: float = parameter(
        0.1, NUMBER, "Share of the steps in which the rate rises.", "Over the others it falls to zero.", panel=TRAINING
    )
    clip_norm: float | None = parameter(
        1.0,
        Rule(NUMBER.holds, NUMBER.words, optional=True),
        "Largest norm of a gradient.",
        "With None any is.",
        panel=TRAINING,
    )
    validation_fraction: float | str = parameter(
        0.1,
        help="Part of DATA to choose by, without --valid.",
        more="It is kept apart to choose the best epoch, unless `fit` is given other examples; 0 for none. With auto a "
        "tenth of 1,000 examples or more, and none of fewer: so few would choose by chance.",
        panel=TRAINING,
        **or_auto(SHARE),
    )
    patience: int | None = parameter(None, None, "Epochs without a better score to stop after.", panel=TRAINING)
    device: str = parameter(
        "auto",
        Rule(lambda value: isinstance(value, str), "auto, cpu, cuda or cuda:N"),
        "auto, cpu, cuda or cuda:N.",
        "With auto a GPU if there is one.",
        panel=TRAINING,
    )
    precision: str = parameter("32", None, "32 or bf16.", "Of the products in training.", panel=TRAINING)
    random_state: int | np.random.RandomState | None = parameter(
        None,
        Rule(is_seed, "a whole number from 0 to 4294967295", optional=True),
        "Seed of everything random.",
        "A whole number, a NumPy RandomState, or None for another one each time.",
        panel=TRAINING,
        option="seed",
        preset=0,
    )

    def settled(self) -> dict[str, Any]:
        """Parameters that follow from others or from the data, as numbers and words."""
        return {}

    def held_out_share(self, examples: int = ENOUGH_TO_CHOOSE) -> float:
        """The share of so many examples that is kept apart to choose the best epoch by."""
        if isinstance(self.validation_fraction, str):
            return 0.1 if examples >= ENOUGH_TO_CHOOSE else 0.0
        return float(self.validation_fraction)


@dataclass(repr=False, eq=False, kw_only=True)
class Remembering(Parameters):
    """The parameters of estimators whose gates can start with a memory, and which may read from the end too."""

    bidirectional: bool = parameter(
        True, FLAG, "Whether to read from the end too.", option="bidirectional/--one-direction"
    )
    memory: int | None = parameter(
        None,
        Rule(lambda value: is_whole(value) and value >= 2, "a whole number of at least 2, or leave it out", True),
        "Steps for which the gates start to remember.",
        "As many as lie between what is read and where it is wanted, or more, where these are hundreds (chrono "
        "initialisation: Tallec, Ollivier 2018). For cells with such gates.",
    )


@dataclass(repr=False, eq=False, kw_only=True)
class Embedding(Parameters):
    """The parameters of estimators that read tokens."""

    embedding_size: int = parameter(100, COUNT, "Numbers a token is turned into.", "Arrays have none.")
    vocab_size: int = parameter(4_000, COUNT, "Most tokens to know.", panel=READING)
    min_frequency: int = parameter(5, COUNT, "Fewest times to meet a token to know it.", panel=READING)
    lowercase: bool = parameter(
        True, FLAG, "Whether to read small letters only.", panel=READING, option="lowercase/--keep-case"
    )


@dataclass(repr=False, eq=False, kw_only=True)
class Beginning(Parameters):
    """The parameters of estimators that may begin with language models."""

    pretrained: list[str] | str | None = parameter(
        None,
        Rule(are_folders, "the folder of a language model, or of two", optional=True),
        "Folder of a language model to begin with; twice, for both directions.",
        "From `LanguageModel.save` or `ricorda train language`, the second with `reverse`; tokens, cell and sizes are "
        "theirs.",
        before=None,
    )


@dataclass(repr=False, eq=False, kw_only=True)
class WordVectors(Embedding):
    """The parameters of estimators whose tokens can begin with vectors that exist.

    Attributes
    ----------
    EMBEDDING_SIZE : int
        The value of "auto" without such vectors.
    """

    EMBEDDING_SIZE: ClassVar[int] = 100

    embedding_size: int | str = parameter(  # type: ignore[assignment]  # others know no "auto"
        AUTO,
        help="Numbers a token is turned into; auto: 100, with --vectors theirs.",
        more="Arrays have none.",
        **or_auto(COUNT),
    )
    vectors: str | Path | None = parameter(
        None,
        Rule(lambda value: isinstance(value, str | PathLike) and bool(str(value)), "a path", optional=True),
        "A file of word vectors to begin with.",
        "Of GloVe, word2vec (text or binary) or fastText (.vec), plain, gzipped or zipped. Then words are known that "
        "the file has, however rare, and of its first other words as many as `vocab_size` leaves room for.",
        before=None,
    )
    freeze_vectors: bool = parameter(
        False,
        FLAG,
        "Whether --vectors stay as they are.",
        "Otherwise they are learned further.",
        option="freeze-vectors/--learn-vectors",
        before=False,
    )

    def settled(self) -> dict[str, Any]:
        """The size of a token's vector, if it is known without the file, the most tokens, and the path as text."""
        size = self.embedding_size
        if size == AUTO and self.vectors is None:
            size = self.EMBEDDING_SIZE
        path = self.vectors and str(self.vectors)
        return {**super().settled(), "embedding_size": size, "vocab_size": self.vocab_size, "vectors": path}


@dataclass(repr=False, eq=False, kw_only=True)
class Elapsing(Parameters):
    """That of estimators whose cells may read elapsed times."""

    gap: int | None = parameter(
        None,
        Rule(lambda value: is_whole(value) and value >= 0, "the number of a feature, from 0", optional=True),
        "The feature of arrays, from 0, that is the time since the step before.",
        "For cells that take a gap; it is none of their numbers then. Without it steps are equally far apart.",
        panel=READING,
        before=None,
    )


POOLINGS = ("last", "mean", "max", "attention")


@dataclass(repr=False, eq=False, kw_only=True)
class ManyToOneParameters(WordVectors, Remembering, Beginning, Elapsing):
    """The parameters of estimators that read a whole sequence and predict one thing."""

    validation_fraction: float | str = AUTO
    pooling: str = parameter("last", one_of(*POOLINGS), "One vector from all steps: last, mean, max or attention.")
    word_dropout: float = parameter(0.0, SHARE, "Share of tokens read as unknown in training.")
    wide: bool = parameter(
        True,
        FLAG,
        "Whether a linear model of tokens and pairs stands beside it.",
        "It is learned beforehand, and the recurrent layers learn what is left. Arrays have none.",
        option="wide/--no-wide",
        before=False,
    )
    vocab_size: int | str = parameter(  # type: ignore[assignment]  # others know no "auto"
        AUTO, help="Most tokens to know; auto: 4000, of words with --vectors 20000.", panel=READING, **or_auto(COUNT)
    )
    tokenizer: str = parameter(
        AUTO,
        one_of("word", "bpe", "char", AUTO),
        "What a token is: word, bpe or char; auto: bpe, with --vectors word.",
        "Learned from the texts of the training alone. Token lists are taken as they stand.",
        panel=READING,
    )
    max_length: int | None = parameter(
        None,
        OPTIONAL_COUNT,
        "Steps after which a sequence is cut.",
        "Without it, one of more than 10,000 is refused.",
        panel=READING,
    )

    def settled(self) -> dict[str, Any]:
        """What a token is, and the most of them: a file of vectors has words."""
        kind, most = self.tokenizer, self.vocab_size
        if kind == AUTO:
            kind = "bpe" if self.vectors is None else "word"
        if most == AUTO:
            most = 4_000 if self.vectors is None or kind != "word" else 20_000
        return {**super().settled(), "tokenizer": kind, "vocab_size": most}
