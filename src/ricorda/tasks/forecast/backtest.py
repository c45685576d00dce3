"""Back-tests: forecasts from many moments of a series that is known to its end, beside the baselines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricorda.data.series import Values
from ricorda.tasks.forecast.baselines import REPEAT_LAST, REPEAT_SEASON
from ricorda.tasks.forecast.metrics import Metrics, measure

MODEL = "the model"


@dataclass(frozen=True)
class Backtest:
    """Forecasts from N moments of a series, and the values that came.

    Attributes
    ----------
    origins : array [N]
        The first step of each forecast in the series; the forecast reads only what lies before it. Several series count
        as if they followed each other.
    truth, forecast : array [N, steps, V]
        The values that came, and the forecasts.
    observed : array of bool [N, steps, V]
        Whether a true value was measured; values that were filled in count in no figure.
    quantiles : array [N, steps, V, levels], optional
        The forecast quantiles at `levels`.
    levels : tuple of float
    baselines : mapping of str to array [N, steps, V]
        The forecasts of the baselines: the last value repeated, and the last season repeated.
    names : tuple of str
        The variables.
    deviations, units : array [V]
        Each variable's standard deviation in training, and its error there when repeated after a season.
    season : int
        Steps of a season.
    """

    origins: NDArray[np.intp]
    truth: Values
    forecast: Values
    observed: NDArray[np.bool_]
    quantiles: Values | None
    levels: tuple[float, ...]
    baselines: dict[str, Values]
    names: tuple[str, ...]
    deviations: Values
    units: Values
    season: int

    @property
    def overall(self) -> dict[str, Metrics]:
        """The errors of all variables together, of the model and each baseline: in standard deviations of training."""
        return self._errors(slice(None), slice(None), self.deviations)

    @property
    def variables(self) -> dict[str, dict[str, Metrics]]:
        """The errors of each variable, in its own units."""
        return {
            name: self._errors(slice(None), slice(position, position + 1), np.ones(1))
            for position, name in enumerate(self.names)
        }

    @property
    def steps(self) -> list[dict[str, Metrics] | None]:
        """The errors of each step of the horizon, all variables together: in standard deviations of training.

        None for a step at which no forecast's truth was measured.
        """
        return [
            self._errors(slice(step, step + 1), slice(None), self.deviations) if self.observed[:, step].any() else None
            for step in range(self.truth.shape[1])
        ]

    def to_json(self) -> dict[str, Any]:
        """The figures as numbers, strings, lists and dictionaries."""
        return {
            "forecasts": len(self.origins),
            "horizon": self.truth.shape[1],
            "season": self.season,
            "overall": errors_json(self.overall),
            "variables": {name: errors_json(errors) for name, errors in self.variables.items()},
            "steps": [None if errors is None else errors_json(errors) for errors in self.steps],
        }

    def _errors(self, steps: slice, variables: slice, scale: Values) -> dict[str, Metrics]:
        """The errors of a part of the arrays, in units of `scale`."""
        part = (slice(None), steps, variables)
        truth, seen, unit = self.truth[part] / scale, self.observed[part], self.units[variables] / scale
        bands = None if self.quantiles is None else self.quantiles[part] / scale[:, None]
        return {
            MODEL: measure(truth, self.forecast[part] / scale, seen, unit, quantiles=bands, levels=self.levels),
            **{
                name: measure(truth, forecast[part] / scale, seen, unit, levels=self.levels)
                for name, forecast in self.baselines.items()
            },
        }


KEYS = {MODEL: "model", REPEAT_LAST: "repeat_last", REPEAT_SEASON: "repeat_season"}
"""The names of the model and the baselines in JSON."""


def errors_json(errors: dict[str, Metrics]) -> dict[str, Any]:
    """The errors of the model and the baselines as JSON."""
    return {KEYS[name]: metrics.to_json() for name, metrics in errors.items()}
