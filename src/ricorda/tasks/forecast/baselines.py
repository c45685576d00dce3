"""Forecasts without a model, which every model has to be compared with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ricorda.data.series import Values

REPEAT_LAST, REPEAT_SEASON = "repeat the last value", "repeat the last season"


def repeat_season(values: Values, origins: NDArray[np.intp], steps: int, season: int) -> Values:
    """The values of the season before each origin, again and again; with a season of 1 the last value.

    Parameters
    ----------
    values : array [T, V]
        The series.
    origins : array [N]
        The steps that are forecast first; at least `season` steps lie before each.
    steps, season : int
        The horizon, and the length of a season.

    Returns
    -------
    array [N, steps, V]
    """
    repeated: Values = values[origins[:, None] - season + np.arange(steps) % season]
    return repeated


def seasonal_error(values: Values, observed: NDArray[np.bool_], season: int) -> Values:
    """The mean absolute error of repeating the value a season before, [V]: the unit of MASE.

    Hyndman, Koehler (2006): Another look at measures of forecast accuracy. Of values that were filled in nothing is
    said; it is 0 where no two were `observed` a season apart.
    """
    both = observed[season:] & observed[:-season]
    errors = np.where(both, np.abs(values[season:] - values[:-season]), 0.0)
    means: Values = errors.sum(0) / np.maximum(both.sum(0), 1)
    return means
