"""`ricorda export hub`: a model folder for the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ricorda.cli.options import ModelFolder


def hub(
    folder: ModelFolder,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.")],
    license: Annotated[str, typer.Option(help="License, as the Hub names it.", show_default="none")] = "",
    language: Annotated[
        list[str] | None, typer.Option(help="Code of a language: it; once for each.", show_default="none")
    ] = None,
) -> None:
    """Write a model folder whose card says what the Hugging Face Hub asks: license, languages, task, scores.

    For example:

      ricorda export hub model --out for-the-hub --license mit --language it --language en
    """
    from ricorda.export.to_hub.door import hub as write_hub

    write_hub(folder, out, license=license, languages=language or ())
