"""`ricorda` for classifiers: `train classify`, and what `predict` and `evaluate` do with one."""

from __future__ import annotations

from dataclasses import astuple
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ricorda.cli import options
from ricorda.cli.output import (
    print_each,
    print_json,
    print_pairs,
    print_scores,
    print_table,
    print_worth,
    shortened,
    write_picture,
)
from ricorda.cli.synthetic import print_success, success_of

if TYPE_CHECKING:
    from ricorda.cli.source import InputSource
    from ricorda.tasks.classify.estimator import SequenceClassifier
    from ricorda.tasks.classify.metrics import Report

TRAIN = """Train a classifier of sequences: a text goes in, a class comes out.

    Ctrl-C stops after the current step and keeps what was learned; the same command with --resume goes on.
    Under torchrun, several processes train one model together.

    For example:

      ricorda train classify reviews.csv --text text --label label --out model

      ricorda train classify reviews.parquet --valid dev.parquet --cell gru --pooling attention --out model

      ricorda train classify one_folder_per_class --cell mycells.py:mgu --epochs 20 --out model

      torchrun --nproc-per-node 2 -m ricorda train classify reviews.csv --out model
    """
"""The help of the command that trains."""


def read(
    data: Annotated[
        str,
        typer.Argument(
            help="A CSV, TSV, JSON lines or Parquet file, lines of `label text`, a folder, or synthetic:NAME."
        ),
    ],
    valid: options.Valid = None,
    test: str | None = None,
    *,
    text: options.TextColumn = None,
    label: options.LabelColumn = None,
) -> list[Any]:
    """Examples and labels of each source; None for one that is not given."""
    from ricorda.data.read import read_examples

    sources = [
        None if name is None else read_examples(name, text=text, label=label, missing=True)
        for name in (data, valid, test)
    ]
    return [None if source is None else (source, source.labels) for source in sources]


def predict(model: SequenceClassifier, source: InputSource, as_json: bool, *, text: options.TextColumn = None) -> None:
    """Print the class of each example, and its probability."""
    for batch in source.batches(text=text, is_label=set(map(str, model.classes_)).__contains__):
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
    picture: options.Picture = None,
) -> None:
    """Print accuracy, macro F1, each class, confusion matrix, reliability; the picture is the reliability diagram."""
    from ricorda.data.read import read_examples

    examples = read_examples(data, text=text, label=label, by=by, missing=True)
    result = model.evaluate(examples, examples.labels)
    groups = {}
    for group in sorted(set(examples.groups or [])):
        part = examples.take([row for row, name in enumerate(examples.groups or []) if name == group])
        groups[group] = model.evaluate(part, part.labels)
    success = success_of(model, data)
    if picture is not None:
        write_picture(result.plot(), picture)
    if as_json:
        by_group = {"groups": {name: report.to_json() for name, report in groups.items()}} if by else {}
        print_json({**result.to_json(), **by_group, **success})
        return
    _print_report(result)
    print_worth(result, "accuracy", result.accuracy, result.examples)
    print_success(success)
    if by:
        rows = [
            (name, f"{report.accuracy:.1%}", f"{report.macro_f1:.3f}", f"{report.examples:,}")
            for name, report in groups.items()
        ]
        print_table(f"By {by}", [by, "accuracy", "macro F1", "examples"], rows)


def _print_verdicts(model: SequenceClassifier, batch: Any, as_json: bool) -> None:
    answers = model.answers(batch)
    if as_json:
        print_each(answers)
        return
    inputs = getattr(batch, "inputs", batch)
    rows = [
        (answer["label"], f"{answer['probability']:.1%}", shortened(example))
        for answer, example in zip(answers, inputs, strict=True)
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
    print_scores("Classes", ("class", "examples"), map(astuple, result.classes))
    labels = [str(score.label) for score in result.classes]
    rows = [(f"is {name}", *counts) for name, counts in zip(labels, result.confusion, strict=True)]
    print_table("Confusion", ["", *(f"called {name}" for name in labels)], rows)
    bins = [
        (f"{one.low:.0%} to {one.high:.0%}", f"{one.examples:,}", f"{one.confidence:.1%}", f"{one.right:.1%}")
        for one in result.reliability
    ]
    print_table("Reliability", ["confidence", "examples", "mean confidence", "right"], bins)
