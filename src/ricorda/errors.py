"""The exceptions of ricorda. Each message is one sentence: what is wrong, where, and what to do.

RicordaError
├── CellError           a cell whose equations are invalid
├── ArgumentError       an argument that is invalid, alone or with the data
├── DataError           a file, a row or a column that cannot be read or used
└── ModelFolderError    a model folder that cannot be opened or written

All are ValueErrors as well, which is what callers of torch and scikit-learn catch.
The command prints the message and exits with 2; any other exception is a fault of ricorda itself.
"""


class RicordaError(ValueError):
    """Base of every error that ricorda raises for a mistake of its user."""


class CellError(RicordaError):
    """A cell whose equations are invalid; the message quotes the expression."""


class ArgumentError(RicordaError):
    """An argument that is invalid; the message names it and its value."""


class DataError(RicordaError):
    """Data that cannot be read or used; the message names file, row and column."""


class ModelFolderError(RicordaError):
    """A model folder that cannot be opened or written."""
