"""A network in evaluation mode, as it predicts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def added_up(parts: Tensor) -> Tensor:
    """The sum over the first dimension, one after the other: zeros behind a row's own parts do not change a bit of it.

    torch.sum adds up in an order that depends on how many there are.
    """
    total = torch.zeros_like(parts[0])
    for part in parts:
        total += part
    return total


def rows_apart(module: nn.Module, rows: Tensor) -> Tensor:
    """What a module makes of each row [1, ...] alone: products of many rows are not rounded as those of one are."""
    return torch.cat([module(row[None].clone()) for row in rows])  # A clone lies as a row that is alone.


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradient within the block; the module's mode is left as it was."""
    training = module.training
    module.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        module.train(training)
