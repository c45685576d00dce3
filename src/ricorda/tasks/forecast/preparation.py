"""What a forecaster is trained on: the network's variables of the series given, their lengths chosen, split in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ricorda.data.fingerprint import fingerprint
from ricorda.data.series import Series
from ricorda.data.times import Clock
from ricorda.errors import ArgumentError
from ricorda.tasks.forecast.examples import require_steps, require_values, split, with_variables
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
        What the model will know of them.
    parts : list of Series
        All of each, with the network's variables.
    held_out : list of Series
        To choose the best epoch by; their first `reach` steps are read and not forecast.
    windows : Windows
        To train on.
    held_out_windows : Windows, optional
        Of `held_out`; None if there is none.
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
        """Give a network the steps from which a forecast goes on, if that is clear."""
        if self.facts.several:
            return
        (series,), context = self.parts, self.facts.context
        network.end.copy_(self.facts.scaling.values(series.values[-context:]))
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
        What the forecaster was told.
    steps : int
        Steps that the network gives at once.
    series, validation : sequence of Series
        All that was given; without `validation`, the end of each is held out.

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
    training, held_out = split(parts, fraction, context, steps, horizon=horizon, reach=reach)
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
    """Steps of a season: as the model has it, or by the calendar; 1 where the series is too short for that."""
    season = model.season or clock.season
    if season < steps // 2:
        return int(season)
    if model.season:
        raise ArgumentError(f"season is {model.season}, and there are {steps} steps: give a longer series or none")
    return 1


def _context(model: Any, season: int, steps: int) -> int:
    """Steps that a forecast is made from: as the model has it, or four seasons, a multiple of the patch."""
    if model.context:
        return int(model.context)
    wanted = min(max(4 * season if season > 1 else 12, 3 * model.horizon), max(1, steps // 4))
    return int(-(-wanted // model.patch) * model.patch)
