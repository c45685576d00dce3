"""The precision of all layers of a module."""

from __future__ import annotations

from torch import nn

from ricorda.nn.recurrent import Recurrent
from ricorda.nn.rounding import check_precision


def set_precision(module: nn.Module, precision: str) -> None:
    """Set the precision of all recurrent layers of a module, such as the `network_` of a model.

    Parameters
    ----------
    precision : {"float32", "bf16", "int8"}
        See `Recurrent`.

    Raises
    ------
    ArgumentError
        If there is no such precision.
    """
    check_precision(precision)
    for layer in module.modules():
        if isinstance(layer, Recurrent):
            layer.precision = precision
