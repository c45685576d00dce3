"""Forecasting as the training loop sees it: a loss of some windows, and a score of those after them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ricorda.data.batches import Rows
from ricorda.tasks.forecast.baselines import repeat_season
from ricorda.tasks.forecast.inference import batches
from ricorda.tasks.forecast.network import ForecastNetwork
from ricorda.tasks.forecast.windows import WindowBatch, Windows
from ricorda.training.task import Task


class Forecasting(Task):
    """Training of a network on windows, as `ricorda.training.train` takes it.

    Parameters
    ----------
    module : ForecastNetwork
        The network.
    windows : Windows
        The windows to train on.
    held_out : Windows, optional
        The windows to choose the best epoch by.
    season : int
        Steps of the baseline's season; at least as many lie before the first held-out window.
    """

    told = "mean absolute error {mae:.4f} deviations"

    def __init__(self, module: ForecastNetwork, windows: Windows, held_out: Windows | None, season: int) -> None:
        self.module: ForecastNetwork = module
        self.windows, self.held_out = windows, held_out
        self.lengths = np.full(len(windows), windows.context)
        self.targets = [*module.sizes.targets]
        self.baselines = {} if held_out is None else self._baselines(held_out, season)

    def loss(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """The sum over the windows of the mean loss of their steps and targets, and the number of windows.

        Values that were filled in do not count.
        """
        _, loss, weight = self._losses(self.windows.take(rows, self._device))
        return loss, weight

    def validate(self) -> dict[str, float]:
        """The loss and mean absolute error beside those of the baselines; nothing if no window is held out."""
        if self.held_out is None:
            return {}
        total, weights, error = 0.0, 0.0, 0.0
        for batch in batches(self.held_out, self._device):
            said, loss, weight = self._losses(batch)
            total, weights = total + float(loss), weights + float(weight)
            distance = (self.module.head.point(said) - batch.truth[:, self.targets]).abs()
            error += float(_weighted(distance, self._observed(batch)))
        loss_of_all = total / (weights or 1.0)
        return {
            "score": -loss_of_all,
            "mae": error / (weights or 1.0),
            **self.baselines,
            "validation_loss": loss_of_all,
        }

    @property
    def _device(self) -> torch.device:
        return next(self.module.parameters()).device

    def _losses(self, batch: WindowBatch) -> tuple[Tensor, Tensor, Tensor]:
        """The network's output, the sum of the windows' losses, and the sum of their weights."""
        said = self.module(batch.past, batch.past_covariates, batch.future_covariates, batch.seen)
        observed = self._observed(batch)
        losses = self.module.head.loss(said, batch.truth[:, self.targets])
        weight = losses.new_tensor(len(losses)) if observed is None else observed.mean((1, 2)).sum()
        return said, _weighted(losses, observed), weight

    def _observed(self, batch: WindowBatch) -> Tensor | None:
        return None if batch.observed is None else batch.observed[:, self.targets]

    def _baselines(self, held_out: Windows, season: int) -> dict[str, float]:
        """The mean absolute errors of the baselines, in the units of the network."""
        values = held_out.values[:, self.targets].double().numpy()
        seen = None if held_out.observed is None else held_out.observed[:, self.targets].bool().numpy()
        ahead = held_out.origins[:, None] + np.arange(held_out.steps)
        errors = {}
        for name, length in (("repeat_last_mae", 1), ("repeat_season_mae", season)):
            error = np.abs(repeat_season(values, held_out.origins, held_out.steps, length) - values[ahead])
            errors[name] = float((error if seen is None else error[seen[ahead]]).mean())
        return errors


def _weighted(losses: Tensor, observed: Tensor | None) -> Tensor:
    """The sum over windows of the mean of each window's losses, [B, targets, steps]; unobserved values count as 0."""
    return (losses if observed is None else losses * observed).mean((1, 2)).sum()
