"""The exceptions of ricorda. Each message is one sentence: what is wrong, where, and what to do.

RicordaError
├── CellError           a cell whose equations are invalid
├── ArgumentError       an argument that is invalid, alone or with the data
├── DataError           a file, a row or a column that cannot be read or used
└── ModelFolderError    a model folder that cannot be opened or written

All are ValueErrors as well, which is what callers of torch and scikit-learn catch.
The command prints the message and exits with 2; any other exception is a fault of ricorda itself.
"""

LONGEST = 1_000
"""Characters of the longest message; what data holds may be longer, and is cut in the middle."""


class RicordaError(ValueError):
    """Base of every error that ricorda raises for a mistake of its user."""

    def __init__(self, message: str = "") -> None:
        if len(message) > LONGEST:
            message = f"{message[: LONGEST * 2 // 3]} ... {message[-(LONGEST // 3 - 5) :]}"
        super().__init__(message)


class CellError(RicordaError):
    """A cell whose equations are invalid; the message quotes the expression."""


class ArgumentError(RicordaError):
    """An argument that is invalid; the message names it and its value."""


class DataError(RicordaError):
    """Data that cannot be read or used; the message names file, row and column."""


class ModelFolderError(RicordaError):
    """A model folder that cannot be opened or written."""
