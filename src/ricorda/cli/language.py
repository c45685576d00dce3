"""`ricorda train language`, and predictions and evaluations of a language model."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ricorda.cli import options
from ricorda.cli.output import print_json, print_pairs, print_table, print_worth, shortened

if TYPE_CHECKING:
    from pathlib import Path

    from ricorda.cli.source import InputSource
    from ricorda.tasks.language.estimator import LanguageModel

TRAIN = """Train a model of a text, or of music: it predicts the next step, and so it writes.

    Ctrl-C stops after the current step and keeps what was learned; the same command with --resume goes on.

    For example:

      ricorda train language shakespeare.txt --out model

      ricorda train language news.txt --tokenizer word --hidden-size 200 --layers 2 --out model

      ricorda train language chorales.json --cell gru --batch-size 8 --epochs 60 --out model
    """
"""The help of the command that trains."""


def read(
    data: Annotated[
        str,
        typer.Argument(
            help="A text file; a folder of .txt files or a table (CSV, TSV, JSON lines, Parquet), whose texts are "
            "documents; or music in JSON."
        ),
    ],
    valid: options.Valid = None,
    test: str | None = None,
    *,
    text: options.TextColumn = None,
) -> list[Any]:
    """A text and None to train on, a text to validate on, a text and None to test on; None where none is given."""
    X, held_out = _read(data, text, "train"), None
    if valid is not None:
        held_out = _read(valid, text, "valid")
    elif _is_music(data):
        held_out = _read(data, text, "valid", optional=True)
    return [(X, None), held_out, None if test is None else (_read(test, text, "test"), None)]


def predict(model: LanguageModel, source: InputSource, as_json: bool, *, text: options.TextColumn = None) -> None:
    """Print how probable the model finds each text; as JSON, each token's log-probability too."""
    from ricorda.tasks.language.scoring import MOST_TOKENS

    for batch in source.batches(text=text):
        rows = []
        for index, (example, answer, steps) in enumerate(model.scored(batch)):
            if as_json:
                if "tokens" not in answer:
                    words = f"{batch.place(index)} has more than {MOST_TOKENS:,} tokens: they are left out"
                    print(words, file=sys.stderr)
                print_json(answer)
                continue
            shown = shortened(example if isinstance(example, str) else " ".join(map(str, example)))
            rows.append((f"{answer['nats']:.3f}", f"{answer['log_probability']:.2f}", steps, shown))
        if rows:
            print_table(None, ["nats per token", "log-probability", "tokens", "text"], rows)


def evaluate(model: LanguageModel, data: str, as_json: bool, *, text: options.TextColumn = None) -> None:
    """Print how well the model predicts a text, or music."""
    result = model.evaluate(_read(data, text, "test"))
    if as_json:
        print_json(result.to_json())
        return
    numbers = [("nats per step", f"{result.nats:.4f}")]
    if result.perplexity is not None:
        numbers.append(("perplexity", f"{result.perplexity:.2f}"))
    if result.bits_per_character is not None:
        numbers.append(("bits per character", f"{result.bits_per_character:.4f}"))
    print_pairs(f"{result.steps:,} steps", numbers)
    print_worth(result, "nats per step", result.nats, result.steps)


def _is_music(data: str | Path) -> bool:
    return str(data).lower().removesuffix(".gz").endswith(".json")


def _read(data: str, text: str | None, part: str, *, optional: bool = False) -> Any:
    """A text, documents, or a part of music: the one asked for where the file has it, else its first."""
    if not _is_music(data):
        from ricorda.data.corpus import read_corpus

        return read_corpus(data, text=text)
    from ricorda.data.music import read_music

    music = read_music(data)
    pieces = {"train": music.training, "valid": music.validation, "test": music.test}[part]
    return pieces if pieces is not None or optional else music.training
