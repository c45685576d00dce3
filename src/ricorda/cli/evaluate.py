"""`ricorda evaluate`: how good a model is on labelled data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ricorda.cli.options import Json, LabelColumn, TextColumn
from ricorda.cli.output import print_json, print_pairs, print_table

if TYPE_CHECKING:
    from ricorda.tasks.metrics import Report


def evaluate(
    folder: Annotated[Path, typer.Argument(help="A model folder.")],
    data: Annotated[str, typer.Argument(help="Labelled data, as for `ricorda train`.")],
    text: TextColumn = None,
    label: LabelColumn = None,
    by: Annotated[
        str | None, typer.Option(help="A column; its values are also evaluated apart.", show_default="none")
    ] = None,
    as_json: Json = False,
) -> None:
    """Evaluate a model: accuracy, macro F1, each class, confusion matrix, calibration error.

    For example:

      ricorda evaluate model test.csv --text text --label label

      ricorda evaluate model test.csv --by language --json
    """
    from ricorda.data.read import read_examples
    from ricorda.tasks.saving import load

    model = load(folder)
    examples = read_examples(data, text=text, label=label, by=by)
    result = model.evaluate(examples, examples.labels)
    groups = {}
    for group in sorted(set(examples.groups or [])):
        part = examples.take([row for row, name in enumerate(examples.groups or []) if name == group])
        groups[group] = model.evaluate(part, part.labels)
    if as_json:
        by_group = {"groups": {name: each.to_json() for name, each in groups.items()}} if by else {}
        print_json({**result.to_json(), **by_group})
        return
    _print_report(result)
    if by:
        rows = [
            (name, f"{each.accuracy:.1%}", f"{each.macro_f1:.3f}", f"{each.examples:,}")
            for name, each in groups.items()
        ]
        print_table(f"By {by}", [by, "accuracy", "macro F1", "examples"], rows)


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
