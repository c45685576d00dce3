"""`ricorda train language`, and predictions and evaluations of a language model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ricorda.cli import options
from ricorda.cli.output import print_json, print_pairs, print_table
from ricorda.errors import ArgumentError, DataError

if TYPE_CHECKING:
    from pathlib import Path

    from ricorda.cli.source import Source
    from ricorda.tasks.language.estimator import LanguageModel

DEFAULTS: dict[str, object] = {
    "cell": "lstm",
    "hidden_size": 512,
    "num_layers": 1,
    "embedding_size": 64,
    "tie_embeddings": False,
    "adaptive_softmax": False,
    "dropout": 0.25,
    "embedding_dropout": 0.0,
    "input_dropout": 0.0,
    "state_dropout": 0.0,
    "weight_drop": 0.0,
    "zoneout": 0.0,
    "tokenizer": "char",
    "vocab_size": None,
    "min_frequency": 1,
    "lowercase": False,
    "window": 100,
    "epochs": 12,
    "batch_size": 32,
    "learning_rate": 3e-3,
    "optimizer": "adamw",
    "weight_decay": 0.01,
    "schedule": "linear",
    "warmup": 0.05,
    "clip_norm": 1.0,
    "validation_fraction": 0.1,
    "patience": None,
    "device": "auto",
    "precision": "32",
}
"""The estimator's own, written again because reading it would import torch (a test holds the two together)."""


def _network(help: str, *names: str) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=options.NETWORK)


def _training(help: str) -> Any:
    return typer.Option(help=help, rich_help_panel=options.TRAINING)


Tied = Annotated[bool | None, _network("Whether the output's matrix is the embedding's.", "--tie-embeddings/--untied")]
Adaptive = Annotated[
    bool | None, _network("Whether rare tokens share clusters of the output.", "--adaptive-softmax/--full-softmax")
]
EmbeddingDropout = Annotated[float | None, _network("Share of tokens dropped everywhere in a batch, in training.")]
InputDropout = Annotated[float | None, _network("Share of a layer's inputs dropped for a window, in training.")]
StateDropout = Annotated[float | None, _network("Share of a state's units dropped for a window, in training.")]
WeightDrop = Annotated[float | None, _network("Share of the recurrent weights dropped for a window, in training.")]
Zoneout = Annotated[float | None, _network("Share of units that keep their old state at a step, in training.")]
Window = Annotated[int | None, _training("Steps that a gradient goes back.")]
Optimizer = Annotated[str | None, _training("adamw or sgd.")]
Schedule = Annotated[str | None, _training("How the rate falls: linear, cosine or constant.")]


def train(
    data: Annotated[
        str,
        typer.Argument(
            help="A text file; a folder of .txt files or a table (CSV, TSV, JSON lines, Parquet), whose texts are "
            "documents; or music in JSON."
        ),
    ],
    out: options.Out,
    text: options.TextColumn = None,
    valid: options.Valid = None,
    tokenizer: options.Tokenizer = None,
    vocab_size: options.VocabSize = None,
    min_frequency: options.MinFrequency = None,
    lowercase: options.Lowercase = None,
    cell: options.CellName = None,
    hidden_size: options.HiddenSize = None,
    num_layers: options.Layers = None,
    embedding_size: options.EmbeddingSize = None,
    tie_embeddings: Tied = None,
    adaptive_softmax: Adaptive = None,
    dropout: options.Dropout = None,
    embedding_dropout: EmbeddingDropout = None,
    input_dropout: InputDropout = None,
    state_dropout: StateDropout = None,
    weight_drop: WeightDrop = None,
    zoneout: Zoneout = None,
    window: Window = None,
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    learning_rate: options.LearningRate = None,
    optimizer: Optimizer = None,
    weight_decay: options.WeightDecay = None,
    schedule: Schedule = None,
    warmup: options.Warmup = None,
    clip_norm: options.ClipNorm = None,
    validation_fraction: options.ValidationFraction = None,
    patience: options.Patience = None,
    device: options.Device = None,
    precision: options.Precision = None,
    random_state: options.Seed = 0,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    tensorboard: options.TensorBoard = False,
    watch_gradients: options.WatchGradients = None,
    as_json: options.Json = False,
) -> None:
    """Train a model of a text, or of music: it predicts the next step, and so it writes.

    Ctrl-C stops after the current step and keeps what was learned; the same command with --resume goes on.

    For example:

      ricorda train language shakespeare.txt --out model

      ricorda train language news.txt --tokenizer word --hidden-size 200 --layers 2 --out model

      ricorda train language chorales.json --cell gru --batch-size 8 --epochs 60 --out model
    """
    given = options.given(locals(), DEFAULTS)
    from ricorda.cli.training import train_and_tell
    from ricorda.tasks.language.estimator import LanguageModel

    model = LanguageModel(**given)
    model.check_parameters()
    (X, y), validation, _ = read(data, valid, text=text)
    train_and_tell(
        model,
        X,
        y,
        out,
        validation=validation,
        resume=resume,
        overwrite=overwrite,
        tensorboard=tensorboard,
        watch_gradients=watch_gradients,
        as_json=as_json,
    )


