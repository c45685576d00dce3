"""The options of `ricorda train TASK`, as the page asks for them: made from the task's parameters and its reading."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from ricorda.tasks.parameters import parameters_of, type_of
from ricorda.tasks.registry import commands_of, parameters_class

PATHS = ("pretrained", "vectors", "freeze_vectors")
"""Parameters that name files, which no request may."""

CELL = "cell"
"""The page has a field of its own for it."""

MAIN = ("epochs", "hidden_size", "num_layers", "dropout", "learning_rate", "horizon")
"""Parameters that are asked for at once; the others stand under "more"."""


@dataclass(frozen=True)
class Option:
    """An option of the command.

    Parameters
    ----------
    name : its name in the address
    switches : how the command line writes it; two for a flag, what it means to say yes and no
    help : the command's own sentence
    default : what holds where it is left out, as text
    column : whether its value is a column of the table
    several : whether it can be given several times; the values are lines then
    """

    name: str
    switches: tuple[str, ...]
    help: str
    default: str = ""
    column: bool = False
    several: bool = False

    @property
    def flag(self) -> bool:
        """Whether it is there or not, and has no value."""
        return len(self.switches) > 1

    def arguments(self, value: str) -> Iterator[str]:
        """What it adds to the command line."""
        if self.flag:
            yield self.switches[0 if value == "yes" else 1]
            return
        for part in value.splitlines() if self.several else [value]:
            yield from (self.switches[0], part)


@cache
def columns_of(task: str) -> tuple[Option, ...]:
    """The options that name columns."""
    reading = inspect.signature(commands_of(task).read, eval_str=True).parameters.values()
    own = [item for item in reading if item.kind is item.KEYWORD_ONLY and item.default is not item.empty]
    return tuple(_of_reading(item) for item in own)


@cache
def parameters_in(task: str) -> tuple[Option, ...]:
    """The options that are the task's parameters, in the order of its class."""
    chosen = []
    for field, known in parameters_of(parameters_class(task)):
        if field.name in PATHS or field.name == CELL:
            continue
        words = known.option or field.name.replace("_", "-")
        switches = tuple(f"--{word.removeprefix('--')}" for word in words.split("/"))
        default = field.default if known.preset is None else known.preset
        shown = "" if default is None else str(default)
        if isinstance(default, bool):
            shown = "yes" if default else "no"
        elif isinstance(default, tuple):
            shown = ",".join(map(str, default))
        several = type_of(field).startswith("list")
        chosen.append(Option(field.name, switches, known.help, shown, several=several))
    return tuple(chosen)


def arguments_of(task: str, values: Mapping[str, str]) -> list[str]:
    """The command line's part for the values that differ from the defaults."""
    arguments: list[str] = []
    for option in (*columns_of(task), *parameters_in(task)):
        value = values.get(option.name, "").strip()
        if value and value != option.default:
            arguments += option.arguments(value)
    return arguments


def default_cell(task: str) -> str:
    """The cell that the command takes where none is named."""
    return next(str(field.default) for field, _ in parameters_of(parameters_class(task)) if field.name == CELL)


def _of_reading(item: inspect.Parameter) -> Option:
    kind, info = get_args(item.annotation)
    words: list[Any] = [info.default, *(info.param_decls or ())]
    switch = next((word for word in words if isinstance(word, str)), f"--{item.name.replace('_', '-')}")
    default = info.show_default if isinstance(info.show_default, str) else ""
    return Option(item.name, (switch,), info.help or "", default, column=True, several="list" in str(kind))
