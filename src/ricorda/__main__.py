"""The command's beginning: `ricorda`, and `python -m ricorda`, which torchrun needs."""

import sys


def main() -> None:
    """Run the command; Ctrl-C ends it without a traceback while it is still being imported, too."""
    try:
        from ricorda.cli import main as run

        run()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)  # what a shell says of a program that Ctrl-C ended


if __name__ == "__main__":
    main()
