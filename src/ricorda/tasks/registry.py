"""The tasks, a row for each: models are opened, and commands are made, from this one table.

Rows name their modules, which are imported when they are used: `ricorda --help` reads this table without
importing torch.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ricorda.errors import ArgumentError

if TYPE_CHECKING:
    from ricorda.tasks.estimator import SequenceEstimator

CONSTANTS = ("TASK", "SCORES")
"""The constants that an estimator's class must have, besides its methods."""
COMMANDS = ("TRAIN", "read", "predict", "evaluate")
"""What the module of a task's commands must have: the help of `ricorda train TASK`, and three functions."""


@dataclass(frozen=True)
class Row:
    """Where a task's objects are: the objects themselves, or "module:name" or a module's name.

    Parameters
    ----------
    estimator : class
        The task's `SequenceEstimator`.
    parameters : class
        The dataclass of its parameters.
    commands : module, optional
        Its commands; None if the task is used from Python alone.
    """

    estimator: Any
    parameters: Any
    commands: Any = None


def _row(task: str, estimator: str, parameters: str) -> Row:
    folder = f"ricorda.tasks.{task}"
    return Row(f"{folder}.estimator:{estimator}", f"{folder}.parameters:{parameters}", f"ricorda.cli.{task}")


TASKS: dict[str, Row] = {
    "classify": _row("classify", "SequenceClassifier", "ClassifyParameters"),
    "regress": _row("regress", "SequenceRegressor", "RegressParameters"),
    "tag": _row("tag", "SequenceTagger", "TagParameters"),
    "language": _row("language", "LanguageModel", "LanguageParameters"),
    "translate": _row("translate", "Translator", "TranslateParameters"),
    "forecast": _row("forecast", "Forecaster", "ForecastParameters"),
}


def estimator_of(task: str) -> type[SequenceEstimator]:
    """The class of a task, one of `TASKS`."""
    kind: type[SequenceEstimator] = _found(TASKS[task].estimator)
    return kind


def parameters_class(task: str) -> Any:
    """The dataclass of a task's parameters; importing it is fast."""
    return _found(TASKS[task].parameters)


def commands_of(task: str) -> Any:
    """The module of a task's commands.

    Raises
    ------
    ArgumentError
        If the task has none.
    """
    commands = TASKS[task].commands
    if commands is None:
        raise ArgumentError(f"the task {task!r} has no commands: use ricorda.load(FOLDER) in Python")
    return import_module(commands) if isinstance(commands, str) else commands


def register(kind: type[SequenceEstimator], commands: Any = None) -> None:
    """Make a task known: its models can then be opened and inspected, and its cells compared, as those of any other.

    Parameters
    ----------
    kind : class
        The estimator.
    commands : module, optional
        The commands behind `ricorda train`, `predict` and `evaluate`; see `COMMANDS`.

    Raises
    ------
    ArgumentError
        If the class or the module leaves something out, or the name is taken.
    """
    check_task(kind, commands)
    if kind.TASK in TASKS:
        raise ArgumentError(f"there is a task {kind.TASK!r} already: give {kind.__name__}.TASK another name")
    TASKS[kind.TASK] = Row(kind, kind, commands)


def check_task(kind: Any, commands: Any = None) -> None:
    """Raise ArgumentError if a class or a module of commands is incomplete; the message names what it leaves out."""
    name = kind.__name__
    for constant in CONSTANTS:
        if not hasattr(kind, constant):
            raise ArgumentError(f"{name} leaves out {constant}: write it in the class, as SequenceEstimator describes")
    for method in sorted(getattr(kind, "__abstractmethods__", ())):
        does = inspect.getdoc(getattr(kind, method)) or ""
        raise ArgumentError(
            f"{name} leaves out the method {method}: {' '.join(does.partition(chr(10) * 2)[0].split())}"
        )
    for command in COMMANDS if commands is not None else ():
        if not hasattr(commands, command):
            raise ArgumentError(f"the commands of {name} leave out {command}: write it, as in ricorda.cli.tag")


def _found(where: Any) -> Any:
    """The object that "module:name" names, or the object itself."""
    if not isinstance(where, str):
        return where
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)
