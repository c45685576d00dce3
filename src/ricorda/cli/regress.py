"""`ricorda` for regressors: `train regress`, and what `predict` and `evaluate` do with one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ricorda.cli import options
from ricorda.cli.output import print_each, print_json, print_pairs, print_table, print_worth, shortened
from ricorda.cli.synthetic import print_success, success_of
from ricorda.errors import ArgumentError

if TYPE_CHECKING:
    from ricorda.cli.source import InputSource
    from ricorda.tasks.regress.estimator import SequenceRegressor
    from ricorda.tasks.regress.metrics import Report

TRAIN = """Train a regressor of sequences: a text or a series goes in, a number, or several, comes out.

    Ctrl-C stops after the current step and keeps what was learned; the same command with --resume goes on.

    For example:

      ricorda train regress reviews.csv --text review --target stars --out model

      ricorda train regress sensors.jsonl --text steps --target wear --target hours_left --out model

      ricorda train regress "synthetic:adding?T=100" --one-direction --out model
    """
"""The help of the command that trains."""

Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        help="Column of the numbers; several times for several outputs.",
        show_default="target",
        rich_help_panel=options.READING,
    ),
]


def read(
    data: Annotated[
        str,
        typer.Argument(help="A CSV, TSV, JSON lines or Parquet file, lines of `number text`, or synthetic:NAME."),
    ],
    valid: options.Valid = None,
    test: str | None = None,
    *,
    text: options.TextColumn = None,
    target: Targets = None,
) -> list[Any]:
    """Examples and numbers of each source; None for one that is not given."""
    from ricorda.data.targets import read_measured

    names = (data, valid, test)
    sources = [
        None if name is None else read_measured(name, text=text, targets=target or (), missing=True) for name in names
    ]
    return [None if source is None else (source, source.targets) for source in sources]


def predict(model: SequenceRegressor, source: InputSource, as_json: bool, *, text: options.TextColumn = None) -> None:
    """Print the number, or numbers, of each example."""
    from ricorda.data.targets import is_number

    names = model.target_names_
    for batch in source.batches(text=text, is_label=is_number):
        answers = model.answers(batch)
        if as_json:
            print_each(answers)
            continue
        inputs: Sequence[Any] = batch if isinstance(batch, list) else batch.inputs
        pairs = zip(answers, inputs, strict=True)
        lines = [(*map(_written, answer.values()), shortened(example)) for answer, example in pairs]
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
    examples = read_measured(data, text=text, targets=[target] if target else (), default=names, missing=True)
    report = model.evaluate(examples, examples.targets)
    success = success_of(model, data)
    if as_json:
        print_json({**report.to_json(), **success})
        return
    _print_report(report)
    print_worth(report, "mean absolute error", report.mae, report.examples)
    print_success(success)


def _print_report(report: Report) -> None:
    pairs = [
        ("R2", f"{report.r2:.4f}   (0: always saying the mean)"),
        ("mean absolute error", _written(report.mae)),
        ("root mean squared error", _written(report.rmse)),
    ]
    print_pairs(f"{report.examples:,} examples", pairs)
    if len(report.outputs) > 1:
        rows = [(one.name, f"{one.r2:.4f}", _written(one.mae), _written(one.rmse)) for one in report.outputs]
        columns = ["output", "R2", "mean absolute error", "root mean squared error"]
        print_table("Outputs", columns, rows)


def _written(number: float) -> str:
    return f"{number:.5g}"
