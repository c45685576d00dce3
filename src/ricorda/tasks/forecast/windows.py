"""Windows of series: the steps that a forecast is made from, and the steps after them, which it should give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ricorda.data.batches import Rows
from ricorda.data.series import Series, Values
from ricorda.errors import DataError
from ricorda.tasks.scaling import Scaling

_LARGEST = 1e100
"""The largest number of a series: the squares of much larger ones overflow."""


@dataclass(frozen=True)
class SeriesScaling:
    """How the variables and the covariates of series are standardised, by the training steps."""

    variables: Scaling
    known: Scaling

    @classmethod
    def of(cls, parts: Sequence[Series], *, standardise: bool = True) -> SeriesScaling:
        """The scaling of the series' steps; means of 0 and deviations of 1 if the numbers are to stay as they are.

        Raises
        ------
        DataError
            If a variable is constant, so that there is nothing to learn and no unit to measure errors in, or its
            numbers are so large that their squares overflow.
        """
        values = np.concatenate([series.values for series in parts])
        known = np.concatenate([series.past_covariates for series in parts])
        names = [*parts[0].names, *parts[0].covariate_names]
        for name, column in zip(names, [*values.T, *known.T], strict=True):
            if np.abs(column).max() > _LARGEST:
                raise DataError(f"{parts[0].source}, {name!r}, has numbers above {_LARGEST:g}: give it in larger units")
        mean, scale = values.mean(0), values.std(0)
        for name, centre, spread in zip(parts[0].names, mean, scale, strict=True):
            if spread <= 1e-12 * max(abs(centre), 1e-300):
                raise DataError(
                    f"{parts[0].source}, variable {name!r}, is {centre:g} in all steps to train on: leave it out, or "
                    "give steps in which it changes"
                )
        spread = known.std(0)
        spread = np.where(spread > 1e-12 * np.abs(known.mean(0)), spread, 1.0)
        if not standardise:
            mean, scale = np.zeros_like(mean), np.ones_like(scale)
        return cls(Scaling(mean, scale), Scaling(known.mean(0), np.where(spread > 0, spread, 1.0)))

    def values(self, values: Values) -> Tensor:
        """Values [..., V] in standard deviations from the mean, as the network reads them."""
        return torch.from_numpy(self.variables.standardise(values)).float()

    def covariates(self, covariates: Values) -> Tensor:
        """Covariates [..., K], scaled in the same way."""
        return torch.from_numpy(self.known.standardise(covariates)).float()


@dataclass(frozen=True)
class WindowBatch:
    """Some windows, on the network's device.

    Attributes
    ----------
    past : Tensor [B, V, context]
        The variables before the forecast.
    past_covariates : Tensor [B, K, context]
    future_covariates : Tensor [B, K, steps]
    truth : Tensor [B, V, steps]
        The variables in the steps of the forecast.
    observed : Tensor [B, V, steps], optional
        1 where the truth was measured, 0 where it was filled in; None if all of it was measured.
    seen : Tensor [B, V, context], optional
        The same of the variables before the forecast.
    """

    past: Tensor
    past_covariates: Tensor
    future_covariates: Tensor
    truth: Tensor
    observed: Tensor | None
    seen: Tensor | None = None


class Windows:
    """All windows of `context` steps and `steps` after them in some series; they are views, and batches are copies.

    Parameters
    ----------
    parts : sequence of Series
        The series; a window lies within one of them.
    scaling : SeriesScaling
        The standardisation of the series.
    context, steps : int
        Steps before and after the moment of a forecast.
    stride : int
        Steps from a window to the next.
    first : int
        Steps of a series before the first forecast, if more than `context`.
    """

    def __init__(
        self,
        parts: Sequence[Series],
        scaling: SeriesScaling,
        context: int,
        steps: int,
        *,
        stride: int = 1,
        first: int = 0,
    ) -> None:
        self.context, self.steps = context, steps
        first = max(first, context)
        lengths = [len(series) for series in parts]
        begins = np.cumsum([0, *lengths[:-1]])
        ranges = [
            np.arange(begin + first, begin + length - steps + 1, stride)
            for begin, length in zip(begins, lengths, strict=True)
        ]
        self.origins: NDArray[np.intp] = np.concatenate(ranges)  # The first step that each window forecasts.
        self.values = scaling.values(np.concatenate([series.values for series in parts]))
        self.covariates = scaling.covariates(np.concatenate([series.past_covariates for series in parts]))
        seen = np.concatenate([series.observed for series in parts])
        self.observed = None if seen.all() else torch.from_numpy(seen).float()

    def __len__(self) -> int:
        return len(self.origins)

    def take(self, rows: Rows, device: torch.device | None = None) -> WindowBatch:
        """A batch of some windows."""
        starts = torch.from_numpy(self.origins[rows] - self.context)
        values = self._of(self.values, starts, device)
        covariates = self._of(self.covariates, starts, device)
        observed = None if self.observed is None else self._of(self.observed, starts, device)
        return WindowBatch(
            values[..., : self.context],
            covariates[..., : self.context],
            covariates[..., self.context :],
            values[..., self.context :],
            None if observed is None else observed[..., self.context :],
            None if observed is None else observed[..., : self.context],
        )

    def parts(self) -> tuple[Any, ...]:
        """All that decides what is learned, for a fingerprint."""
        return self.values, self.covariates, self.observed, self.origins

    def _of(self, steps: Tensor, starts: Tensor, device: torch.device | None) -> Tensor:
        """Windows [B, variables, context + steps]; the view of all of them takes no memory."""
        return steps.unfold(0, self.context + self.steps, 1)[starts].to(device)
