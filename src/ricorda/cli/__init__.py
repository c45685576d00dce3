"""The `ricorda` command. It reads arguments, calls tasks and prints; nothing is computed here.

What is heavy to import (torch and all that needs it) is imported by the commands when they run.
"""

import os
import sys
from typing import ClassVar

import typer

from ricorda.cli.command import Commands
from ricorda.telling import tells


class _Ricorda(Commands):
    """The commands, a module each."""

    SUMMARIES: ClassVar = {
        "train": "Train a model on your own data.",
        "evaluate": "Evaluate a model on data whose answers are known, by the measures of its task.",
        "predict": "Give examples what a model was trained to give: a text its class, a sentence its translation.",
        "generate": "Write on from a prompt; what is written appears as it comes, and Ctrl-C ends it.",
        "inspect": "Look into a model: gradients, memory, gates, the unrolled network.",
        "export": "Write a model in a form that other programs run.",
        "serve": "Serve models to other programs: predictions, streams of steps, and the Open Inference Protocol.",
        "page": "Open a page in the browser: look into cells and models, train on your own data, compare.",
        "compare": "Train several cells on the same data with the same budget, and tell what each is worth.",
        "search": "Search a model's parameters by trials, stopped early where they promise little.",
        "info": "Tell what a model is: cell, sizes, what it reads and gives, training, scores.",
        "cells": "List the recurrent cells by family, or print one's equations, weights and paper.",
    }


app = typer.Typer(
    cls=_Ricorda,
    help="Recurrent neural networks from their equations: train them, look inside them, run them anywhere.",
    epilog="A first run: ricorda train classify reviews.csv --text text --label label --out model",
    no_args_is_help=True,
    rich_markup_mode=None,  # rich would import a Markdown parser and a highlighter: twice the time
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from ricorda import __version__

        typer.echo(f"ricorda {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None: ...


def main() -> None:
    """Run the command."""
    # Threads that wait for each other by spinning lose 19 of 20 steps where another program uses one of the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if "TORCHELASTIC_RUN_ID" in os.environ:  # Under torchrun torch prints its stack where a connection ends.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    # A stream that the caller has closed is None, to which nothing could be written.
    sys.stdout, sys.stderr = (
        stream or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - it stays open
        for stream in (sys.stdout, sys.stderr)
    )
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # A console of a narrow encoding, as cp1252, must not end a command.
            stream.reconfigure(errors="backslashreplace")
    if tells():
        app()
        return
    try:  # Of several processes the first tells what is wrong with the arguments.
        sys.exit(app(standalone_mode=False) or 0)
    except Exception as error:
        if not hasattr(error, "exit_code"):
            raise
        sys.exit(error.exit_code)
