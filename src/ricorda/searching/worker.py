"""A process of a search: it is sent a function on its standard input, and ends when whoever started it does."""

import _thread
import os
import pickle
import sys
import threading
import time

from ricorda.errors import RicordaError


def main() -> int:
    """Call the function; a mistake of the user's is written to standard output."""
    from ricorda.searching.work import MISTAKE, PATIENCE

    try:
        function, arguments = pickle.load(sys.stdin.buffer)
        threading.Thread(target=_end_with_the_parent, args=(PATIENCE / 2,), daemon=True).start()
        function(*arguments)
    except RicordaError as error:
        print(error, end="")
        return MISTAKE
    except KeyboardInterrupt:
        return 130
    return 0


def _end_with_the_parent(patience: float) -> None:
    """Stop when the standard input is closed, as it is when the parent is killed."""
    os.read(sys.stdin.fileno(), 1)
    _thread.interrupt_main()
    time.sleep(patience)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
