"""`ricorda export page`: a model as one page."""

from __future__ import annotations

from ricorda.cli.options import ModelFolder, OutFile


def page(folder: ModelFolder, out: OutFile) -> None:
    """Write a model as one page that opens in a browser without a network.

    What it says follows as you type, with what each word gave to it.

    For example:

      ricorda export page model --out model.html
    """
    from ricorda.export.to_page.door import page as write_page
    from ricorda.tasks.loading import load

    write_page(load(folder), out)
