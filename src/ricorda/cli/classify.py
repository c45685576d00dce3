"""`ricorda` for classifiers: `train classify`, and what `predict` and `evaluate` do with one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ricorda.cli import options
from ricorda.cli.output import print_json, print_pairs, print_table, shortened
from ricorda.cli.synthetic import print_success, success_of
from ricorda.cli.training import train_and_tell

if TYPE_CHECKING:
    from ricorda.cli.source import Source
    from ricorda.tasks.classify.estimator import SequenceClassifier
    from ricorda.tasks.classify.metrics import Report

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
    "pooling": "max",
    "dropout": 0.5,
    "word_dropout": 0.2,
    "epochs": 10,
    "batch_size": 32,
    "learning_rate": 2e-3,
    "weight_decay": 0.05,
    "warmup": 0.1,
    "clip_norm": 1.0,
    "class_weight": None,
    "validation_fraction": 0.1,
    "patience": None,
    "scoring": "accuracy",
    "device": "auto",
    "precision": "32",
}


def train(
    data: Annotated[
        str,
        typer.Argument(
            help="A CSV, TSV, JSON lines or Parquet file, lines of `label text`, a folder, or synthetic:NAME."
        ),
    ],
    out: options.Out,
    text: options.TextColumn = None,
    label: options.LabelColumn = None,
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
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    learning_rate: options.LearningRate = None,
    weight_decay: options.WeightDecay = None,
    warmup: options.Warmup = None,
    clip_norm: options.ClipNorm = None,
    class_weight: options.ClassWeight = None,
    validation_fraction: options.ValidationFraction = None,
    patience: options.Patience = None,
    scoring: options.Scoring = None,
    device: options.Device = None,
    precision: options.Precision = None,
    random_state: options.Seed = 0,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    tensorboard: options.TensorBoard = False,
    watch_gradients: options.WatchGradients = None,
    as_json: options.Json = False,
) -> None:
    """Train a classifier of sequences: a text goes in, a class comes out.

    Ctrl-C stops after the current step and keeps what was learned; the same command with --resume goes on.
    Under torchrun, several processes train one model together.

    For example:

      ricorda train classify reviews.csv --text text --label label --out model

      ricorda train classify reviews.parquet --valid dev.parquet --cell gru --pooling attention --out model

      ricorda train classify one_folder_per_class --cell mycells.py:mgu --epochs 20 --out model

      torchrun --nproc-per-node 2 -m ricorda train classify reviews.csv --out model
    """
    parameters = options.given(locals(), DEFAULTS)
    from ricorda.tasks.classify.estimator import SequenceClassifier

    model = SequenceClassifier(**parameters)
    model.check_parameters()
    (X, y), validation, _ = read(data, valid, text=text, label=label)
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


def read(data: str, valid: str | None, test: str | None = None, *, text: str | None, label: str | None) -> list[Any]:
    """Examples and labels of each source; None for one that there is not."""
    from ricorda.data.read import read_examples

    found = [None if each is None else read_examples(each, text=text, label=label) for each in (data, valid, test)]
    return [None if each is None else (each, each.labels) for each in found]


def predict(model: SequenceClassifier, source: Source, as_json: bool, *, text: options.TextColumn = None) -> None:
    """Print the class of each example, and its probability."""
    for batch in source.batches(text=text):
        _print_verdicts(model, batch, as_json)


def evaluate(
    model: SequenceClassifier,
    data: str,
    as_json: bool,
    *,
    text: options.TextColumn = None,
    label: options.LabelColumn = None,
    by: Annotated[
        str | None, typer.Option(help="A column; its values are also evaluated apart.", show_default="none")
    ] = None,
) -> None:
    """Print accuracy, macro F1, each class, confusion matrix, calibration error."""
    from ricorda.data.read import read_examples

    examples = read_examples(data, text=text, label=label, by=by)
    result = model.evaluate(examples, examples.labels)
    groups = {}
    for group in sorted(set(examples.groups or [])):
        part = examples.take([row for row, name in enumerate(examples.groups or []) if name == group])
        groups[group] = model.evaluate(part, part.labels)
    success = success_of(model, data)
    if as_json:
        by_group = {"groups": {name: each.to_json() for name, each in groups.items()}} if by else {}
        print_json({**result.to_json(), **by_group, **success})
        return
    _print_report(result)
    print_success(success)
    if by:
        rows = [
            (name, f"{each.accuracy:.1%}", f"{each.macro_f1:.3f}", f"{each.examples:,}")
            for name, each in groups.items()
        ]
        print_table(f"By {by}", [by, "accuracy", "macro F1", "examples"], rows)


def _print_verdicts(model: SequenceClassifier, batch: Any, as_json: bool) -> None:
    probabilities = model.predict_proba(batch)
    classes = model.classes_.tolist()
    best = probabilities.argmax(1)
    if as_json:
        for row, verdict in zip(probabilities, best, strict=True):
            by_class = {str(name): float(p) for name, p in zip(classes, row, strict=True)}
            print_json({"label": classes[verdict], "probability": float(row[verdict]), "probabilities": by_class})
        return
    inputs = getattr(batch, "inputs", batch)
    rows = [
        (classes[verdict], f"{row[verdict]:.1%}", shortened(example))
        for row, verdict, example in zip(probabilities, best, inputs, strict=True)
    ]
    print_table(None, ["verdict", "probability", "input"], rows)


def _print_report(result: Report) -> None:
    print_pairs(
        f"{result.examples:,} examples",
        [
            ("accuracy", f"{result.accuracy:.1%}"),
            ("macro F1", f"{result.macro_f1:.3f}"),
            ("calibration error", f"{result.calibration_error:.3f}   (expected, 10 bins)"),
            ("log loss", f"{result.log_loss:.3f} nats"),
        ],
    )
    print_table(
        "Classes",
        ["class", "precision", "recall", "F1", "examples"],
        [
            (each.label, f"{each.precision:.3f}", f"{each.recall:.3f}", f"{each.f1:.3f}", f"{each.examples:,}")
            for each in result.classes
        ],
    )
    labels = [str(each.label) for each in result.classes]
    rows = [(f"is {name}", *counts) for name, counts in zip(labels, result.confusion, strict=True)]
    print_table("Confusion", ["", *(f"called {name}" for name in labels)], rows)
