"""What a forecaster is trained on: series with the network's variables, their lengths, and their split in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ricorda.data.beside import NOTHING
from ricorda.data.clock import Clock
from ricorda.data.fingerprint import fingerprint
from ricorda.data.held_out import require_steps, split_in_time
from ricorda.data.series import Series
from ricorda.errors import ArgumentError
from ricorda.tasks.forecast.examples import require_values, with_variables
from ricorda.tasks.forecast.facts import Facts
from ricorda.tasks.forecast.network import ForecastNetwork
from ricorda.tasks.forecast.parameters import ForecastParameters
from ricorda.tasks.forecast.windows import Windows


@dataclass(frozen=True)
class TrainingSeries:
    """The series of a training.

    Attributes
    ----------
    facts : Facts
        What the model will know of the series.
    parts : list of Series
        The whole series, with the network's variables.
    held_out : list of Series
        Series to choose the best epoch by; their first `reach` steps are read and not forecast.
    windows : Windows
        The windows to train on.
    held_out_windows : Windows, optional
        The windows of `held_out`; None if there are none.
    notes : tuple of str
        What was done to the data when it was read.
    """

    facts: Facts
    parts: list[Series]
    held_out: list[Series]
    windows: Windows
    held_out_windows: Windows | None
    notes: tuple[str, ...]

    def keep_end(self, network: ForecastNetwork) -> None:
        """Give a network the steps from which a forecast goes on, if there is one series."""
        if self.facts.several:
            return
        (series,), context = self.parts, self.facts.context
        network.end.copy_(self.facts.scaling.values(series.values[-context:]))
        if network.beside != NOTHING:
            network.end_seen.copy_(torch.from_numpy(series.observed[-context:]))
        network.end_covariates.copy_(self.facts.scaling.covariates(series.covariates[len(series) - context :]))

    def fingerprint(self) -> str:
        """A hash of all that decides what is learned and kept."""
        whole = [(part.values, part.covariates) for part in self.parts]
        kept = self.held_out_windows.parts() if self.held_out_windows else ()
        return fingerprint(*self.windows.parts(), *kept, whole)


def choose_series(
    model: ForecastParameters, steps: int, series: Sequence[Series], validation: Sequence[Series] | None
) -> TrainingSeries:
    """Series for a training with a model's parameters.

    Parameters
    ----------
    model : ForecastParameters
        The parameters of the forecaster.
    steps : int
        Steps that the network gives at once.
    series, validation : sequence of Series
        All series of the caller; without `validation`, the end of each is held out.

    Raises
    ------
    ArgumentError, DataError
        If a series is invalid: too short, constant, of other variables.
    """
    inputs = series[0].targets if model.independent else series[0].names
    if model.strategy == "recursive" and inputs != series[0].targets:
        raise ArgumentError(
            "strategy='recursive' feeds all variables back, and not all are targets: choose direct or independent"
        )
    parts = [with_variables(whole, inputs, whole.names) for whole in series]
    shortest = min(map(len, parts))
    season = _season(model, parts[0].clock, shortest)
    context = _context(model, season, shortest)
    horizon, reach = int(model.horizon), max(context, season)
    fraction = model.held_out_share() if validation is None else 0.0
    training, held_out = split_in_time(parts, fraction, context, steps, horizon=horizon, reach=reach)
    facts = Facts.of(series, parts, training, context, season, standardise=model.normalize is not None)
    if validation is not None:
        held_out = [facts.aligned(whole) for whole in validation]
        for part in held_out:
            require_steps(part, reach, horizon)
    if held_out:
        require_values(held_out, reach, "a validation_fraction" if validation is None else "a series")
    return TrainingSeries(
        facts,
        parts,
        held_out,
        Windows(training, facts.scaling, context, steps),
        Windows(held_out, facts.scaling, context, steps, first=reach) if held_out else None,
        tuple(note for whole in series for note in whole.notes),
    )


def _season(model: Any, clock: Clock, steps: int) -> int:
    """Steps of a season: the model's own, or the calendar's; 1 if the series is too short for it."""
    season = model.season or clock.season
    if season < steps // 2:
        return int(season)
    if model.season:
        raise ArgumentError(f"season is {model.season}, and there are {steps} steps: give a longer series or none")
    return 1


def _context(model: Any, season: int, steps: int) -> int:
    """Steps that a forecast is made from: the model's own, or four seasons, rounded to a multiple of the patch."""
    if model.context:
        return int(model.context)
    wanted = min(max(4 * season if season > 1 else 12, 3 * model.horizon), max(1, steps // 4))
    return int(-(-wanted // model.patch) * model.patch)
