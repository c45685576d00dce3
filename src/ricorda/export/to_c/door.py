"""`ricorda.export.c`: a trained model or a layer as one header in C99."""

from __future__ import annotations

from os import PathLike
from typing import Any

from ricorda.errors import ArgumentError


def c(model: Any, path: str | PathLike[str], *, name: str = "model") -> None:
    """Write a model as one header in C99.

    Parameters
    ----------
    model : Recurrent, or a trained estimator
        A layer of one direction, or a model of such layers.
    path : path
        The file to write.
    name : str
        What the names in the header begin with.

    Raises
    ------
    ArgumentError
        If it cannot be written as C.
    """
    raise ArgumentError(f"{type(model).__name__} cannot be written as C by this version: use it from Python")
