"""`ricorda train`: a command for each task."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from ricorda.cli.command import command_of
from ricorda.cli.tasks import TASKS, module_of


class TaskCommands(TyperGroup):
    """A command for each task, imported when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The tasks."""
        return list(TASKS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A task's command, which shows the estimator's defaults."""
        if cmd_name not in TASKS:
            return None
        module = module_of(cmd_name)
        command = command_of(module.train, cmd_name)
        for option in command.params:
            if option.name in module.DEFAULTS:
                option.show_default = shown_default(module.DEFAULTS[option.name], option)
        return command


app = typer.Typer(cls=TaskCommands, help="Train a model on your own data.", no_args_is_help=True, add_completion=False)


@app.callback()
def _train() -> None: ...  # without it, typer would not take this for a group


def shown_default(default: object, option: Any) -> str:
    """A parameter's default as `--help` writes it."""
    if isinstance(default, bool):
        return str((option.opts if default else option.secondary_opts)[0].removeprefix("--"))
    return "none" if default is None else str(default)
