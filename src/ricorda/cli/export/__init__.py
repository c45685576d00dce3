"""`ricorda export`: a command for each way out of Python."""

from __future__ import annotations

from typing import ClassVar

import typer

from ricorda.cli.command import Commands


class _Ways(Commands):
    """The ways out, a module each."""

    PACKAGE: ClassVar = "ricorda.cli.export"
    SUMMARIES: ClassVar = {
        "c": "Write a model as one header in C99 that needs no library.",
        "hub": "Write a model folder for the Hugging Face Hub.",
        "onnx": "Write a model as a file of ONNX, which ONNX Runtime and others run.",
        "page": "Write a model as one page that opens in a browser without a network.",
        "wasm": "Write a model as a WebAssembly module that runs in browsers and in Node.",
    }


app = typer.Typer(
    cls=_Ways,
    help="Write a model in a form that other programs run.",
    no_args_is_help=True,
    add_completion=False,
)


@app.callback()
def _export() -> None: ...  # without it, typer would not take this for a group
