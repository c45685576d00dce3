"""The `ricorda` command. It reads arguments, calls tasks and prints; nothing is computed here.

What is heavy to import (torch and all that needs it) is imported by the commands when they run.
"""

import os

import typer

from ricorda.cli import cells, evaluate, generate, info, predict, train
from ricorda.cli.command import Command

app = typer.Typer(
    help="Recurrent neural networks from their equations: train them, look inside them, run them anywhere.",
    epilog="A first run: [bold]ricorda train classify reviews.csv --text text --label label --out model[/bold]",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(train.app, name="train")
app.command(cls=Command)(evaluate.evaluate)
app.command(cls=Command)(predict.predict)
app.command(cls=Command)(generate.generate)
app.command(cls=Command)(info.info)
app.command(cls=Command)(cells.cells)


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
    app()
