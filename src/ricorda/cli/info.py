"""`ricorda info`: what a model folder holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ricorda.cli.options import Json
from ricorda.cli.output import print_json, print_pairs


def info(
    folder: Annotated[Path, typer.Argument(help="A model folder.")],
    as_json: Json = False,
) -> None:
    """Tell what a model is: cell, sizes, classes, training, scores.

    For example:

      ricorda info model

      ricorda info model --json
    """
    from ricorda.program.ir import Program
    from ricorda.program.show import equations
    from ricorda.tasks.saving import open_model

    _, config = open_model(folder)
    if as_json:
        print_json(config)
        return
    summary, parameters = config["summary"], config["parameters"]
    best = summary["best"]
    score = f"accuracy {best['accuracy']:.1%}, macro F1 {best['macro_f1']:.3f}" if "score" in best else "none"
    print_pairs(
        str(folder),
        [
            ("task", config["task"]),
            ("input", config["input"]["kind"]),
            ("classes", ", ".join(map(str, config["classes"]))),
            ("cell", "\n".join(equations(Program.from_json(config["program"])))),
            ("weights", f"{summary['weights']:,}"),
            ("trained on", f"{summary['examples']:,} examples, {summary['epochs']} epochs, best {best['epoch']}"),
            ("validation", f"{summary['validation_examples']:,} examples: {score}"),
            ("written by", f"ricorda {config['ricorda_version']}, format {config['format_version']}"),
            *((name, value) for name, value in parameters.items()),
        ],
    )
