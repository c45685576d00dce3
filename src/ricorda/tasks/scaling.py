"""Numbers in standard deviations from their mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of each variable over the training examples, [V]."""

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Scaling:
        """The scaling of values [N, V]; a variable that is constant, up to rounding of its mean, has the scale 1."""
        spread, rounding = values.std(0), len(values) * np.finfo(np.float64).eps * np.abs(values).max(0)
        return cls(values.mean(0), np.where(spread > rounding, spread, 1.0))

    def standardise(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values [..., V] in standard deviations from the mean."""
        return (values - self.mean) / self.scale

    def undo(self, standardised: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standardised values [..., V] in their original units."""
        return standardised * self.scale + self.mean

    def part(self, columns: Sequence[int]) -> Scaling:
        """The scaling of some of the variables."""
        return Scaling(self.mean[columns], self.scale[columns])


def measure_features(sequences: Sequence[Tensor], mean: Tensor, scale: Tensor) -> None:
    """Set mean and scale [I] to those of all steps of sequences [T, I]; a constant feature has the scale 1."""
    steps = torch.cat(list(sequences)).double()
    mean.copy_(steps.mean(0))
    spread = steps.std(0, correction=0)
    scale.copy_(torch.where(spread > 0, spread, 1.0))
