"""Recurrent neural networks from their equations: train them, look inside them, run them anywhere.

Every name is imported when it is first used: `import ricorda` alone does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ricorda import export as export
    from ricorda import insight as insight
    from ricorda import nn as nn
    from ricorda.errors import ArgumentError, CellError, DataError, ModelFolderError, RicordaError
    from ricorda.nn import GRU, LSTM, RNN, Recurrent
    from ricorda.program.cell import Cell, cell
    from ricorda.program.functions import (
        cos,
        delay,
        hard_sigmoid,
        largest,
        log_sigmoid,
        mean,
        safe_divide,
        safe_sqrt,
        sign,
        sin,
        softmax,
        sum,
        where,
    )
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
    from ricorda.scoring.scorer import Scorer
    from ricorda.searching.search import search
    from ricorda.tasks.classify.estimator import SequenceClassifier
    from ricorda.tasks.forecast.estimator import Forecaster
    from ricorda.tasks.language.estimator import LanguageModel
    from ricorda.tasks.loading import load
    from ricorda.tasks.regress.estimator import SequenceRegressor
    from ricorda.tasks.tag.estimator import SequenceTagger
    from ricorda.tasks.translate.estimator import Translator

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "ArgumentError",
    "Cell",
    "CellError",
    "DataError",
    "Forecaster",
    "LanguageModel",
    "ModelFolderError",
    "Recurrent",
    "RicordaError",
    "Scorer",
    "SequenceClassifier",
    "SequenceRegressor",
    "SequenceTagger",
    "Translator",
    "affine",
    "cell",
    "cos",
    "delay",
    "equations",
    "exp",
    "hard_sigmoid",
    "largest",
    "load",
    "log",
    "log_sigmoid",
    "maximum",
    "mean",
    "minimum",
    "parameter",
    "relu",
    "safe_divide",
    "safe_sqrt",
    "search",
    "sigmoid",
    "sign",
    "sin",
    "softmax",
    "softplus",
    "sqrt",
    "sum",
    "tanh",
    "where",
]

_HOMES = {
    "ricorda.errors": ("ArgumentError", "CellError", "DataError", "ModelFolderError", "RicordaError"),
    "ricorda.nn": ("GRU", "LSTM", "RNN", "Recurrent"),
    "ricorda.program.cell": ("Cell", "cell"),
    "ricorda.program.functions": (
        "cos",
        "delay",
        "hard_sigmoid",
        "largest",
        "log_sigmoid",
        "mean",
        "safe_divide",
        "safe_sqrt",
        "sign",
        "sin",
        "softmax",
        "sum",
        "where",
    ),
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
    "ricorda.scoring.scorer": ("Scorer",),
    "ricorda.searching.search": ("search",),
    "ricorda.tasks.classify.estimator": ("SequenceClassifier",),
    "ricorda.tasks.forecast.estimator": ("Forecaster",),
    "ricorda.tasks.language.estimator": ("LanguageModel",),
    "ricorda.tasks.regress.estimator": ("SequenceRegressor",),
    "ricorda.tasks.loading": ("load",),
    "ricorda.tasks.tag.estimator": ("SequenceTagger",),
    "ricorda.tasks.translate.estimator": ("Translator",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

_PACKAGES = ("export", "insight", "nn")
"""Packages with public names of their own, imported when they are used too: `ricorda.export.c`."""


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return import_module(f"ricorda.{name}")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'ricorda' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return [*__all__, *_PACKAGES, "__version__"]
