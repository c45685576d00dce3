"""What all commands share: a mistake is one sentence on the standard error; Ctrl-C and `| head` are none."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

from ricorda.errors import RicordaError, SpaceError
from ricorda.telling import nobody_reads, tells


class Command(TyperCommand):
    """A command whose exit code is 2 after a mistake of the user and 130 after Ctrl-C."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command's function."""
        try:
            super().invoke(ctx)
            sys.stdout.flush()  # or a reader that has gone would be noticed too late to be silent
        except RicordaError as error:
            if tells():
                said = str(error) if isinstance(error, SpaceError) else self._with_option_names(str(error))
                _say(f"error: {said}")
            sys.exit(2)
        except KeyboardInterrupt as interruption:  # typer would lose the message
            if tells():
                _say(f"stopped: {interruption}" if str(interruption) else "stopped")
            sys.exit(130)  # what a shell says of a program that Ctrl-C ended
        except OSError as error:
            if not nobody_reads(error):
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
            sys.exit(0)

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters; the help shows no `<bool>` behind flags, which take no value."""
        params = super().get_params(ctx)
        for parameter in params:
            if getattr(parameter, "is_flag", False) and parameter.metavar is None:
                parameter.metavar = ""
        return params

    def _with_option_names(self, message: str) -> str:
        """The message with `--hidden-size` where it speaks of the parameter `hidden_size`.

        A name that is a word as well (`dropout`) is taken for a parameter only where the message begins with it.
        """
        for parameter in self.params:
            name, option = str(parameter.name), parameter.opts[0]
            if option.startswith("--"):
                where = rf"\b{name}\b" if "_" in name else rf"^{name}(?= is |=)"
                message = re.sub(where, option, message)
        return message


class Commands(TyperGroup):
    """A group whose commands are imported when one of them is run; the list of them needs their first lines only."""

    SUMMARIES: ClassVar[Mapping[str, str]]
    """What each command does, in the first line of its own help; it stands in the module of its name."""
    PACKAGE: ClassVar[str] = "ricorda.cli"
    """Where these modules are."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = {
            name: TyperCommand(name, help=first, short_help=first) for name, first in self.SUMMARIES.items()
        }

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is to be run."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, None if name is None else self.load(name), rest

    def load(self, name: str) -> Any:
        """A command itself: the function of its name, or the group `app`, in the module of its name."""
        module = import_module(f"{self.PACKAGE}.{name}")
        return typer.main.get_command(module.app) if hasattr(module, "app") else command_of(getattr(module, name))


def command_of(function: Callable[..., None], name: str | None = None) -> Any:
    """A function as a command."""
    app = typer.Typer(rich_markup_mode="rich", add_completion=False, pretty_exceptions_enable=False)
    app.command(name, cls=Command)(function)
    return typer.main.get_command(app)


def _say(message: str) -> None:
    line = " ".join(message.splitlines())
    if sys.stderr.isatty():  # A terminal would break it within words.
        columns = shutil.get_terminal_size().columns
        line = textwrap.fill(line, columns, break_long_words=False, break_on_hyphens=False)
    print(line, file=sys.stderr)
