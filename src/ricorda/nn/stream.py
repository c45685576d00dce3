"""One step at a time, the state kept between steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ricorda.errors import ArgumentError

if TYPE_CHECKING:
    from ricorda.nn.recurrent import Recurrent
    from ricorda.nn.sequences import State


class Stream:
    """A layer that is fed step by step; made by `Recurrent.stream`. No gradient is kept.

    Parameters
    ----------
    layer : Recurrent
        In one direction; its dropout does not act here.
    batch_size : int, optional
        Rows of each step; None for single steps [I].

    Attributes
    ----------
    state : Tensor, or a tuple of one for each state, [num_layers, B, size] ([num_layers, size] without a batch)
        The states after the last step; None before the first. It may be kept, and set again later.
    """

    def __init__(self, layer: Recurrent, batch_size: int | None = None) -> None:
        if batch_size is not None and (type(batch_size) is not int or batch_size < 1):
            raise ArgumentError(
                f"batch_size is {batch_size!r}: give a whole number of at least 1, or None for single steps"
            )
        self.layer = layer
        self.batch_size = batch_size
        self.state: State | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Take one step.

        Parameters
        ----------
        x : Tensor [B, I], or [I] without a batch

        Returns
        -------
        Tensor [B, size], or [size] without a batch
            The last layer's output.

        Raises
        ------
        ArgumentError
            If the step has another shape.
        """
        if not isinstance(x, Tensor):
            raise ArgumentError(f"a step of this stream is a {type(x).__name__}: give a torch.Tensor")
        batch = () if self.batch_size is None else (self.batch_size,)
        expected = (*batch, self.layer.input_size)
        if tuple(x.shape) != expected:
            raise ArgumentError(f"a step of this stream has shape {expected}, and {tuple(x.shape)} was given")
        training, first_batch = self.layer.training, self.layer.batch_first and bool(batch)
        self.layer.training = False
        try:
            with torch.no_grad():
                output, self.state = self.layer(x.unsqueeze(1 if first_batch else 0), self.state)
        finally:
            self.layer.training = training
        result: Tensor = output.squeeze(1 if first_batch else 0)
        return result

    def reset(self) -> None:
        """Forget: the next step starts from zeros."""
        self.state = None
