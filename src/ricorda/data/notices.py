"""What a reader says beside its result: how it took a file that can be taken in more than one way."""

import logging


def say(source: str, what: str) -> None:
    """Say something of a file, by Python's logging: a line on the standard error unless a program sets it up."""
    logging.getLogger("ricorda").warning("%s: %s", source, what)
