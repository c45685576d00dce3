"""Forecasts of a trained network: after a series, and from every moment of a series that is known to its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ricorda.data.beside import NOTHING
from ricorda.data.clock import Clock
from ricorda.data.series import Series, Values
from ricorda.errors import ArgumentError, DataError
from ricorda.tasks.forecast.backtest import Backtest
from ricorda.tasks.forecast.baselines import REPEAT_LAST, REPEAT_SEASON, repeat_season
from ricorda.tasks.forecast.facts import Facts
from ricorda.tasks.forecast.network import ForecastNetwork
from ricorda.tasks.forecast.result import Forecast
from ricorda.tasks.forecast.windows import WindowBatch, Windows

AT_ONCE = 256
"""Windows of a batch: this bounds the memory."""


def after(network: ForecastNetwork, facts: Facts, series: Series, steps: int) -> Forecast:
    """A forecast of the steps after a series that has the network's variables.

    Raises
    ------
    DataError
        If the series is too short, or covariates of the steps to come are missing.
    """
    length, context = len(series), facts.context
    if length < context:
        raise DataError(
            f"{series.source} has {length} steps, and a forecast is made from {context}: give a longer series"
        )
    past = facts.scaling.values(series.values[-context:])
    known = facts.scaling.covariates(series.covariates[length - context :])
    seen = torch.from_numpy(series.observed[-context:]).float()
    return _said(network, facts, (past, seen), known, steps, series.clock.after(length), series.source)


def after_training(network: ForecastNetwork, facts: Facts, future: Values | None, steps: int) -> Forecast:
    """A forecast of the steps after the training's series.

    Parameters
    ----------
    future : array [steps, K], optional
        The covariates of these steps; by default those that the training had.

    Raises
    ------
    ArgumentError
        If the model was trained on several series.
    DataError
        If covariates of the steps to come are missing.
    """
    if facts.several:
        raise ArgumentError("X is missing: the model was trained on several series, so give the one to go on from")
    known = network.end_covariates.cpu()
    if future is not None:
        if future.shape[1] != len(facts.covariates):
            raise DataError(
                f"covariates has {future.shape[1]} columns, and the model was trained with {len(facts.covariates)} "
                f"({', '.join(facts.covariates) or 'none'}): give the same"
            )
        known = torch.cat([known[: facts.context], facts.scaling.covariates(future)])
    past = network.end.cpu()
    seen = torch.ones_like(past) if network.beside == NOTHING else network.end_seen.cpu()
    return _said(network, facts, (past, seen), known, steps, facts.clock, "the series of the training")


def backtest(network: ForecastNetwork, facts: Facts, parts: Sequence[Series], steps: int, stride: int) -> Backtest:
    """Forecasts from moments of series, each made from what lies before it; see `Forecaster.backtest`."""
    first = max(facts.context, facts.season)
    ahead = _needed(network, steps) if facts.covariates else steps
    for part in parts:
        if len(part) < first + ahead:
            raise DataError(
                f"{part.source} has {len(part)} steps, too few to read {first} and forecast {ahead}: give more"
            )
    windows = Windows(parts, facts.scaling, facts.context, ahead, stride=stride, first=first)
    values = np.concatenate([part.values for part in parts])[:, facts.target_columns]
    seen = np.concatenate([part.observed for part in parts])[:, facts.target_columns]
    rows = windows.origins[:, None] + np.arange(steps)
    for name, measured in zip(facts.targets, seen[rows].any((0, 1)), strict=True):
        if not measured:
            raise DataError(
                f"{parts[0].source} has no value of {name!r} to compare a forecast with: give a longer series"
            )
    forecasts = [_numbers(network, facts, batch, steps) for batch in batches(windows, _device(network))]
    bands = [quantiles for _, quantiles in forecasts if quantiles is not None]
    return Backtest(
        origins=windows.origins,
        truth=values[rows],
        forecast=np.concatenate([numbers for numbers, _ in forecasts]),
        observed=seen[rows],
        quantiles=np.concatenate(bands) if bands else None,
        levels=network.head.levels if bands else (),
        baselines={
            REPEAT_LAST: repeat_season(values, windows.origins, steps, 1),
            REPEAT_SEASON: repeat_season(values, windows.origins, steps, facts.season),
        },
        names=facts.targets,
        deviations=facts.deviations,
        units=facts.units,
        season=facts.season,
    )


def batches(windows: Windows, device: torch.device) -> Iterator[WindowBatch]:
    """All windows in their order."""
    for first in range(0, len(windows), AT_ONCE):
        yield windows.take(np.arange(first, min(first + AT_ONCE, len(windows))), device)


def said_of(network: ForecastNetwork, batch: WindowBatch, steps: int) -> Tensor:
    """The network's output for the next `steps` steps, [B, targets, steps, head.size].

    A network that gives fewer steps at once is fed its own forecasts; all variables must be targets then.
    """
    at_once = network.sizes.steps
    past, covariates, seen = batch.past, batch.past_covariates, batch.seen
    parts: list[Tensor] = []
    for first in range(0, steps, at_once):
        future = batch.future_covariates[..., first : first + at_once]
        parts.append(network(past, covariates, future, seen))
        if first + at_once < steps:
            past = _slid(past, network.head.point(parts[-1]))
            covariates = _slid(covariates, future)
            seen = None if seen is None else _slid(seen, torch.ones_like(past[..., :at_once]))
    return torch.cat(parts, 2)[:, :, :steps]


def _said(
    network: ForecastNetwork,
    facts: Facts,
    window: tuple[Tensor, Tensor],
    known: Tensor,
    steps: int,
    clock: Clock,
    source: str,
) -> Forecast:
    """The forecast after standardised steps [context, V] and what was seen of them, covariates [context + steps, K]."""
    ahead = _needed(network, steps)
    there = len(known) - facts.context
    if not facts.covariates:
        known = known.new_zeros(facts.context + ahead, 0)
    elif there < ahead:
        raise DataError(
            f"{source} has {there} steps of covariates after its end, and a forecast needs {ahead} of "
            f"{', '.join(facts.covariates)}: add them"
        )
    past, seen, known = (
        values.T[None].contiguous().to(_device(network)) for values in (*window, known[: facts.context + ahead])
    )
    batch = WindowBatch(
        past, known[..., : facts.context], known[..., facts.context :], past, None, seen
    )  # Its truth is not read.
    numbers, quantiles = _numbers(network, facts, batch, steps)
    return Forecast(
        numbers[0],
        None if quantiles is None else quantiles[0],
        () if quantiles is None else network.head.levels,
        facts.targets,
        _in_own_units(past[0, facts.target_columns].T, facts),
        clock,
        facts.time,
    )


def _numbers(network: ForecastNetwork, facts: Facts, batch: WindowBatch, steps: int) -> tuple[Values, Values | None]:
    """Forecasts [B, steps, targets] and quantiles [B, steps, targets, levels], in the series' own units."""
    with torch.inference_mode():
        said = said_of(network, batch, steps).transpose(1, 2)
        quantiles = network.head.quantiles(said)
        bands = None if quantiles is None else _in_own_units(quantiles.transpose(2, 3), facts).swapaxes(2, 3)
        return _in_own_units(network.head.point(said), facts), bands


def _in_own_units(standardised: Tensor, facts: Facts) -> Values:
    """Values [..., targets] in the units of the series."""
    return facts.scaling.variables.part(facts.target_columns).undo(standardised.double().cpu().numpy())


def _needed(network: ForecastNetwork, steps: int) -> int:
    """The number of steps whose covariates must be known to forecast `steps` steps."""
    return -(-steps // network.sizes.steps) * network.sizes.steps


def _slid(window: Tensor, new: Tensor) -> Tensor:
    return torch.cat([window, new], -1)[..., -window.shape[-1] :]


def _device(network: ForecastNetwork) -> torch.device:
    return next(network.parameters()).device
