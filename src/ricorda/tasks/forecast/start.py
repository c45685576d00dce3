"""Where the linear map beside the network begins: at the better baseline, and what least squares correct of it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV

from ricorda.tasks.forecast.network import ForecastNetwork
from ricorda.tasks.forecast.windows import Windows

MOST = 5_000
"""Windows above which the map begins at the last value, and the steps of the training learn the rest."""

MEAN_OF = 28
_PENALTIES = np.logspace(-1, 4, 11)


def begin_well(network: ForecastNetwork, windows: Windows, season: int) -> None:
    """Set the linear map of a fresh network by its training windows, if it has one and they are few.

    Each of repeating the last value, the last season and a mean of the last steps is such a map. The one with the least
    squared error is taken, and a ridge regression (Hoerl, Kennard 1970; its penalty by generalised cross-validation)
    of what it leaves is added to it: with few windows it is close to the baseline.
    """
    if network.autoregression is None or len(windows) > MOST:
        return
    with torch.no_grad():
        past, ahead = _normal_pairs(network, windows)
        if len(past) < 2:
            return
        baselines = _baselines(network.sizes.context, network.sizes.steps, season)
        best = min(baselines, key=lambda weights: float(np.square(ahead - past[:, :-1] @ weights.T).mean()))
        left = ahead - past[:, :-1] @ best.T
        correction = RidgeCV(_PENALTIES, fit_intercept=False).fit(past, left).coef_.reshape(len(best), -1)
        network.autoregression.weight.copy_(torch.from_numpy(best + correction[:, :-1]))
        network.autoregression.bias.copy_(torch.from_numpy(correction[:, -1]))


def _normal_pairs(network: ForecastNetwork, windows: Windows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What the map reads [N, context + 1], the last column for its bias, and what it should say [N, steps].

    Both are of windows as the network normalises them, times their deviation, so that errors count as in the loss.
    """
    batch = windows.take(np.arange(len(windows)))
    chosen = [*network.sizes.targets]
    mean, deviation = network.moments(batch.past)
    past, ahead = ((values - mean)[:, chosen].flatten(0, 1) for values in (batch.past, batch.truth))
    scale = deviation.expand(*batch.past.shape[:2], 1)[:, chosen].flatten(0, 1)
    if batch.observed is not None:
        seen = batch.observed[:, chosen].flatten(0, 1).bool().all(1)
        past, ahead, scale = past[seen], ahead[seen], scale[seen]
    return torch.cat([past, scale], 1).double().numpy(), ahead.double().numpy()


def _baselines(context: int, steps: int, season: int) -> list[NDArray[np.float64]]:
    """The maps [steps, context] that are baselines; a season longer than the context is none."""
    rows = np.arange(steps)
    last, recent = np.zeros((steps, context)), np.zeros((steps, context))
    last[:, -1] = 1.0
    recent[:, -MEAN_OF:] = 1.0 / min(MEAN_OF, context)
    if season > context:
        return [last, recent]
    seasonal = np.zeros((steps, context))
    seasonal[rows, context - season + rows % season] = 1.0
    return [last, recent, seasonal]
