"""`ricorda inspect`: a command for each view into a model."""

from __future__ import annotations

from typing import ClassVar

import typer

from ricorda.cli.command import Commands


class _Views(Commands):
    """The views, a module each."""

    PACKAGE: ClassVar = "ricorda.cli.inspect"
    SUMMARIES: ClassVar = {
        "gradients": "Show where the gradient goes in time: whether it vanishes, explodes or is sound.",
        "memory": "Show what a model kept of a text, and what each word gave to its verdict.",
        "gates": "Show how the gates open and close on a text, and which units follow which property.",
        "unroll": "Draw the network unrolled over its steps, with the real numbers on it.",
    }


app = typer.Typer(
    cls=_Views,
    help="Look into a model: gradients, memory, gates, the unrolled network.",
    no_args_is_help=True,
    add_completion=False,
)


@app.callback()
def _inspect() -> None: ...  # without it, typer would not take this for a group
