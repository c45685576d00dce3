"""The exponential moving average of weights."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """The moving average of a module's parameters: ``average = decay * average + (1 - decay) * weights``.

    Parameters
    ----------
    module
        Its parameters now are the average's first value.
    decay
        Of the late steps; step t (from 0) has at most ``(1 + t) / (10 + t)``, so that the first weights are soon
        forgotten (the rule of TensorFlow's ExponentialMovingAverage).
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self._parameters: list[Tensor] = list(module.parameters())
        self._decay = decay
        self.values = [parameter.detach().clone() for parameter in self._parameters]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after step ``step``."""
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.values, self._parameters, 1 - decay)

    @contextmanager
    def in_module(self) -> Iterator[None]:
        """Let the module have the averaged weights within the block."""
        # Copied, not exchanged: engines keep prepared weights until the parameter's version changes.
        with torch.no_grad():
            weights = [parameter.clone() for parameter in self._parameters]
            torch._foreach_copy_(self._parameters, self.values)
            try:
                yield
            finally:
                torch._foreach_copy_(self._parameters, weights)
