"""What `ricorda predict` and `ricorda evaluate` do with a model of each task, and with which options."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from typer.models import ParameterInfo

from ricorda.errors import ArgumentError
from ricorda.tasks.registry import TASKS, commands_of

if TYPE_CHECKING:
    from ricorda.tasks.estimator import SequenceEstimator


COLUMNS, TAG_COLUMN = ("--text", "--label", "--source", "--target"), "--column"
"""Options that name a column of a table, or of CoNLL-U; a model remembers those that it was trained with."""


def columns_given(task: str, arguments: Mapping[str, Any]) -> dict[str, str]:
    """The columns among the arguments of the command that trains, by their options."""
    reading = inspect.signature(commands_of(task).read, eval_str=True).parameters
    own = [item for item in reading.values() if item.kind is item.KEYWORD_ONLY and item.default is not item.empty]
    named = {_written(item): arguments.get(item.name) for item in own}
    return {option: name for option in (*COLUMNS, TAG_COLUMN) if isinstance(name := named.get(option), str)}


def opened(model: Path, precision: str | None = None) -> SequenceEstimator:
    """The model of a folder, or one that was exported to ONNX, on ONNX Runtime."""
    from ricorda.scoring.scorer import open_model

    opened: SequenceEstimator = open_model(str(model), precision)
    return opened


def run(act: str, model: SequenceEstimator, *arguments: Any, read: str | None, options: Mapping[str, Any]) -> None:
    """Run a task's "predict" or "evaluate" with the options that were given, and the columns that the model remembers.

    Parameters
    ----------
    read : str, optional
        The data that is to be read.

    Raises
    ------
    ArgumentError
        If the task does not know one of them.
    """
    task = model.TASK
    known = options_of(task, act)
    columns = {name: remembered(model, _written(parameter), read) for name, parameter in known.items()}
    options = {**{name: column for name, column in columns.items() if column is not None}, **options}
    for name in options:
        if name not in known:
            option = next(_written(of_task[name]) for of_task in _options_by_task(act).values() if name in of_task)
            names = ", ".join(_written(parameter) for parameter in known.values())
            raise ArgumentError(
                f"{option} is no option for a model of the task {task!r}: leave it out (it knows {names or 'none'})"
            )
    getattr(commands_of(task), act)(model, *arguments, **options)


def remembered(model: SequenceEstimator, option: str, data: str | None) -> str | None:
    """The column that a model was trained on by an option; None for data that has no columns of this kind."""
    from ricorda.data.source import extension
    from ricorda.data.tables import FORMATS

    table = data is not None and extension(data) in FORMATS and not os.path.isdir(data)
    return model.columns_.get(option) if table or option == TAG_COLUMN else None


def with_options_of_tasks(command: Callable[..., None]) -> Callable[..., None]:
    """A command that takes the options of every task's function of its name, and is given those set as `options`."""
    own = inspect.signature(command, eval_str=True).parameters
    options = dict(_all_options(command.__name__))

    def run_command(**arguments: Any) -> None:
        values = {name: arguments.pop(name) for name in options}
        command(**arguments, options={name: value for name, value in values.items() if value != options[name].default})

    signature = inspect.Signature([*(item for name, item in own.items() if name != "options"), *options.values()])
    run_command.__name__, run_command.__doc__ = command.__name__, command.__doc__
    run_command.__signature__ = signature  # type: ignore[attr-defined]  # what inspect, and so typer, reads
    run_command.__annotations__ = {name: item.annotation for name, item in signature.parameters.items()}
    return run_command


def options_of(task: str, act: str) -> dict[str, inspect.Parameter]:
    """The options that a task's "predict" or "evaluate" knows: its keyword-only parameters."""
    function = getattr(commands_of(task), act)
    only = [item for item in inspect.signature(function).parameters.values() if item.kind is item.KEYWORD_ONLY]
    # Those alone: what the other parameters are need not be imported when a command runs.
    return {item.name: item.replace(annotation=eval(item.annotation, function.__globals__)) for item in only}


def _options_by_task(act: str) -> dict[str, dict[str, inspect.Parameter]]:
    return {task: options_of(task, act) for task, row in TASKS.items() if row.commands is not None}


def _all_options(act: str) -> Iterator[tuple[str, inspect.Parameter]]:
    """Each option once, those that not all tasks know in a panel of the help that names the tasks."""
    known = _options_by_task(act)
    for name, parameter in {name: option for options in known.values() for name, option in options.items()}.items():
        tasks = [task for task, options in known.items() if name in options]
        if len(tasks) < len(known):
            parameter = _in_panel(parameter, f"Models of the task {' or '.join(tasks)}")
        yield name, parameter


def _in_panel(parameter: inspect.Parameter, panel: str) -> inspect.Parameter:
    value, info = _parts(parameter)
    info = copy(info)
    info.rich_help_panel = panel
    return parameter.replace(annotation=Annotated[value, info])


def _written(parameter: inspect.Parameter) -> str:
    """The option as it is written in a shell."""
    _, info = _parts(parameter)
    names = [name for name in (info.default, *(info.param_decls or ())) if isinstance(name, str)]
    return names[0].split("/")[0] if names else f"--{parameter.name.replace('_', '-')}"


def _parts(parameter: inspect.Parameter) -> tuple[Any, ParameterInfo]:
    assert get_origin(parameter.annotation) is Annotated, f"{parameter.name} is no option"
    value, info = get_args(parameter.annotation)
    return value, info
