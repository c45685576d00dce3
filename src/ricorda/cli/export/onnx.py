"""`ricorda export onnx`: a model as a file of ONNX."""

from __future__ import annotations

from typing import Annotated

import typer

from ricorda.cli.options import ModelFolder, OutFile


def onnx(
    folder: ModelFolder,
    out: OutFile,
    form: Annotated[
        str | None,
        typer.Option(
            help="sequence: a call reads whole sequences; step: one step, with the states before it.",
            show_default="sequence, or step for a translator",
        ),
    ] = None,
) -> None:
    """Write a model as a file of ONNX, which ONNX Runtime and others run.

    The tokenizers are written beside the file: model.tokenizer.json beside model.onnx, which holds their hashes.
    `ricorda predict model.onnx` looks for them there, or for those of a model folder. A translator becomes two files,
    its encoder and its decoder's step.

    For example:

      ricorda export onnx model --out model.onnx

      ricorda export onnx model --form step --out step.onnx

      ricorda predict model.onnx "I lost the first five minutes, yet I loved it to the end"
    """
    from ricorda.export.to_onnx.door import onnx as write_onnx
    from ricorda.tasks.loading import load

    write_onnx(load(folder), out, form=form)
