"""Forecasts of a transformer's loads: `Forecaster` beside the error to reach; a part of `make check-real`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from reached import Row, mean_of, there

from ricorda import Forecaster
from ricorda.data.series import Series, read_series
from ricorda.tasks.forecast.backtest import MODEL, Backtest
from ricorda.tasks.forecast.baselines import REPEAT_LAST, REPEAT_SEASON

FOLDER = "etth1"
TRAIN, VALIDATION, TEST = 8_640, 11_520, 14_400
"""Where the parts end: 12, 4 and 4 months of 30 days."""

HORIZON, TO_REACH, MINUTES = 24, 0.34, 3.0
SETTINGS: dict[str, Any] = {  # of those that were tried, the best on the validation part (docs/forecast.md)
    "context": 336,
    "patch": 24,
    "loss": "mae",
}


def check(data: Path, seeds: Sequence[int]) -> Iterator[Row]:
    """Train on all seven variables with each seed; what was reached on the test part, with stride 1.

    Errors are those of values in standard deviations of the training part, as the literature has them.
    """
    if not there(data / FOLDER):
        return
    series = read_series(data / FOLDER / "ETTh1.csv.gz", time="date")
    errors, minutes = [], []
    for seed in seeds:
        start = time.perf_counter()
        backtest = _tested(series, Forecaster(horizon=HORIZON, random_state=seed, **SETTINGS))
        minutes.append((time.perf_counter() - start) / 60)
        errors.append(backtest.overall[MODEL])
    mse = [error.mse for error in errors]
    last, season = (backtest.overall[name].mse for name in (REPEAT_LAST, REPEAT_SEASON))
    yield Row(
        f"forecasting: ETTh1, 7 variables, {HORIZON} hours ahead, test MSE (repeating the last value {last:.2f}, "
        f"the last day {season:.2f})",
        f"{mean_of(mse, '.3f')}, MAE {statistics.mean(error.mae for error in errors):.3f}",
        f"at most {TO_REACH} in {MINUTES:g} minutes",
        max(minutes),
        statistics.mean(mse) <= TO_REACH and max(minutes) <= MINUTES,
    )


def _tested(series: Series, model: Forecaster) -> Backtest:
    """The model, trained and chosen on the first two parts, on the third; each part's first forecast reads back."""
    reach = int(model.context or 0)
    model.fit(series.part(0, TRAIN), validation=series.part(TRAIN - reach, VALIDATION))
    backtest = model.backtest(series.part(VALIDATION - reach, TEST))
    assert len(backtest.origins) == TEST - VALIDATION - HORIZON + 1
    return backtest
