"""`ricorda info`: what a model folder holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ricorda.cli.options import Json, ModelFolder
from ricorda.cli.output import print_json, print_pairs

GENERAL = ("task", "parameters", "program", "summary", "format_version", "ricorda_version", "sha256")
"""What a config says for every task; the rest is the task's own."""


def info(folder: ModelFolder, as_json: Json = False) -> None:
    """Tell what a model is: cell, sizes, what it reads and gives, training, scores.

    For example:

      ricorda info model

      ricorda info model --json
    """
    from ricorda.program.ir import Program
    from ricorda.program.show import equations
    from ricorda.tasks.loading import open_model
    from ricorda.tasks.scores import score_text

    model, config = open_model(folder)
    if as_json:
        print_json(config)
        return
    summary, best = config["summary"], config["summary"]["best"]
    scores = [f"{words} {score_text(name, best[name])}" for name, words in model.SCORES.items() if "score" in best]
    print_pairs(
        str(folder),
        [
            ("task", config["task"]),
            *((name, _words(value)) for name, value in config.items() if name not in GENERAL),
            ("cell", "\n".join(equations(Program.from_json(config["program"])))),
            ("weights", f"{summary['weights']:,}"),
            ("trained on", f"{summary['examples']:,} examples, {summary['epochs']} epochs, best {best['epoch']}"),
            ("validation", f"{summary['validation_examples']:,} examples: {', '.join(scores) or 'none'}"),
            ("written by", f"ricorda {config['ricorda_version']}, format {config['format_version']}"),
            *((name, _words(value)) for name, value in config["parameters"].items()),
        ],
    )


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_words(inner)}" for name, inner in value.items())
    return ", ".join(map(_words, value)) if isinstance(value, list) else str(value)
