"""`ricorda predict`: what a model makes of new examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from ricorda.cli.options import Json, ModelOrFile
from ricorda.cli.source import InputSource, refuse_file_name
from ricorda.cli.tasks import opened, run, with_options_of_tasks
from ricorda.errors import ArgumentError

FILES = "Files"


@with_options_of_tasks
def predict(
    folder: ModelOrFile,
    texts: Annotated[
        list[str] | None, typer.Argument(help="Texts; without them, --file or the standard input.")
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option("--file", "-f", "--data", help="Data to read, as for `ricorda train`; with --out several times."),
    ] = None,
    as_json: Json = False,
    out: Annotated[
        str | None,
        typer.Option("--out", "-o", help="File (.csv, .jsonl, .parquet) or folder/ to write.", rich_help_panel=FILES),
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write all probabilities too.", rich_help_panel=FILES)
    ] = False,
    kind: Annotated[
        str | None, typer.Option("--format", help="Format of the parts in a folder.", rich_help_panel=FILES)
    ] = None,
    part: Annotated[str | None, typer.Option(help="Make the i-th of n shares: i/n.", rich_help_panel=FILES)] = None,
    rows: Annotated[
        int | None, typer.Option("--part-rows", help="Rows of a part.", show_default="16384", rich_help_panel=FILES)
    ] = None,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="A Ray cluster that makes the parts.", rich_help_panel=FILES)
    ] = None,
    precision: Annotated[
        str | None, typer.Option(metavar="float32|bf16|int8", help="Of the network's products on the processor.")
    ] = None,
    *,
    options: Mapping[str, Any],
) -> None:
    """Give examples what a model was trained to give: a text its class, a sentence its translation.

    A file is read in parts, so it may be larger than the memory. With --out its rows are written with the predictions
    beside them; into a folder as parts, and the same command goes on where it was stopped. A model that was exported
    to ONNX is run on ONNX Runtime, with the tokenizers that were written beside it.

    For example:

      ricorda predict model "I lost the first five minutes, yet I loved it to the end"

      ricorda predict model --file new.csv --text text --json

      cat reviews.txt | ricorda predict model

      ricorda predict model --file new.csv --out scored.csv --probabilities

      ricorda predict model --file new.csv --precision int8

      ricorda predict model --data 's3://bucket/*.parquet' --out scored/ --part 1/4
    """
    if texts and file:
        raise ArgumentError(f"texts and --file {file[0]} were given: give one of them")
    if out is not None:
        from ricorda.scoring.command import score

        if texts or as_json:
            raise ArgumentError(f"--out {out} writes the rows of files: leave {'texts' if texts else '--json'} out")
        how: dict[str, Any] = {"probabilities": probabilities, "kind": kind, "part": part, "rows": rows, "ray": ray}
        score(folder, file or (), out, **how, precision=precision, options=options)
        return
    names = {"--probabilities": probabilities, "--format": kind, "--part": part, "--part-rows": rows, "--ray": ray}
    for name, value in names.items():
        if value:
            raise ArgumentError(f"{name} was given without --out: say where to write")
    if file and len(file) > 1:
        raise ArgumentError(f"{len(file)} files were given without --out: say where to write")
    for text in texts or ():
        refuse_file_name(text)
    source = file[0] if file else None
    run("predict", opened(folder, precision), InputSource(texts, source), as_json, read=source, options=options)
