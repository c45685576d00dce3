"""The exceptions of ricorda. Each message is one sentence: what is wrong, where, and what to do.

RicordaError
├── CellError           a cell whose equations are invalid
├── ArgumentError       an argument that is invalid, alone or with the data
│   ├── ArgumentTypeError   an argument of an invalid type; a TypeError as well
│   └── TensorError         a tensor that does not go with a layer; a RuntimeError as well
├── DataError           a file, a row or a column that cannot be read or used
│   └── SpaceError          a space to search that cannot be used
├── ModelFolderError    a model folder that cannot be opened or written
└── LostProcessError    another process that trained together with this one has ended

All are ValueErrors as well, which is what callers of torch and scikit-learn catch.
The command prints the message and exits with 2; any other exception is a fault of ricorda itself.
"""

LONGEST = 1_000
"""Characters of a message at most; of a longer one the middle is left out, as the advice stands at its end."""


class RicordaError(ValueError):
    """Base of every error that ricorda raises for a mistake of its user."""

    def __init__(self, message: object = "") -> None:
        text = str(message)
        super().__init__(text if len(text) <= LONGEST else f"{text[: LONGEST - 305]} ... {text[-300:]}")


class CellError(RicordaError):
    """A cell whose equations are invalid; the message quotes the expression.

    Parameters
    ----------
    line : int, optional
        The line of the cell's text, from 1, in which the mistake is.
    """

    def __init__(self, message: object = "", line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class ArgumentError(RicordaError):
    """An argument that is invalid; the message names it and its value."""


class ArgumentTypeError(ArgumentError, TypeError):
    """An argument of an invalid type; a TypeError as well, which is what torch.nn raises."""


class TensorError(ArgumentError, RuntimeError):
    """A tensor whose shape, dtype or device does not go with a layer; a RuntimeError as well, as torch.nn raises."""


class DataError(RicordaError):
    """Data that cannot be read or used; the message names file, row and column."""


class SpaceError(DataError):
    """A space to search that cannot be used; parameters have the names here that they have in its file."""


class ModelFolderError(RicordaError):
    """A model folder that cannot be opened or written."""


class LostProcessError(RicordaError):
    """Another process that trained together with this one has ended, or never came."""
