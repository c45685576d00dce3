"""`Forecaster`: numbers to the numbers that follow, as an estimator in scikit-learn's conventions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted
from tokenizers import Tokenizer

from ricorda.data.series import as_series
from ricorda.errors import ArgumentError, ModelFolderError
from ricorda.program.cell import Cell
from ricorda.program.ir import Program
from ricorda.tasks.cells import program_of
from ricorda.tasks.config import Shape
from ricorda.tasks.estimator import Card, SequenceEstimator
from ricorda.tasks.forecast.backtest import Backtest, errors_json
from ricorda.tasks.forecast.examples import are_several, read_parts
from ricorda.tasks.forecast.facts import Facts
from ricorda.tasks.forecast.heads import HEADS, LOSSES, Head
from ricorda.tasks.forecast.inference import after, after_training, backtest
from ricorda.tasks.forecast.network import ForecastNetwork, Sizes
from ricorda.tasks.forecast.preparation import prepare
from ricorda.tasks.forecast.training import Forecasting
from ricorda.tasks.parameters import COUNT, FLAG, OPTIONAL_COUNT, Rule, is_number, one_of

STRATEGIES = ("direct", "recursive")
NORMALISATIONS = ("window", "series")


def _are_levels(value: Any) -> bool:
    """Whether these are levels of quantiles."""
    if not isinstance(value, list | tuple) or not all(is_number(each) and 0 < each < 1 for each in value):
        return False
    return 0.5 in value and list(value) == sorted(set(value))


class Forecaster(SequenceEstimator):
    """A recurrent network that reads a window of a series and says the steps after it.

    Parameters
    ----------
    cell : str, Cell or function
        The recurrent cell: a name that `ricorda cells` lists, "FILE.py:NAME", or a cell itself.
    horizon : int
        Steps to forecast.
    context : int, optional
        Steps that a forecast is made from; by default four seasons or three horizons, at most a quarter of the series.
    patch : int
        Steps that the network reads together as one: 24 hours as one day. It divides `context`.
    season : int, optional
        Steps of a season, for the baseline and MASE; by default what the calendar says: 24 of hourly data.
    strategy : {"direct", "recursive"}
        Whether the network gives all steps at once, or one, which is fed back to it.
    head : {"point", "quantile", "gaussian"}
        Whether it says a number, quantiles, or a normal distribution.
    loss : {"mse", "mae"}
        Of the head "point"; the others have their own.
    quantiles : sequence of float
        Of the bands of "quantile" and "gaussian"; 0.5 among them.
    normalize : {"window", "series"} or None
        Whether each window is brought to mean 0 and deviation 1 (RevIN: Kim et al. 2022), or the series as a whole, or
        the numbers are taken as they are.
    affine : bool
        Whether the normalisation of windows has a learned gain and shift for each variable.
    independent : bool
        Whether each variable goes through the same network by itself; otherwise the network sees all at once.
    autoregression : bool
        Whether a linear map from a variable's own window runs beside the recurrent layers (LSTNet: Lai et al. 2018).
    hidden_size, num_layers
        Units of a layer, and layers.
    dropout : float
        Probability of dropping a number that leaves a recurrent layer, while training.
    epochs, batch_size, learning_rate, weight_decay, warmup, clip_norm
        Of the training: passes over the windows, windows a step (and process), AdamW's largest rate and decay, the
        share of all steps over which the rate rises (over the rest it falls to zero), the largest norm of a gradient
        (None: any).
    validation_fraction : float
        Share of each series, at its end, that is kept apart to choose the best epoch, unless `fit` is given another
        series; 0 for none.
    patience : int, optional
        Epochs without a better score after which training stops early.
    device : str
        "auto" for a GPU if there is one, or torch's name of a device.
    precision : {"32", "bf16"}
        Of the computation.
    random_state : int, RandomState or None
        Seed of everything random.

    Attributes
    ----------
    facts_ : Facts
        What the network was trained on: variables, context, season, scaling, the end of the series.
    notes_ : tuple of str
        What was done to the data: see `ricorda.data.series.Series`.
    summary_ : dict
        Of the training; where steps were held out, "validation_errors" has those of the horizon's forecasts, and of the
        baselines.

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
    RULES: ClassVar[Mapping[str, Rule]] = {
        "horizon": COUNT,
        "context": OPTIONAL_COUNT,
        "patch": COUNT,
        "season": OPTIONAL_COUNT,
        "strategy": one_of(*STRATEGIES),
        "head": one_of(*HEADS),
        "loss": one_of(*LOSSES),
        "quantiles": Rule(_are_levels, "rising numbers between 0 and 1, with 0.5 among them"),
        "normalize": Rule(one_of(*NORMALISATIONS).holds, "window, series or None", optional=True),
        "affine": FLAG,
        "independent": FLAG,
        "autoregression": FLAG,
    }
    SCORES: ClassVar[Mapping[str, str]] = {
        "mae": "mean absolute error (of deviation 1)",
        "repeat_last_mae": "repeating the last value",
        "repeat_season_mae": "repeating the last season",
        "validation_loss": "loss",
    }
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

    def __init__(
        self,
        cell: str | Cell | Program | Callable[..., Any] = "gru",
        *,
        horizon: int = 1,
        context: int | None = None,
        patch: int = 1,
        season: int | None = None,
        strategy: str = "direct",
        head: str = "point",
        loss: str = "mse",
        quantiles: Sequence[float] = (0.1, 0.5, 0.9),
        normalize: str | None = "window",
        affine: bool = False,
        independent: bool = True,
        autoregression: bool = True,
        hidden_size: int = 64,
        num_layers: int = 1,
        dropout: float = 0.2,
        epochs: int = 10,
        batch_size: int = 32,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.01,
        warmup: float = 0.1,
        clip_norm: float | None = 1.0,
        validation_fraction: float = 0.1,
        patience: int | None = None,
        device: str = "auto",
        precision: str = "32",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.cell = cell
        self.horizon = horizon
        self.context = context
        self.patch = patch
        self.season = season
        self.strategy = strategy
        self.head = head
        self.loss = loss
        self.quantiles = quantiles
        self.normalize = normalize
        self.affine = affine
        self.independent = independent
        self.autoregression = autoregression
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.warmup = warmup
        self.clip_norm = clip_norm
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.device = device
        self.precision = precision
        self.random_state = random_state

    def check_parameters(self) -> None:
        """Raise ArgumentError if a parameter cannot be, alone or with the others."""
        super().check_parameters()
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
        y: None = None,
        *,
        covariates: Any = None,
        targets: Sequence[Any] = (),
        validation: Any = None,
        folder: str | Path | None = None,
        resume: bool = False,
        progress: bool = False,
        tensorboard: bool = False,
        watch_gradients: int | None = None,
    ) -> Self:
        """Train on one series, or on several.

        Parameters
        ----------
        X : array [T] or [T, V], Series, or a list of several
            A row a step, from the earliest to the latest; `ricorda.data.series.read_series` reads a table.
        y : None
            Not used: what is learned is what follows in X.
        covariates : array [T] or [T, K], or a list of several, optional
            What is known beforehand of each step; a Series has its own.
        targets : sequence of names or column numbers
            The variables to forecast; all if there is none.
        validation : as X, optional
            Another series to choose the best epoch by, a Series where there are covariates; its first steps,
            `max(context, season)`, are read and not forecast.
        folder : path, optional
            Where to keep checkpoints and `history.jsonl` while training.
        resume : bool
            Whether to go on from the checkpoint in `folder`.
        progress : bool
            Whether to show a progress bar.
        tensorboard : bool
            Whether to write the history for TensorBoard too, into `folder`.
        watch_gradients : int, optional
            Record in each so many steps where the gradient goes in time, for `gradient_flow_`, and say on standard
            error if it vanishes or explodes.

        Returns
        -------
        self

        Raises
        ------
        ArgumentError, DataError
            If a parameter or a series cannot be: too short, constant, with a number that is not finite.
        """
        self.check_parameters()
        if y is not None:
            raise ArgumentError(
                "y was given, but a forecast is of X itself: leave it out, or name variables by targets"
            )
        program = program_of(self.cell)
        given = read_parts(X, "X", covariates, targets)
        others = None if validation is None else read_parts(validation, "validation", None, ())
        prepared = prepare(self, given, others)
        held_out = prepared.held_out_windows
        seed = self._seed()
        with self._keeping_what_was_learned():
            self.facts_ = prepared.facts
            self.notes_ = tuple(note for each in given for note in each.notes)
            network: ForecastNetwork = self._fresh_network(program, seed)
            prepared.keep_end(network)
            self._train(
                Forecasting(network, prepared.windows, held_out, self.facts_.season),
                program,
                seed,
                data=prepared.fingerprint(),
                examples=len(prepared.windows),
                validation_examples=len(held_out) if held_out else 0,
                folder=folder,
                resume=resume,
                progress=progress,
                tensorboard=tensorboard,
                watch_gradients=watch_gradients,
            )
            if prepared.held_out:
                found = backtest(self.network_, self.facts_, prepared.held_out, int(self.horizon), 1)
                self.summary_["validation_errors"] = errors_json(found.overall)
        return self

    def predict(self, X: Any = None, *, horizon: int | None = None, covariates: Any = None) -> Any:
        """The steps after a series; see `forecast`.

        Returns
        -------
        array [horizon, targets], or a list of such if several series were given
        """
        found = self.forecast(X, horizon=horizon, covariates=covariates)
        return [each.values for each in found] if isinstance(found, list) else found.values

    def forecast(self, X: Any = None, *, horizon: int | None = None, covariates: Any = None) -> Any:
        """The steps after a series, with bands and times.

        Parameters
        ----------
        X : array [T] or [T, V], Series, or a list of several, optional
            The history, of at least `context` steps; without it, the series of the training.
        horizon : int, optional
            Steps, if other than the parameter says; more are made from the forecast itself, where that can be.
        covariates : array [T + steps, K], optional
            What is known beforehand, of the history and of the steps to come; without X, of the latter alone, where
            the training was not given it already.

        Returns
        -------
        Forecast, or a list of such if several series were given

        Raises
        ------
        ArgumentError
            If the horizon cannot be, or there is no series to go on from.
        DataError
            If the history is too short, has other variables than the training's, or lacks covariates.
        """
        check_is_fitted(self, "network_")
        steps = self._checked_horizon(horizon)
        if X is None:
            future = None if covariates is None else as_series(covariates, "covariates").values
            return after_training(self.network_, self.facts_, future, steps)
        given = [self.facts_.aligned(each) for each in read_parts(X, "X", covariates, ())]
        found = [after(self.network_, self.facts_, each, steps) for each in given]
        return found if are_several(X) else found[0]

    def backtest(self, X: Any, *, horizon: int | None = None, stride: int = 1, covariates: Any = None) -> Backtest:
        """Forecast from every moment of a series, each time from what lies before it, and compare with what came.

        Parameters
        ----------
        X : array [T] or [T, V], or Series
            The series; its first `max(context, season)` steps are read and not forecast.
        horizon : int, optional
            Steps, if other than the parameter says.
        stride : int
            Steps from one moment to the next.
        covariates : array [T, K], optional
            What is known beforehand.

        Raises
        ------
        ArgumentError, DataError
            If the horizon, the stride or the series cannot be; a series too short for one forecast among them.
        """
        check_is_fitted(self, "network_")
        steps = self._checked_horizon(horizon)
        if not COUNT.holds(stride):
            raise ArgumentError(f"stride is {stride!r}: give {COUNT.words}")
        series = self.facts_.aligned(as_series(X, covariates=covariates))
        return backtest(self.network_, self.facts_, [series], steps, stride)

    @property
    def steps_at_once(self) -> int:
        """Steps that the network gives at once."""
        return int(self.horizon) if self.strategy == "direct" else 1

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
        if self.facts_.context % self.patch:
            raise ModelFolderError(f"its context, {self.facts_.context}, is no multiple of its patch, {self.patch}")

    def _card(self) -> Card:
        facts = self.facts_
        known = f" and {', '.join(facts.covariates)}" if facts.covariates else ""
        step = "" if facts.clock.unit == "row" else f" of {facts.clock.words}"
        return Card(
            title="A forecaster of series",
            does=f"It reads {facts.context} steps{step} of {', '.join(facts.inputs)}{known}, and says the next "
            f"{self.horizon} of {', '.join(facts.targets)}.",
            use=["ricorda predict FOLDER", "ricorda predict FOLDER --file new.csv", "ricorda evaluate FOLDER DATA"],
            python="model.predict()",
            limits="It takes the future to be like the past that it was trained on: what never happened there it "
            "cannot foresee. Its errors stand beside those of repeating the last value and the last season; where it "
            "is not clearly below both, use these instead.",
        )
