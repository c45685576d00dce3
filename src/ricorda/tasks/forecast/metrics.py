"""How good forecasts are: figures from scikit-learn, except MASE and coverage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, mean_squared_error

from ricorda.data.series import Values
from ricorda.tasks.scores import Figures


@dataclass(frozen=True, repr=False)
class Metrics(Figures):
    """The errors of forecasts.

    Attributes
    ----------
    mae, mse, rmse : float
        Mean absolute error, mean squared error and its root.
    mase : float, optional
        Mean absolute error divided by the error of repeating the value a season before in training (Hyndman, Koehler
        2006): below 1 is better. None if that error was 0.
    pinball : float, optional
        Mean of the pinball losses of all quantiles; None if there are none. A model that gives one number uses it for
        all of them.
    coverage : float, optional
        Share of the truth between the lowest and the highest quantile.
    """

    mae: float
    mse: float
    rmse: float
    mase: float | None
    pinball: float | None = None
    coverage: float | None = None


def measure(
    truth: Values,
    forecast: Values,
    observed: NDArray[np.bool_],
    unit: Values,
    *,
    quantiles: Values | None = None,
    levels: Sequence[float] = (),
) -> Metrics:
    """Compare forecasts with the values that came; values that were filled in do not count.

    Parameters
    ----------
    truth, forecast : array [N, steps, V]
        The true values, and the forecasts.
    observed : array of bool [N, steps, V]
        Whether a true value was measured; at least one was.
    unit : array [V]
        The unit of MASE, in the units of `truth`.
    quantiles : array [N, steps, V, levels], optional
        The forecast quantiles at `levels`.
    levels : sequence of float
        The levels of the pinball losses; empty if there are none.
    """
    came, said = truth[observed], forecast[observed]
    units = np.broadcast_to(unit, truth.shape)[observed]
    mse = float(mean_squared_error(came, said))
    pinball = coverage = None
    bands = [said for _ in levels] if quantiles is None else [*quantiles[observed].T]
    if bands:
        losses = [mean_pinball_loss(came, band, alpha=level) for band, level in zip(bands, levels, strict=True)]
        pinball = float(np.mean(losses))
    if quantiles is not None:
        coverage = float(((bands[0] <= came) & (came <= bands[-1])).mean())
    return Metrics(
        mae=float(mean_absolute_error(came, said)),
        mse=mse,
        rmse=mse**0.5,
        mase=float((np.abs(came - said) / units).mean()) if (unit > 0).all() else None,
        pinball=pinball,
        coverage=coverage,
    )
