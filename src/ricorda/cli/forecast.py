"""`ricorda train forecast`, and what `predict` and `evaluate` do with a forecaster."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ricorda.cli import options
from ricorda.cli.output import print_each, print_json, print_table, write_picture
from ricorda.errors import ArgumentError
from ricorda.tasks.forecast.parameters import SERIES, ForecastParameters

if TYPE_CHECKING:
    from ricorda.cli.source import InputSource
    from ricorda.data.series import Series
    from ricorda.tasks.forecast.estimator import Forecaster
    from ricorda.tasks.forecast.result import Forecast

TRAIN = """Train a forecaster: the last steps of a series go in, the next ones come out.

    Ctrl-C stops after the current step and keeps what was learned; the same command with --resume goes on.

    For example:

      ricorda train forecast load.csv --time date --target OT --horizon 24 --out model

      ricorda train forecast sales.csv --time day --target sales --covariate holiday --head quantile --out model

      ricorda train forecast prices.csv --season 5 --cell lstm --out model
    """
"""The help of the command that trains."""

_series = partial(options.in_panel, SERIES)
FIGURES = {"mae": "MAE", "mse": "MSE", "mase": "MASE", "pinball": "pinball", "coverage": "in the band"}
"""Of `Metrics`, those that are printed."""


Horizon = Annotated[int | None, options.option(ForecastParameters, "horizon")]


def read(
    data: Annotated[
        str, typer.Argument(help="A table (CSV, TSV, JSON lines, Parquet) with a step a row, the earliest first.")
    ],
    valid: options.Valid = None,
    test: str | None = None,
    *,
    time: Annotated[
        str | None,
        _series("Column of the dates, or of whole numbers.", default="the only one of dates; else rows are steps"),
    ] = None,
    target: Annotated[
        list[str] | None, _series("Column to forecast; may be given several times.", default="all of numbers")
    ] = None,
    covariate: Annotated[
        list[str] | None,
        _series("Column known beforehand, as a holiday is; may be given several times.", default="none"),
    ] = None,
    independent: bool | None,
) -> list[Any]:
    """A series and None to train on, a series to validate on, one and None to test on; None where none is given."""
    targets, covariates = target or [], covariate or []
    # What the network does not read may be missing or incomplete.
    variables = targets if independent in (None, True) else []
    series = [
        None if name is None else _read(name, time, targets, covariates, variables) for name in (data, valid, test)
    ]
    return [(series[0], None), series[1], None if series[2] is None else (series[2], None)]


def predict(
    model: Forecaster,
    source: InputSource,
    as_json: bool,
    *,
    horizon: Horizon = None,
    picture: options.Picture = None,
) -> None:
    """Print the steps after the training's series, or after another one, with their bands."""
    if source.texts:
        raise ArgumentError(f"{source.texts[0]!r:.40} is given, and a forecaster reads a table: name it by --file")
    if source.file is None and model.facts_.several:
        raise ArgumentError("the model was trained on several series: name the one to go on from by --file")
    series = None if source.file is None else _read_for(model, source.file)
    forecast = model.forecast(series, horizon=horizon)
    if picture is not None:
        write_picture(forecast.plot(), picture)
    if as_json:
        print_each(forecast.to_json())
        return
    _print_forecast(forecast)


def evaluate(
    model: Forecaster,
    data: str,
    as_json: bool,
    *,
    horizon: Horizon = None,
    stride: Annotated[int | None, typer.Option(help="Steps from a forecast to the next; 1 if left out.")] = None,
) -> None:
    """Forecast from every moment of a series, and print the errors beside those of the baselines."""
    told = model.backtest(_read_for(model, data), horizon=horizon, stride=1 if stride is None else stride).to_json()
    if as_json:
        print_json(told)
        return
    counts = {"forecasts": told["forecasts"], "steps each": told["horizon"], "steps of a season": told["season"]}
    if told["season"] == 1:
        del counts["steps of a season"]
    print_table(None, [*counts], [[f"{count:,}" for count in counts.values()]])
    _print_errors("Errors, in standard deviations of the training", told["overall"])
    for name, errors in told["variables"].items():
        _print_errors(f"Errors of {name}, in its own units", errors)


def print_trained(model: Forecaster) -> None:
    """Print the errors of the validation, where steps were held out."""
    errors = model.summary_.get("validation_errors")
    if errors:
        steps = "next step" if model.horizon == 1 else f"next {model.horizon:,} steps"
        _print_errors(f"Errors of the {steps} in the validation, in standard deviations of the training", errors)


def _read(data: str, time: str | None, targets: Any, covariates: Any, variables: Any, like: Any = None) -> Series:
    """A series; what was done to it is said on the standard error, a line each."""
    from ricorda.data.series import read_series

    series = read_series(data, time=time, targets=targets, covariates=covariates, variables=variables, like=like)
    for note in series.notes:
        print(f"{data}: {note}", file=sys.stderr)
    return series


def _read_for(model: Forecaster, data: str) -> Series:
    """A series for a model, with the columns that it was trained on."""
    facts = model.facts_
    return _read(data, facts.time, facts.targets, facts.covariates, facts.inputs, facts.clock)


def _print_errors(title: str, errors: Mapping[str, Mapping[str, float | None]]) -> None:
    """A row for the model and each baseline; figures that none of them has are left out."""
    shown = {key: words for key, words in FIGURES.items() if any(row[key] is not None for row in errors.values())}
    names = {"model": "the model", "repeat_last": "repeat the last value", "repeat_season": "repeat the last season"}
    errors = {name: row for name, row in errors.items() if name != "repeat_season" or row != errors["repeat_last"]}
    rows = [(names[name], *(_figure(key, figures[key]) for key in shown)) for name, figures in errors.items()]
    print_table(title, ["", *shown.values()], rows)


def _figure(key: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1%}" if key == "coverage" else f"{value:.4g}"


def _print_forecast(forecast: Forecast) -> None:
    """A row for each step, a column for each variable and each of its quantiles."""
    bands = [level for level in forecast.levels if level != 0.5]
    columns = [forecast.time or "step"]
    for name in forecast.names:
        columns += [name, *(f"{name} {level:g}" for level in bands)]
    rows = []
    for step in forecast.to_json():
        row = [step["time"]]
        for said in step["variables"].values():
            row += [f"{said['value']:.6g}", *(f"{said['quantiles'][str(level)]:.6g}" for level in bands)]
        rows.append(row)
    count, clock = len(rows), forecast.clock
    steps = "step" if count == 1 else f"{count:,} steps"
    after = f", after {clock.text(-1)}" if clock.unit != "row" else ""
    quantiles = " and its quantiles" if bands else ""
    print_table(f"The next {steps}{after}: the forecast{quantiles}", columns, rows)
