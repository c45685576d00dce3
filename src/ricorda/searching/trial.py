"""One trial: its parameters, its training, which is stopped early where it promises little, its model folder."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ricorda.errors import RicordaError
from ricorda.insight.comparison.cost import with_cell
from ricorda.insight.comparison.splits import Split
from ricorda.searching.extra import optuna
from ricorda.searching.locks import locked
from ricorda.searching.space import Space
from ricorda.searching.storage import retry
from ricorda.searching.study import DEFAULT, TrialState, is_surplus, mark_of_life, state_of
from ricorda.tasks.saving import save_model

TRIALS = "trials"
"""The subfolder of a search's folder that holds a model folder for each trial that was not stopped early."""

BEST, REFUSED, SECONDS = "best", "refused", "seconds"
"""Attributes of a trial: the numbers of its best epoch, why it was refused, and how long it took."""


class Surplus(Exception):  # noqa: N818 - no mistake
    """A trial that is not needed, or was taken for lost; it does not count."""


@dataclass(frozen=True)
class Job:
    """All that a process needs to make trials; it is sent to other processes.

    Attributes
    ----------
    model : SequenceEstimator
        The untrained model whose parameters are tried; its cell is a Program, its `random_state` a whole number.
    data : Split
        The same training and validation data for all.
    space : Space
    storage, study : str
        Where the study is, and its name there.
    folder : Path
        Where the models are kept.
    trials : int, optional
        How many trials there shall be, whoever made them.
    deadline : float, optional
        The time, in seconds since 1970, after which no trial begins.
    """

    model: Any
    data: Split
    space: Space
    storage: str
    study: str
    folder: Path
    trials: int | None
    deadline: float | None

    @property
    def over(self) -> bool:
        """Whether it is too late to begin a trial."""
        return self.deadline is not None and time.time() >= self.deadline

    def with_parameters(self, parameters: Mapping[str, Any], **others: Any) -> Any:
        """An untrained model with the parameters of a trial."""
        arguments = self.space.arguments(parameters)
        program = arguments.pop("cell", self.model.cell)
        return with_cell(self.model, program, **arguments, **others)

    def trial_folder(self, number: int) -> Path:
        """The model folder of a trial."""
        return self.folder / TRIALS / f"{number:04}"


def score_of(numbers: Mapping[str, float]) -> float:
    """What a search raises: the score of a validation, or its loss with the sign turned where examples are few."""
    return float(numbers["score"] if "score" in numbers else -numbers["validation_loss"])


class Objective:
    """Makes a trial, as Optuna calls it.

    Attributes
    ----------
    lost : bool
        Whether another process took the trial for lost, before or while it ran.
    """

    def __init__(self, job: Job, study: optuna.Study) -> None:
        self.job, self.study, self.lost = job, study, False

    def __call__(self, trial: optuna.Trial) -> float:
        """Train with the parameters of a trial; the score of its best epoch."""
        path = mark_of_life(self.job.storage, self.job.study, trial.number)
        with locked(path) if path is not None else nullcontext():
            if state_of(self.study, trial.number) != TrialState.RUNNING:
                self.lost = True
                raise Surplus
            if is_surplus(self.study, trial.number, self.job.trials):
                raise Surplus
            with self._given_back(trial):
                return self._make(trial)

    @contextmanager
    def _given_back(self, trial: optuna.Trial) -> Iterator[None]:
        """If the block is stopped, the trial's parameters go into the queue."""
        try:
            yield
        except optuna.TrialPruned:
            raise
        except optuna.exceptions.UpdateFinishedTrialError:
            self.lost = True
            raise Surplus from None
        except BaseException:
            retry(self.study, self.study.get_trials(deepcopy=False)[trial.number])
            raise

    def _make(self, trial: optuna.Trial) -> float:
        started = time.monotonic()
        model = self.job.with_parameters(self.job.space.suggest(trial))
        data = self.job.data
        training = {"resume": False, "progress": False, "tensorboard": False, "watch_gradients": None}

        def after_epoch(record: Mapping[str, Any]) -> None:
            trial.report(score_of(record), record["epoch"])
            if trial.should_prune():
                trial.set_user_attr(SECONDS, time.monotonic() - started)
                raise optuna.TrialPruned

        try:
            model._fit(data.X, data.y, data.validation, None, {**training, "after_epoch": after_epoch})
        except RicordaError as error:
            if trial.user_attrs.get(DEFAULT):  # What refuses the default refuses all.
                raise
            trial.set_user_attr(REFUSED, str(error))
            raise optuna.TrialPruned from None
        save_model(model, self.job.trial_folder(trial.number))
        numbers = {name: float(value) for name, value in model.summary_["best"].items()}
        trial.set_user_attr(BEST, numbers)
        trial.set_user_attr(SECONDS, time.monotonic() - started)
        return score_of(numbers)
