"""The output of a forecast at each step: a number, quantiles, or a normal distribution; and the loss of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import torch
import torch.nn.functional as F
from torch import Tensor

LEAST_DEVIATION = 1e-3
"""For standardised values: without a bound, a step that is always met would make the likelihood infinite."""


class Head:
    """The numbers that a network gives for a step of a variable, and their meaning.

    Parameters
    ----------
    kind : {"point", "quantile", "gaussian"}
        One number; the quantiles at `levels`, sorted so that they never cross (Chernozhukov et al. 2010); mean and
        standard deviation.
    loss : {"mse", "mae"}
        The loss of the head "point": squared or absolute error. "quantile" has the pinball loss (Koenker, Bassett
        1978), "gaussian" the negative log-likelihood.
    levels : sequence of float
        Rising, with 0.5 among them, which is the forecast itself.
    """

    def __init__(self, kind: str, loss: str, levels: Sequence[float]) -> None:
        self.kind, self.point_loss = kind, loss
        self.levels = tuple(float(level) for level in levels)
        self.middle = self.levels.index(0.5)

    @property
    def size(self) -> int:
        """The numbers for each step and variable."""
        return {"point": 1, "quantile": len(self.levels), "gaussian": 2}[self.kind]

    def read(self, output: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """What a network's output [..., size] says of values that were normalised by `shift` and `scale` [..., 1].

        Returns
        -------
        Tensor [..., size]
            The number; the quantiles, rising; or mean and standard deviation.
        """
        if self.kind == "gaussian":
            deviation = F.softplus(output[..., 1:]) * scale.abs() + LEAST_DEVIATION
            return torch.cat([output[..., :1] * scale + shift, deviation], -1)
        said = output * scale + shift
        return said.sort(-1).values if self.kind == "quantile" else said

    def loss(self, said: Tensor, truth: Tensor) -> Tensor:
        """The loss of each step [...] of what `read` returned [..., size]."""
        truth = truth[..., None]
        if self.kind == "gaussian":
            mean, deviation = said[..., :1], said[..., 1:]
            nats = (truth - mean).square() / (2 * deviation.square()) + deviation.log() + math.log(2 * math.pi) / 2
            return nats[..., 0]
        if self.kind == "quantile":
            error = truth - said
            levels = said.new_tensor(self.levels)
            return torch.maximum(levels * error, (levels - 1) * error).mean(-1)
        error = (said - truth)[..., 0]
        return error.square() if self.point_loss == "mse" else error.abs()

    def point(self, said: Tensor) -> Tensor:
        """The forecast itself [...]: the number, the median, the mean."""
        return said[..., self.middle if self.kind == "quantile" else 0]

    def quantiles(self, said: Tensor) -> Tensor | None:
        """The quantiles at `levels` [..., levels]; None where the network says one number."""
        if self.kind == "gaussian":
            normal = NormalDist()
            places = said.new_tensor([normal.inv_cdf(level) for level in self.levels])
            return said[..., :1] + said[..., 1:] * places
        return said if self.kind == "quantile" else None