def read(data: str, valid: str | None, test: str | None = None, *, text: str | None) -> list[Any]:
    """A text and None to train on, a text to validate on, and a text and None to test on; None where there is none."""
    X, held_out = _read(data, text, "train"), None
    if valid is not None:
        held_out = _read(valid, text, "valid")
    elif _is_music(data):
        held_out = _read(data, text, "valid", optional=True)
    return [(X, None), held_out, None if test is None else (_read(test, text, "test"), None)]


def predict(model: LanguageModel, source: Source, as_json: bool, *, text: options.TextColumn = None) -> None:
    """Print how probable the model finds each text; as JSON, each token's log-probability too."""
    if model.reader_.kind == "music":
        raise ArgumentError("the model reads music, and predict reads texts: use ricorda evaluate")
    for batch in source.batches(text=text):
        texts: list[Any] = list(batch) if isinstance(batch, list) else list(batch.inputs)
        scored = [(_scored(model, each, batch.place(index)), each) for index, each in enumerate(texts)]
        if as_json:
            for scores, _ in scored:
                total = sum(score for _, score in scores)
                tokens = [{"token": token, "log_probability": score} for token, score in scores]
                print_json({"nats": -total / len(scores), "log_probability": total, "tokens": tokens})
            continue
        rows = [
            (f"{-total / len(scores):.3f}", f"{total:.2f}", len(scores), _shortened(each))
            for scores, each in scored
            for total in [sum(score for _, score in scores)]
        ]
        print_table(None, ["nats per token", "log-probability", "tokens", "text"], rows)


def evaluate(model: LanguageModel, data: str, as_json: bool, *, text: options.TextColumn = None) -> None:
    """Print how well the model predicts a text, or music."""
    found = model.evaluate(_read(data, text, "test"))
    if as_json:
        print_json(found.to_json())
        return
    numbers = [("nats per step", f"{found.nats:.4f}")]
    if found.perplexity is not None:
        numbers.append(("perplexity", f"{found.perplexity:.2f}"))
    if found.bits_per_character is not None:
        numbers.append(("bits per character", f"{found.bits_per_character:.4f}"))
    print_pairs(f"{found.steps:,} steps", numbers)


def _scored(model: LanguageModel, text: Any, place: str) -> list[tuple[str, float]]:
    """A text's tokens with their log-probabilities."""
    try:
        tokens = text.split() if model.reader_.kind == "tokens" and isinstance(text, str) else text
        return model.score_tokens(tokens)
    except DataError as error:
        raise DataError(f"{place} cannot be scored: {error}") from None


def _is_music(data: str | Path) -> bool:
    return str(data).lower().removesuffix(".gz").endswith(".json")


def _read(data: str, text: str | None, part: str, *, optional: bool = False) -> Any:
    """A text, documents, or a part of music: the one asked for where the file has it, else its first."""
    if not _is_music(data):
        from ricorda.data.corpus import read_corpus

        return read_corpus(data, text=text)
    from ricorda.data.music import read_music

    music = read_music(data)
    found = {"train": music.training, "valid": music.validation, "test": music.test}[part]
    return found if found is not None or optional else music.training


def _shortened(text: Any) -> str:
    line = " ".join(text.split()) if isinstance(text, str) else " ".join(map(str, text))
    return line if len(line) <= 200 else line[:199] + "…"
