"""`ricorda predict`: what a model makes of new examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from ricorda.cli.options import Json, ModelOrFile
from ricorda.cli.source import InputSource, refuse_file_name
from ricorda.cli.tasks import opened, run, with_options_of_tasks
from ricorda.errors import ArgumentError


@with_options_of_tasks
def predict(
    folder: ModelOrFile,
    texts: Annotated[
        list[str] | None, typer.Argument(help="Texts; without them, --file or the standard input.")
    ] = None,
    file: Annotated[str | None, typer.Option("--file", "-f", help="Data to read, as for `ricorda train`.")] = None,
    as_json: Json = False,
    *,
    options: Mapping[str, Any],
) -> None:
    """Give examples what a model was trained to give: a text its class, a sentence its translation.

    A file is read in parts, so it may be larger than the memory. A model that was exported to ONNX is run on ONNX
    Runtime, with the tokenizers that were written beside it.

    For example:

      ricorda predict model "I lost the first five minutes, yet I loved it to the end"

      ricorda predict model --file new.csv --text text --json

      cat reviews.txt | ricorda predict model
    """
    if texts and file is not None:
        raise ArgumentError(f"texts and --file {file} were given: give one of them")
    for text in texts or ():
        refuse_file_name(text)
    run("predict", opened(folder), InputSource(texts, file), as_json, read=file, options=options)
