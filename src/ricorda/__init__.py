"""Recurrent neural networks from their equations: train them, look inside them, run them anywhere.

Every name is imported when it is first used: `import ricorda` alone does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ricorda.errors import ArgumentError, CellError, DataError, ModelFolderError, RicordaError
    from ricorda.nn import GRU, LSTM, RNN, Recurrent
    from ricorda.program.cell import Cell, cell
    from ricorda.program.show import equations
    from ricorda.program.symbols import (
        affine,
        exp,
        log,
        maximum,
        minimum,
        parameter,
        relu,
        sigmoid,
        softplus,
        sqrt,
        tanh,
    )
    from ricorda.tasks.classifier import SequenceClassifier
    from ricorda.tasks.saving import load

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "ArgumentError",
    "Cell",
    "CellError",
    "DataError",
    "ModelFolderError",
    "Recurrent",
    "RicordaError",
    "SequenceClassifier",
    "affine",
    "cell",
    "equations",
    "exp",
    "load",
    "log",
    "maximum",
    "minimum",
    "parameter",
    "relu",
    "sigmoid",
    "softplus",
    "sqrt",
    "tanh",
]

_HOMES = {
    "ricorda.errors": ("ArgumentError", "CellError", "DataError", "ModelFolderError", "RicordaError"),
    "ricorda.nn": ("GRU", "LSTM", "RNN", "Recurrent"),
    "ricorda.program.cell": ("Cell", "cell"),
    "ricorda.program.show": ("equations",),
    "ricorda.program.symbols": (
        "affine",
        "exp",
        "log",
        "maximum",
        "minimum",
        "parameter",
        "relu",
        "sigmoid",
        "softplus",
        "sqrt",
        "tanh",
    ),
    "ricorda.tasks.classifier": ("SequenceClassifier",),
    "ricorda.tasks.saving": ("load",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'ricorda' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
