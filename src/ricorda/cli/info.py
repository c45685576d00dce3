"""`ricorda info`: what a model folder holds, or what this machine computes with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ricorda.cli.options import Json
from ricorda.cli.output import print_json, print_pairs
from ricorda.errors import ArgumentError

INTERNAL = ("scaling", "errors")
"""What a config says for the network alone."""

GENERAL = ("task", "parameters", "program", "summary", "format_version", "ricorda_version", "sha256")
"""What a config says for every task; the rest is the task's own."""


def info(
    folder: Annotated[Path | None, typer.Argument(help="A model folder.", show_default=False)] = None,
    engine: Annotated[bool, typer.Option("--engine", help="Tell what this machine computes layers with.")] = False,
    as_json: Json = False,
) -> None:
    """Tell what a model is: cell, sizes, what it reads and gives, training, scores.

    For example:

      ricorda info model

      ricorda info model --json

      ricorda info --engine
    """
    if engine == (folder is not None):
        raise ArgumentError("give a model folder, or --engine to ask about this machine")
    if engine:
        _engine(as_json)
    else:
        assert folder is not None
        _model(folder, as_json)


def _engine(as_json: bool) -> None:
    from ricorda.engines.here import report

    told = report()
    if as_json:
        print_json(told)
    else:
        print_pairs("this machine", told.items())


def _model(folder: Path, as_json: bool) -> None:
    from ricorda.program.ir import Program
    from ricorda.program.show import equations
    from ricorda.tasks.embedding import coverage_sentences
    from ricorda.tasks.loading import open_model
    from ricorda.tasks.scores import score_text
    from ricorda.tasks.worth import TEMPERATURE

    model, config = open_model(folder)
    if as_json:
        print_json(config)
        return
    program = Program.from_json(config["program"])
    summary, best = config["summary"], config["summary"]["best"]
    scores = [f"{words} {score_text(name, best[name])}" for name, words in model.SCORES.items() if name in best]
    print_pairs(
        str(folder),
        [
            ("task", config["task"]),
            *((name, _words(value)) for name, value in _own(config)),
            ("cell", "\n".join([program.title, *equations(program)])),
            ("weights", f"{summary['weights']:,}"),
            ("trained on", f"{summary['examples']:,} examples, {summary['epochs']} epochs, best {best['epoch']}"),
            *(("coverage", sentence) for sentence in coverage_sentences(summary)),
            ("validation", f"{summary['validation_examples']:,} examples: {', '.join(scores) or 'none'}"),
            *([("temperature", f"{summary[TEMPERATURE]:.3f}, in the weights")] if TEMPERATURE in summary else []),
            ("written by", f"ricorda {config['ricorda_version']}, format {config['format_version']}"),
            *((name, _words(value)) for name, value in config["parameters"].items()),
        ],
    )


def _own(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What the task says, by name; of a series the clock in words."""
    from ricorda.data.clock import Clock

    for name, value in config.items():
        if name == "series":
            clock = Clock.from_json(value["clock"])
            dates = {"time": value["time"], "step": clock.words, "trained to": f"before {clock.text(0)}"}
            keys = ("inputs", "targets", "covariates", "context", *(["season"] if value["season"] > 1 else []))
            names = {key: value[key] for key in keys}
            yield from ((key, told) for key, told in {**names, **dates}.items() if told)
        elif name not in (*GENERAL, *INTERNAL):
            yield name, value


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_words(inner)}" for name, inner in value.items())
    return ", ".join(map(_words, value)) if isinstance(value, list) else str(value)
