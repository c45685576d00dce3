"""`ricorda` for regressors: `train regress`, and what `predict` and `evaluate` do with one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ricorda.cli import options
from ricorda.cli.output import print_json, print_pairs, print_table, shortened
from ricorda.cli.synthetic import print_success, success_of
from ricorda.cli.training import train_and_tell
from ricorda.errors import ArgumentError

if TYPE_CHECKING:
    from ricorda.cli.source import Source
    from ricorda.tasks.regress.estimator import SequenceRegressor
    from ricorda.tasks.regress.metrics import Report

DEFAULTS: dict[str, object] = {
    "tokenizer": "bpe",
    "vocab_size": 4_000,
    "min_frequency": 5,
    "lowercase": True,
    "max_length": None,
    "cell": "lstm",
    "hidden_size": 80,
    "num_layers": 1,
    "bidirectional": True,
    "memory": None,
    "embedding_size": 100,
    "pooling": "last",
    "dropout": 0.0,
    "word_dropout": 0.0,
    "loss": "mse",
    "epochs": 10,
    "batch_size": 32,
    "learning_rate": 5e-3,
    "weight_decay": 0.01,
    "warmup": 0.1,
    "clip_norm": 1.0,
    "validation_fraction": 0.1,
    "patience": None,
    "device": "auto",
    "precision": "32",
}

Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        help="Column of the numbers; several times for several outputs.",
        show_default="target",
        rich_help_panel=options.READING,
    ),
]
Loss = Annotated[
    str | None,
    typer.Option(help="mse or mae: squared or absolute error.", rich_help_panel=options.TRAINING),
]


def train(
    data: Annotated[
        str,
        typer.Argument(help="A CSV, TSV, JSON lines or Parquet file, lines of `number text`, or synthetic:NAME."),
    ],
    out: options.Out,
    text: options.TextColumn = None,
    target: Targets = None,
    valid: options.Valid = None,
    tokenizer: options.Tokenizer = None,
    vocab_size: options.VocabSize = None,
    min_frequency: options.MinFrequency = None,
    lowercase: options.Lowercase = None,
    max_length: options.MaxLength = None,
    cell: options.CellName = None,
    hidden_size: options.HiddenSize = None,
    num_layers: options.Layers = None,
    bidirectional: options.Bidirectional = None,
    memory: options.Memory = None,
    embedding_size: options.EmbeddingSize = None,
    pooling: options.Pooling = None,
    dropout: options.Dropout = None,
    word_dropout: options.WordDropout = None,
    loss: Loss = None,
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    learning_rate: options.LearningRate = None,
    weight_decay: options.WeightDecay = None,
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
    """Train a regressor of sequences: a text or a series goes in, a number, or several, comes out.

    Ctrl-C stops after the current step and keeps what was learned; the same command with --resume goes on.

    For example:

      ricorda train regress reviews.csv --text review --target stars --out model

      ricorda train regress sensors.jsonl --text steps --target wear --target hours_left --out model

      ricorda train regress "synthetic:adding?T=100" --one-direction --out model
    """
    parameters = options.given(locals(), DEFAULTS)
    from ricorda.tasks.regress.estimator import SequenceRegressor

    model = SequenceRegressor(**parameters)
    model.check_parameters()
    (X, y), validation, _ = read(data, valid, text=text, target=target)
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


def read(
    data: str, valid: str | None, test: str | None = None, *, text: str | None, target: Sequence[str] | None
) -> list[Any]:
    """Examples and numbers of each source; None for one that there is not."""
    from ricorda.data.targets import read_measured

    sources = (data, valid, test)
    found = [None if each is None else read_measured(each, text=text, targets=target or ()) for each in sources]
    return [None if each is None else (each, each.targets) for each in found]


def predict(model: SequenceRegressor, source: Source, as_json: bool, *, text: options.TextColumn = None) -> None:
    """Print the number, or numbers, of each example."""
    names = model.target_names_
    for batch in source.batches(text=text):
        rows = model.predict(batch).reshape(-1, len(names)).tolist()
        if as_json:
            for row in rows:
                print_json(dict(zip(names, row, strict=True)))
            continue
        inputs: Sequence[Any] = batch if isinstance(batch, list) else batch.inputs
        lines = [(*map(_written, row), shortened(each)) for row, each in zip(rows, inputs, strict=True)]
        print_table(None, [*names, "input"], lines)


def evaluate(
    model: SequenceRegressor,
    data: str,
    as_json: bool,
    *,
    text: options.TextColumn = None,
    target: options.AnswerColumn = None,
) -> None:
    """Print R2, mean absolute and root mean squared error, of all outputs and of each."""
    from ricorda.data.targets import read_measured

    names = model.target_names_
    if target is not None and len(names) > 1:
        raise ArgumentError(
            f"--target {target} names one column, and the model gives {', '.join(names)}: leave it out, and the "
            "columns of these names are read"
        )
    examples = read_measured(data, text=text, targets=[target] if target else (), default=names)
    report = model.evaluate(examples, examples.targets)
    success = success_of(model, data)
    if as_json:
        print_json({**report.to_json(), **success})
        return
    _print_report(report)
    print_success(success)


def _print_report(report: Report) -> None:
    pairs = [
        ("R2", f"{report.r2:.4f}"),
        ("mean absolute error", _written(report.mae)),
        ("root mean squared error", _written(report.rmse)),
    ]
    print_pairs(f"{report.examples:,} examples", pairs)
    if len(report.outputs) > 1:
        rows = [(each.name, f"{each.r2:.4f}", _written(each.mae), _written(each.rmse)) for each in report.outputs]
        columns = ["output", "R2", "mean absolute error", "root mean squared error"]
        print_table("Outputs", columns, rows)


def _written(number: float) -> str:
    return f"{number:.5g}"
