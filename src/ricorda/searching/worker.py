"""A process of a search: it is sent a function on its standard input, and ends when whoever started it does."""

import _thread
import os
import pickle
import sys
import threading
import time

from ricorda.errors import RicordaError

MISTAKE = 3
"""The exit code of a process whose mistake is a sentence on its standard output."""

PATIENCE = 5.0
"""Seconds that a process has to stop, when whoever started it has gone."""


def main() -> int:
    """Call the function; a mistake of the user's is written to standard output."""
    try:
        function, arguments = pickle.load(sys.stdin.buffer)
        threading.Thread(target=_end_with_the_parent, daemon=True).start()
        function(*arguments)
    except RicordaError as error:
        print(error, end="")
        return MISTAKE
    except KeyboardInterrupt:
        return 130
    return 0


def _end_with_the_parent() -> None:
    """Stop when the standard input is closed, as it is when the parent is killed."""
    os.read(sys.stdin.fileno(), 1)
    _thread.interrupt_main()
    time.sleep(PATIENCE)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
