"""`ricorda evaluate`: how good a model is on data whose answers are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from ricorda.cli.options import Json, ModelOrFile
from ricorda.cli.tasks import opened, run, with_options_of_tasks


@with_options_of_tasks
def evaluate(
    folder: ModelOrFile,
    data: Annotated[str, typer.Argument(help="Data with answers, as for `ricorda train`.")],
    as_json: Json = False,
    *,
    options: Mapping[str, Any],
) -> None:
    """Evaluate a model on data whose answers are known, by the measures of its task.

    For example:

      ricorda evaluate model test.csv --text text --label label

      ricorda evaluate model test.csv --by language --json
    """
    run("evaluate", opened(folder), data, as_json, read=data, options=options)
