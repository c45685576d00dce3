"""`ricorda export c`: a model as one header in C99."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ricorda.cli.options import ModelFolder, OutFile


def c(
    folder: ModelFolder,
    out: OutFile,
    name: Annotated[str, typer.Option(help="What the names in the header begin with.")] = "model",
    int8: Annotated[bool, typer.Option("--int8", help="Keep matrices in 8 bits: a quarter of the size.")] = False,
    test: Annotated[Path | None, typer.Option(help="A C program to write, which compares both.")] = None,
) -> None:
    """Write a model as one header in C99 that needs no library.

    For example:

      ricorda export c model --out model.h

      ricorda export c model --out small.h --name small --int8 --test small_test.c
    """
    from ricorda.export.to_c.door import c as write_c
    from ricorda.tasks.loading import load

    write_c(load(folder), out, name=name, int8=int8, test=test)
