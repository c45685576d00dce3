"""What all commands share: a mistake is one sentence on the standard error; Ctrl-C and `| head` are none."""

from __future__ import annotations

import os
import re
import sys
from typing import Any

from typer.core import TyperCommand

from ricorda.errors import RicordaError


class Command(TyperCommand):
    """A command whose exit code is 2 after a mistake of the user and 130 after Ctrl-C."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command's function."""
        try:
            super().invoke(ctx)
            sys.stdout.flush()  # or a reader that has gone would be noticed too late to be silent
        except RicordaError as error:
            _say(f"error: {self._with_option_names(str(error))}")
            sys.exit(2)
        except KeyboardInterrupt as interruption:  # typer would lose the message
            _say(f"stopped: {interruption}" if str(interruption) else "stopped")
            sys.exit(130)  # what a shell says of a program that Ctrl-C ended
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
            sys.exit(0)

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


def _say(message: str) -> None:
    print(" ".join(message.splitlines()), file=sys.stderr)
