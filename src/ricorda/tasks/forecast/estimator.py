"""`Forecaster`: numbers to the numbers that follow, as an estimator in scikit-learn's conventions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted
from tokenizers import Tokenizer

from ricorda.data.beside import Beside
from ricorda.data.series import Series, as_series
from ricorda.data.several import are_several, read_several
from ricorda.errors import ArgumentError, ModelFolderError
from ricorda.program.ir import Program
from ricorda.tasks.cells import as_program
from ricorda.tasks.config import Shape
from ricorda.tasks.estimator import Card, Prepared, SequenceEstimator
from ricorda.tasks.forecast.backtest import Backtest, errors_json
from ricorda.tasks.forecast.baselines import REPEAT_LAST, REPEAT_SEASON
from ricorda.tasks.forecast.facts import Facts
from ricorda.tasks.forecast.heads import Head
from ricorda.tasks.forecast.inference import after, after_training, backtest
from ricorda.tasks.forecast.network import ForecastNetwork, Sizes
from ricorda.tasks.forecast.objective import Forecasting
from ricorda.tasks.forecast.parameters import ForecastParameters
from ricorda.tasks.forecast.preparation import TrainingSeries, choose_series
from ricorda.tasks.forecast.start import begin_well
from ricorda.tasks.measure import Measure
from ricorda.tasks.rules import COUNT
from ricorda.tasks.worth import alternatives


class Forecaster(SequenceEstimator, ForecastParameters):
    """A recurrent network that reads a window of a series and forecasts the steps after it.

    Attributes
    ----------
    facts_ : Facts
        What the network was trained on: variables, context, season, scaling, the end of the series.
    notes_ : tuple of str
        What was done to the data: see `ricorda.data.series.Series`.
    summary_ : dict
        Facts about the training. If steps were held out, "validation_errors" has the errors of the horizon's forecasts
        and of the baselines.

    Examples
    --------
    >>> import numpy as np
    >>> from ricorda import Forecaster
    >>> wave = np.sin(np.arange(200) / 4)
    >>> model = Forecaster(horizon=3, context=16, random_state=0).fit(wave)
    >>> model.predict().shape
    (3, 1)
    """

    TASK: ClassVar[str] = "forecast"
    SCORES: ClassVar[Mapping[str, str]] = {
        "mae": "mean absolute error (of deviation 1)",
        "repeat_last_mae": "repeating the last value",
        "repeat_season_mae": "repeating the last season",
        "validation_loss": "loss",
    }
    READER: ClassVar[str] = "layers"
    GOES_ON: ClassVar[bool] = True
    READS_BESIDE: ClassVar[bool] = True
    LOSS: ClassVar[str] = "loss (of values of deviation 1)"
    SHAPE: ClassVar[Shape] = {
        "series": {
            "names": list,
            "inputs": list,
            "targets": list,
            "covariates": list,
            "context": int,
            "season": int,
            "clock": dict,
            "ahead": int,
        },
        "scaling": {"mean": list, "scale": list, "covariate_mean": list, "covariate_scale": list},
        "errors": {"deviations": list, "units": list},
    }

    def check_parameters(self, *, to_train: bool = True) -> None:
        """Raise ArgumentError if a parameter is invalid, alone or with the others, or the device is missing."""
        super().check_parameters(to_train=to_train)
        if self.context is not None and self.context % self.patch:
            raise ArgumentError(f"context is {self.context}: give a multiple of the patch, {self.patch}")
        if self.strategy == "recursive" and self.head != "point":
            raise ArgumentError(
                f"head is {self.head!r}, and the bands of a step cannot be fed back: choose the strategy direct"
            )
        if self.affine and self.normalize != "window":
            raise ArgumentError(f"affine is a part of normalize='window', which is {self.normalize!r}: leave it out")

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        covariates: Any = None,
        targets: Sequence[Any] = (),
        validation: Any = None,
        folder: str | Path | None = None,
        resume: bool = False,
        progress: bool = False,
        tensorboard: bool = False,
        watch_gradients: int | None = None,
        shards: bool = False,
    ) -> Self:
        """Train on one series, or on several.

        Parameters
        ----------
        X : array [T] or [T, V], Series, or a list of several
            One row for each step, from the earliest to the latest; `ricorda.data.series.read_series` reads a table.
        y : None
            Not used: X is its own target.
        covariates : array [T] or [T, K], or a list of several, optional
            What is known beforehand of each step; a Series has its own.
        targets : sequence of names or column numbers
            The variables to forecast; all if there is none.
        validation : as X, optional
            Another series to choose the best epoch by; it must be a Series if there are covariates. Its first
            `max(context, season)` steps are read and not forecast.
        folder, resume, progress, tensorboard, watch_gradients, shards
            As in `SequenceEstimator.fit`.

        Returns
        -------
        self

        Raises
        ------
        ArgumentError, DataError
            If a parameter or a series is invalid: too short, constant, with a number that is not finite.
        """
        training: dict[str, Any] = {"resume": resume, "progress": progress, "tensorboard": tensorboard}
        training |= {"watch_gradients": watch_gradients, "shards": shards}
        return self._fit(X, y, validation, folder, training, covariates=covariates, targets=targets)

    def predict(self, X: Any = None, *, horizon: int | None = None, covariates: Any = None) -> Any:
        """The steps after a series; see `forecast`.

        Returns
        -------
        array [horizon, targets], or a list of arrays for several series
        """
        forecasts = self.forecast(X, horizon=horizon, covariates=covariates)
        return [one.values for one in forecasts] if isinstance(forecasts, list) else forecasts.values

    def forecast(self, X: Any = None, *, horizon: int | None = None, covariates: Any = None) -> Any:
        """The steps after a series, with bands and times.

        Parameters
        ----------
        X : array [T] or [T, V], Series, or a list of several, optional
            The history, of at least `context` steps; without it, the series of the training.
        horizon : int, optional
            Steps to forecast; by default the parameter's. More are made from the forecast itself if the model can.
        covariates : array [T + steps, K], optional
            What is known beforehand of the history and of the steps to come. Without X only that of the steps to come
            is needed, unless the training had it already.

        Returns
        -------
        Forecast, or a list of forecasts for several series

        Raises
        ------
        ArgumentError
            If the horizon is invalid, or there is no series to continue.
        DataError
            If the history is too short, has other variables than the training's, or lacks covariates.
        """
        check_is_fitted(self, "network_")
        steps = self._checked_horizon(horizon)
        if X is None:
            future = None if covariates is None else as_series(covariates, "covariates").values
            return after_training(self.network_, self.facts_, future, steps)
        histories = [self.facts_.aligned(series) for series in self._read(X, "X", covariates)]
        forecasts = [after(self.network_, self.facts_, series, steps) for series in histories]
        return forecasts if are_several(X) else forecasts[0]

    def answers(self, X: Any, **options: Any) -> Iterator[list[dict[str, Any]]]:
        """What `ricorda predict --json` prints for each series: its steps, a line each.

        Parameters
        ----------
        X : list of what `forecast` takes
            None among them stands for the series of the training.
        options
            What `forecast` takes beside X.
        """
        for series in X:
            yield self.forecast(series, **options).to_json()

    def backtest(self, X: Any, *, horizon: int | None = None, stride: int = 1, covariates: Any = None) -> Backtest:
        """Forecast from every moment of a series, each time from what lies before it, and compare with the truth.

        Parameters
        ----------
        X : array [T] or [T, V], or Series
            The series; its first `max(context, season)` steps are read and not forecast.
        horizon : int, optional
            Steps to forecast; by default the parameter's.
        stride : int
            Steps from one moment to the next.
        covariates : array [T, K], optional
            What is known beforehand.

        Raises
        ------
        ArgumentError, DataError
            If the horizon, the stride or the series is invalid, or the series too short for one forecast.
        """
        check_is_fitted(self, "network_")
        steps = self._checked_horizon(horizon)
        if not COUNT.holds(stride):
            raise ArgumentError(f"stride is {stride!r}: give {COUNT.words}")
        series = self.facts_.aligned(as_series(X, covariates=covariates, missing=self._may_lack))
        return backtest(self.network_, self.facts_, [series], steps, stride)

    @property
    def steps_at_once(self) -> int:
        """Steps that the network gives at once."""
        return int(self.horizon) if self.strategy == "direct" else 1

    def _prepare(
        self, X: Any, y: Any, validation: Any, seed: int, covariates: Any = None, targets: Sequence[Any] = ()
    ) -> Prepared:
        if y is not None:
            raise ArgumentError(
                "y was given, but a forecast is of X itself: leave it out, or name variables by targets"
            )
        series = self._series(self._read(X, "X", covariates, targets), validation)

        def task(network: ForecastNetwork) -> Forecasting:
            series.keep_end(network)
            begin_well(network, series.windows, series.facts.season)
            return Forecasting(network, series.windows, series.held_out_windows, series.facts.season)

        def errors(network: ForecastNetwork) -> dict[str, Any]:
            if not series.held_out:
                return {}
            errors = backtest(network, series.facts, series.held_out, int(self.horizon), 1).overall
            others = {"repeating the last value": errors[REPEAT_LAST].mae}
            if series.facts.season > 1:
                others["repeating the last season"] = errors[REPEAT_SEASON].mae
            return {"validation_errors": errors_json(errors), **alternatives("mae", others)}

        return Prepared(
            {"facts_": series.facts, "notes_": series.notes, **_shown(series.facts.season)},
            task,
            series.fingerprint(),
            len(series.windows),
            len(series.held_out_windows) if series.held_out_windows else 0,
            errors,
        )

    def _read(self, value: Any, argument: str, covariates: Any = None, targets: Sequence[Any] = ()) -> list[Series]:
        """One series or several, whose numbers may be missing if the cell takes a mask."""
        return read_several(value, argument, covariates, targets, missing=self._may_lack)

    @property
    def _may_lack(self) -> bool:
        """Whether a series of plain numbers may lack some."""
        return Beside.of(as_program(self.cell)).mask

    def _series(self, series: Sequence[Any], validation: Any) -> TrainingSeries:
        """The series of a training; without `validation` the end of each is held out."""
        others = None if validation is None else self._read(validation, "validation")
        return choose_series(self, self.steps_at_once, series, others)

    def _checked_horizon(self, horizon: int | None) -> int:
        """The horizon asked for, if the model can give it."""
        if horizon is None:
            return int(self.horizon)
        if not COUNT.holds(horizon):
            raise ArgumentError(f"horizon is {horizon!r}: give {COUNT.words}")
        if horizon > self.steps_at_once and (self.head != "point" or self.facts_.inputs != self.facts_.targets):
            why = "has bands" if self.head != "point" else "reads more than its targets"
            raise ArgumentError(
                f"horizon is {horizon}, and the model gives {self.steps_at_once} steps, which cannot be fed back to it "
                f"as it {why}: train one with that horizon"
            )
        return int(horizon)

    def _network(self, program: Program) -> ForecastNetwork:
        sizes = Sizes(
            variables=len(self.facts_.inputs),
            covariates=len(self.facts_.covariates),
            targets=tuple(self.facts_.target_columns),
            context=self.facts_.context,
            steps=self.steps_at_once,
            patch=int(self.patch),
            hidden=int(self.hidden_size),  # NumPy has whole numbers of its own
            layers=int(self.num_layers),
            ahead=self.facts_.ahead,
        )
        return ForecastNetwork(
            program,
            sizes,
            Head(self.head, self.loss, self.quantiles),
            independent=self.independent,
            window=self.normalize == "window",
            affine=self.affine,
            autoregression=self.autoregression,
            dropout=self.dropout,
        )

    def _json_parameters(self) -> dict[str, Any]:
        return {**super()._json_parameters(), "quantiles": [float(level) for level in self.quantiles]}

    def _description(self) -> dict[str, Any]:
        return self.facts_.to_json()

    def _tokenizers(self) -> dict[str, Tokenizer]:
        return {}

    def _restore(self, description: Mapping[str, Any], tokenizers: Mapping[str, Tokenizer]) -> None:
        if tokenizers:
            raise ModelFolderError("it has a tokenizer, and reads no text")
        self.facts_ = Facts.from_json(description)
        self.__dict__ |= _shown(self.facts_.season)
        if self.facts_.context % self.patch:
            raise ModelFolderError(f"its context, {self.facts_.context}, is no multiple of its patch, {self.patch}")

    def _card(self) -> Card:
        facts = self.facts_
        known = f" and {', '.join(facts.covariates)}" if facts.covariates else ""
        seasonal = " and the last season" if facts.season > 1 else ""
        below, these = ("both", "these") if seasonal else ("that", "it")
        step = "" if facts.clock.unit == "row" else f" of {facts.clock.words}"
        return Card(
            title="A forecaster of series",
            does=f"It reads {facts.context} steps{step} of {', '.join(facts.inputs)}{known}, and says the next "
            f"{self.horizon} of {', '.join(facts.targets)}.",
            use=["ricorda predict FOLDER", "ricorda predict FOLDER --file new.csv", "ricorda evaluate FOLDER DATA"],
            python="model.predict()",
            limits="It takes the future to be like the past that it was trained on: what never happened there it "
            f"cannot foresee. Its errors stand beside those of repeating the last value{seasonal}; where it is not "
            f"clearly below {below}, use {these} instead.",
            pipeline="time-series-forecasting",
        )

    # What insight asks of a task

    def _read_example(self, example: Any) -> None:
        self.forecast(example)

    def _hold_out(self, X: Any, y: Any, seed: int) -> tuple[Any, Any, Any]:
        return X, y, None  # `fit` holds out the same steps, whatever the seed

    def _measured_on(self, X: Any, validation: Any, test: Any) -> tuple[Any, Any]:
        others = validation if test is None else test[0]
        return self._series(self._read(X, "X"), others).held_out, None

    def _measure(self) -> Measure:
        meaning = "a window, none of which overlap: its mean absolute error"
        return Measure("mean absolute error (deviations)", meaning, False)

    def _outcomes(self, X: Any, y: Any) -> tuple[Any, Any]:
        """The errors are in the targets' standard deviations of training; values that were filled in do not count."""
        horizon = int(self.horizon)
        tested = backtest(self.network_, self.facts_, X, horizon, horizon)
        errors = np.abs(tested.forecast - tested.truth) / tested.deviations * tested.observed
        weights = tested.observed.sum((1, 2))
        return errors.sum((1, 2)) / np.maximum(weights, 1), weights


def _shown(season: int) -> dict[str, Any]:
    """The figures of a validation to show: a season of one step is the last value."""
    names = Forecaster.SCORES if season > 1 else {k: v for k, v in Forecaster.SCORES.items() if "season" not in k}
    return {"SCORES": names}
