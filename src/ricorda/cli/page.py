"""`ricorda page`: train, look and compare in a browser."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from ricorda.errors import ArgumentError


def page(
    models: Annotated[list[Path] | None, typer.Argument(metavar="[MODEL]...", help="Model folders to look at.")] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="The port to listen on.", show_default="8642, or a free one")] = None,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
    files: Annotated[bool, typer.Option("--files/--no-files", help="Let the page open files that you name.")] = True,
) -> None:
    """Open a page in the browser: look into cells and models, train on your own data, compare.

    It needs no network and no model to begin with, and Ctrl-C ends it. It serves this machine alone; with another
    --host, a browser needs the token in the printed address.

    For example:

      ricorda page

      ricorda page model other-model --no-open
    """
    if find_spec("nicegui") is None:
        raise ArgumentError("the package nicegui is missing: install it with `pip install 'ricorda[page]'`")
    from ricorda.page.app import run

    run(models or [], host=host, port=port, browser=browser, files=files)
