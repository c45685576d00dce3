"""The options of commands: those that several share, and those that are an estimator's parameters.

An option that is not given leaves the parameter at its default, which `--help` shows.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ricorda.tasks.parameters import NETWORK, READING, TRAINING, About, about, parameters_of, type_of

PANELS = ("", READING, NETWORK)
"""The first groups of parameters in the help, in this order; a task's own follow, and those of the training."""


def in_panel(panel: str, help: str, *names: str, default: str | None = None) -> Any:
    """An option in a group of the help; `default` is what the help says of its default, if not the value itself."""
    return typer.Option(*names, help=help, show_default=default or True, rich_help_panel=panel)


Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for the model.")]
OutFile = Annotated[Path, typer.Option("--out", "-o", help="File to write.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON instead of a table.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where a training ended, stopped or finished.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the model that --out holds.")]
TensorBoard = Annotated[bool, typer.Option("--tensorboard", help="Write a TensorBoard log too.")]
WatchGradients = Annotated[
    int | None, typer.Option("--watch-gradients", metavar="N", help="Record the gradient's flow each N steps.")
]

Shards = Annotated[
    bool, typer.Option("--shards", help="Each process of torchrun reads files of its own, of those that DATA names.")
]

Unlabelled = Annotated[
    str | None,
    in_panel(READING, "More texts, without labels, to learn the language from first.", "--unlabelled", default="none"),
]

ModelFolder = Annotated[Path, typer.Argument(help="A model folder.")]
ModelOrFile = Annotated[Path, typer.Argument(help="A model folder, or a file that `ricorda export onnx` wrote.")]
Layer = Annotated[int | None, typer.Option(help="The layer, from 1.", show_default="the last")]
Picture = Annotated[Path | None, typer.Option(help="A picture (PNG, SVG, PDF) to write.")]

reading = partial(in_panel, READING)
TextColumn = Annotated[str | None, reading("Column of the texts.", "--text", default="text")]
LabelColumn = Annotated[str | None, reading("Column of the labels.", "--label", default="label")]
AnswerColumn = Annotated[
    str | None, reading("Column of the right translations or numbers.", "--target", default="as for the training")
]
Valid = Annotated[str | None, reading("Other data, to choose the best epoch by.", "--valid", default="a part of DATA")]


def option(kind: Any, name: str, *, shown: Any = True) -> Any:
    """The option of a parameter, for `Annotated`; without `shown`, the help has no default.

    Parameters
    ----------
    kind : class
        The dataclass of parameters.
    """
    known = about(kind, name)
    names = [f"--{known.option}"] if known.option else []
    return typer.Option(*names, help=known.help, show_default=shown, rich_help_panel=known.panel or None)


def parameter_options(kind: Any) -> list[inspect.Parameter]:
    """An option for each parameter, in the order of the help."""
    fields = parameters_of(kind)
    options = [(known, _option(kind, field.name, field.default, type_of(field))) for field, known in fields]
    return [parameter for _, parameter in sorted(options, key=lambda pair: _rank(pair[0]))]


def parameters_given(kind: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters among a command's arguments that were given, as the estimator takes them."""
    values = {}
    for field, known in parameters_of(kind):
        value = arguments.get(field.name)
        if value is not None and value != []:  # An option that can be given twice is an empty list otherwise.
            values[field.name] = value if known.read is None else known.read(value)
    return values


def _option(kind: Any, name: str, default: Any, annotation: str) -> inspect.Parameter:
    known = about(kind, name)
    value: Any = {"int": int, "float": float, "bool": bool, "list[str]": list[str]}.get(annotation.split(" ")[0], str)
    if known.read is not None:
        value = str
    if known.preset is None:
        value |= None
    info = option(kind, name, shown=_shown(default, known) if known.preset is None else True)
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=known.preset, annotation=Annotated[value, info]
    )


def _shown(default: Any, known: About) -> str:
    """A parameter's default as the help writes it."""
    if isinstance(default, bool):
        return known.option.split("/--")[0 if default else 1]
    return "none" if default is None else str(default)


def _rank(known: About) -> int:
    if known.panel in PANELS:
        return PANELS.index(known.panel)
    return len(PANELS) + (known.panel == TRAINING)
