"""`ricorda train`: a command for each task."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ricorda.cli import options
from ricorda.cli.command import Command
from ricorda.cli.output import print_json, print_table

app = typer.Typer(help="Train a model on your own data.", no_args_is_help=True, rich_markup_mode="rich")

NO_PARAMETERS = ("data", "out", "text", "label", "valid", "resume", "overwrite", "tensorboard", "as_json")
"""The arguments of a command that are no parameters of its estimator."""


@app.callback()
def _train() -> None: ...  # with one command only, typer would leave its name out


@app.command(cls=Command)
def classify(
    data: Annotated[
        str, typer.Argument(help="A CSV, TSV, JSON lines or Parquet file, lines of `label text`, or a folder.")
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
    given = {name: value for name, value in locals().items() if name not in NO_PARAMETERS and value is not None}
    from ricorda.data.read import read_examples
    from ricorda.tasks.classifier import SequenceClassifier
    from ricorda.tasks.runs import train_into_folder

    model = SequenceClassifier(**given)
    model.check_parameters()
    examples = read_examples(data, text=text, label=label)
    validation = None if valid is None else read_examples(valid, text=text, label=label)
    if train_into_folder(model, examples, validation, out, resume=resume, overwrite=overwrite, tensorboard=tensorboard):
        _print_summary(model.summary_, out, as_json)


def _print_summary(summary: dict[str, Any], out: Path, as_json: bool) -> None:
    if as_json:
        print_json({"folder": str(out), **summary})
        return
    best = summary["best"]
    scores = ("none", "", "", "")
    if "score" in best:
        numbers = (f"{best['accuracy']:.1%}", f"{best['macro_f1']:.3f}", f"{best['validation_loss']:.3f}")
        scores = (f"{summary['validation_examples']:,}", *numbers)
    print_table(
        f"Trained on {summary['examples']:,} examples; the best of {summary['epochs']} epochs is {best['epoch']}",
        ["validation examples", "accuracy", "macro F1", "log loss (nats)"],
        [scores],
    )
    print(f"The model is in {out}, its learning curve in {out / 'learning_curve.png'}")
