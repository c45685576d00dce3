"""`ricorda export c`: a model as one header in C99."""

from __future__ import annotations

from typing import Annotated

import typer

from ricorda.cli.options import ModelFolder, OutFile


def c(
    folder: ModelFolder,
    out: OutFile,
    name: Annotated[str, typer.Option(help="What the names in the header begin with.")] = "model",
) -> None:
    """Write a model as one header in C99 that needs no library.

    For example:

      ricorda export c model --out model.h
    """
    from ricorda.export.to_c.door import c as write_c
    from ricorda.tasks.loading import load

    write_c(load(folder), out, name=name)
