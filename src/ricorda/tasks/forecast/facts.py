"""What a forecaster knows of the series that it was trained on, besides its weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ricorda.data.clock import Clock
from ricorda.data.series import Series, Values
from ricorda.errors import DataError, ModelFolderError
from ricorda.tasks.forecast.baselines import seasonal_error
from ricorda.tasks.forecast.examples import with_variables
from ricorda.tasks.forecast.windows import SeriesScaling
from ricorda.tasks.rules import is_number
from ricorda.tasks.scaling import Scaling

_NOTHING = 1e-12
"""A smaller error of a repeated season, as a share of the deviation, is rounding: the series only repeats itself."""


@dataclass(frozen=True)
class Facts:
    """What `config.json` says of a forecaster.

    Attributes
    ----------
    names, inputs, targets : tuple of str
        The variables of the training's series, those that the network reads, and those that are forecast.
    covariates : tuple of str
        Variables that are known beforehand.
    time : str, optional
        The column of the times.
    context, season : int
        Steps that a forecast is made from, and steps of a season.
    clock : Clock
        The length of a step, and the time of the step after the training's series.
    several : bool
        Whether there were several series; none of several can be continued.
    ahead : int
        Steps after the training's series whose covariates are known.
    scaling : SeriesScaling
        Mean and deviation of the network's inputs.
    deviations, units : array [targets]
        Each target's standard deviation in training, and its error there when repeated after a season (for MASE).
    """

    names: tuple[str, ...]
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    covariates: tuple[str, ...]
    time: str | None
    context: int
    season: int
    clock: Clock
    several: bool
    ahead: int
    scaling: SeriesScaling
    deviations: Values
    units: Values

    @classmethod
    def of(
        cls,
        whole: Sequence[Series],
        parts: Sequence[Series],
        training: Sequence[Series],
        context: int,
        season: int,
        *,
        standardise: bool,
    ) -> Facts:
        """Those of whole series, of their parts that have the network's variables alone, and of what is trained on."""
        first = parts[0]
        chosen = [first.names.index(name) for name in first.targets]
        scaling = SeriesScaling.of(training, standardise=standardise)
        deviations = _deviations(training, chosen)
        errors = [seasonal_error(part.values[:, chosen], part.observed[:, chosen], season) for part in training]
        units = np.mean(errors, axis=0)
        return cls(
            whole[0].names,
            first.names,
            first.targets,
            first.covariate_names,
            first.time_name,
            context,
            season,
            first.clock.after(len(first)),
            len(parts) > 1,
            len(first.covariates) - len(first) if len(parts) == 1 else 0,
            scaling,
            deviations,
            np.where(units > _NOTHING * deviations, units, 0.0),
        )

    @property
    def target_columns(self) -> list[int]:
        """The places of the targets among the inputs."""
        return [self.inputs.index(name) for name in self.targets]

    def aligned(self, series: Series) -> Series:
        """A series with the network's variables and covariates; raises DataError if it has others, or another step."""
        ours, theirs = self.clock, series.clock
        if "row" not in (ours.unit, theirs.unit) and (ours.unit, ours.count) != (theirs.unit, theirs.count):
            raise DataError(
                f"{series.source} has steps of {theirs.words}, and the model was trained on steps of {ours.words}: "
                "give a series of these"
            )
        if series.covariates.shape[1] != len(self.covariates):
            raise DataError(
                f"{series.source} has {series.covariates.shape[1]} covariates, and the model was trained with "
                f"{len(self.covariates)} ({', '.join(self.covariates) or 'none'}): give the same"
            )
        return with_variables(series, self.inputs, self.names)

    def to_json(self) -> dict[str, Any]:
        """The facts as JSON."""
        scaling = self.scaling
        return {
            "series": {
                "names": list(self.names),
                "inputs": list(self.inputs),
                "targets": list(self.targets),
                "covariates": list(self.covariates),
                "time": self.time,
                "context": self.context,
                "season": self.season,
                "clock": self.clock.to_json(),
                "several": self.several,
                "ahead": self.ahead,
            },
            "scaling": {
                "mean": scaling.variables.mean.tolist(),
                "scale": scaling.variables.scale.tolist(),
                "covariate_mean": scaling.known.mean.tolist(),
                "covariate_scale": scaling.known.scale.tolist(),
            },
            "errors": {"deviations": self.deviations.tolist(), "units": self.units.tolist()},
        }

    @classmethod
    def from_json(cls, description: Mapping[str, Any]) -> Facts:
        """What `to_json` wrote, from a file that may hold anything."""
        series = description["series"]
        names, inputs, targets, covariates = (
            tuple(map(str, series[key])) for key in ("names", "inputs", "targets", "covariates")
        )
        if (
            not targets
            or not set(targets) <= set(inputs) <= set(names)
            or series["season"] < 1
            or series["context"] < 1
            or series["ahead"] < 0
            or not isinstance(series["several"], bool)
        ):
            raise ModelFolderError("its variables, context and season are not those of one model")
        arrays = {}
        for group, key, length in (
            ("scaling", "mean", len(inputs)),
            ("scaling", "scale", len(inputs)),
            ("scaling", "covariate_mean", len(covariates)),
            ("scaling", "covariate_scale", len(covariates)),
            ("errors", "deviations", len(targets)),
            ("errors", "units", len(targets)),
        ):
            values, least = description[group][key], -math.inf if key.endswith("mean") else 0.0
            if len(values) != length or not all(is_number(value) and value >= least for value in values):
                raise ModelFolderError(f"its {key.replace('_', ' ')} is not a number for each variable")
            arrays[key] = np.array(values, dtype=np.float64)
        return cls(
            names,
            inputs,
            targets,
            covariates,
            series["time"],
            series["context"],
            series["season"],
            Clock.from_json(series["clock"]),
            series["several"],
            series["ahead"],
            SeriesScaling(
                Scaling(arrays["mean"], arrays["scale"]), Scaling(arrays["covariate_mean"], arrays["covariate_scale"])
            ),
            arrays["deviations"],
            arrays["units"],
        )


def _deviations(parts: Sequence[Series], columns: Sequence[int]) -> Values:
    """The standard deviation of each target over the values that were observed."""
    values = np.concatenate([part.values[:, columns] for part in parts])
    observed = np.concatenate([part.observed[:, columns] for part in parts])
    return np.array([column[seen].std() for column, seen in zip(values.T, observed.T, strict=True)])
