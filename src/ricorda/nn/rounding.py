"""The precision of a layer's products: which there are, and when each acts."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Protocol

import torch
from torch import Tensor, nn

from ricorda.errors import ArgumentError

PRECISIONS = ("float32", "bf16", "int8")


class _Layer(Protocol):
    precision: str
    training: bool

    def parameters(self) -> Iterator[nn.Parameter]:
        """The weights."""


def check_precision(precision: object) -> None:
    """Raise if a precision is unknown."""
    if precision not in PRECISIONS:
        raise ArgumentError(f"precision is {precision!r}: give 'float32', 'bf16' or 'int8'")


def factors_of(layer: _Layer, weight: Tensor, tensors: Iterable[Tensor]) -> str:
    """What a call rounds the factors of products to, because of the layer's precision or of autocast; "" for nothing.

    Parameters
    ----------
    weight : one of the weights, which all have its dtype and device
    tensors : the input and the initial states
    """
    if weight.dtype is not torch.float32 or not weight.is_cpu:
        return ""
    if layer.precision == "int8" and not layer.training:
        if not torch.is_grad_enabled() or not any(each.requires_grad for each in (*tensors, *layer.parameters())):
            return "int8"
        sentence = "a layer of precision='int8' computes gradients in float32: call it within torch.inference_mode()"
        warnings.warn(sentence, UserWarning, stacklevel=4)
    autocast = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") is torch.bfloat16
    return "bf16" if autocast or layer.precision == "bf16" else ""
