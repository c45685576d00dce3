"""`ricorda generate`: a language model writes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ricorda.cli.options import Json
from ricorda.cli.output import print_json
from ricorda.errors import ArgumentError


def generate(
    folder: Annotated[Path, typer.Argument(help="A folder of a language model.")],
    prompt: Annotated[str, typer.Option(help="What to go on from.", show_default="a line's end")] = "",
    length: Annotated[int, typer.Option(help="The most tokens, or steps of music.")] = 500,
    temperature: Annotated[float, typer.Option(help="Above 1 bolder, below more careful; 0 the most probable.")] = 1.0,
    top_k: Annotated[int | None, typer.Option(help="Draw from so many tokens only.", show_default="all")] = None,
    top_p: Annotated[
        float | None, typer.Option(help="Draw from the tokens that have this probability together.", show_default="all")
    ] = None,
    condition: Annotated[
        str | None, typer.Option(help="The vector to begin with: numbers with commas.", show_default="none")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of what is drawn.", show_default="another each time")] = None,
    as_json: Json = False,
) -> None:
    """Write on from a prompt; what is written appears as it comes, and Ctrl-C ends it.

    For example:

      ricorda generate model --prompt "ROMEO:" --length 1000 --temperature 0.8

      ricorda generate chorales --length 64 --json
    """
    from ricorda.tasks.language.estimator import LanguageModel
    from ricorda.tasks.loading import load

    model = load(folder)
    if not isinstance(model, LanguageModel):
        raise ArgumentError(
            f"{folder} holds a model for the task {model.TASK}, which does not write: give a language model"
        )
    kind = model.reader_.kind
    separator = " " if kind == "tokens" else ""
    if kind == "music" and prompt:
        raise ArgumentError("prompt is a text, and the model writes music: leave it out")
    pieces = model.generate(
        prompt.split() if kind == "tokens" else prompt,
        length=length,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
        condition=None if condition is None else _numbers(condition),
    )
    if as_json:
        steps = list(pieces)
        print_json({"steps": steps} if kind == "music" else {"prompt": prompt, "text": separator.join(steps)})
        return
    _stream(prompt, pieces, separator, music=kind == "music")


def _stream(prompt: str, pieces: Any, separator: str, *, music: bool) -> None:
    """Write each piece when it is there, and end the line whatever happens."""
    text = prompt
    try:
        sys.stdout.write(prompt)
        for piece in pieces:
            text = " ".join(map(str, piece)) + "\n" if music else separator * bool(text) + piece
            sys.stdout.write(text)
            sys.stdout.flush()
    finally:
        if not text.endswith("\n"):
            sys.stdout.write("\n")


def _numbers(condition: str) -> list[float]:
    try:
        return [float(number) for number in condition.split(",")]
    except ValueError:
        raise ArgumentError(f"condition is {condition!r}: give numbers with commas, as in 0.5,1") from None
