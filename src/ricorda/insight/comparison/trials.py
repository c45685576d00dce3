"""The trainings of a comparison: each is kept as a model folder, which a repeated comparison opens again."""

from __future__ import annotations

import hashlib
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sklearn.base import clone

from ricorda import __version__
from ricorda.errors import ArgumentError, RicordaError
from ricorda.insight.comparison.splits import Split
from ricorda.tasks.folder import holds_model
from ricorda.tasks.loading import load
from ricorda.training.progress import for_a_program, tell

Result = TypeVar("Result")

RUNS = "runs"
"""The subfolder of a comparison's folder that holds its trainings."""


@dataclass(frozen=True)
class Searched:
    """The outcome of a search: the best model, its learning rate, and the validation score of each rate.

    The score of a rate under which the training's numbers became infinite is nan.
    """

    model: Any
    rate: float
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Failed:
    """Why there is no result: in a sentence, and as it was raised."""

    why: str
    error: Exception


class Trials:
    """Trains models, or opens those that were trained before with the same settings on the same data.

    A training that is interrupted leaves nothing. Trainings that finished before it are opened again.

    Parameters
    ----------
    folder : Path
        Folder of the comparison.
    plan : sequence of float
        The work of each training to come, in any unit, for an estimate of the remaining time.
    progress : bool
        Whether to report on standard error.
    """

    def __init__(self, folder: Path, plan: Sequence[float], *, progress: bool) -> None:
        self.folder, self.progress = folder, progress
        self.plan = list(plan)
        self.begun, self.worked, self.seconds = 0, 0.0, 0.0

    def attempt(self, title: str, trainings: int, run: Callable[[], Result]) -> Result | Failed:
        """What a function returns, or why it could not: one cell's mistake is not the end of the others.

        Parameters
        ----------
        title : str
            Name of what is attempted in the reports.
        trainings : int
            The number of trainings that it makes; those that it does not get to count as begun.
        run : callable
            The function.
        """
        end = self.begun + trainings
        try:
            return run()
        except Exception as error:
            self.begun = end
            kind = "" if isinstance(error, RicordaError) else f"{type(error).__name__}: "
            failed = Failed(f"{kind}{error}".partition("\n")[0], error)
            self._say(f"{title}: {failed.why}")
            return failed

    def train(self, model: Any, data: Split, title: str, work: float = 1.0) -> Any:
        """Train a model, or open it if it was trained before.

        Parameters
        ----------
        model : SequenceEstimator
            An untrained model; its cell is a Program, and its `random_state` a whole number.
        data : Split
            Training and validation data.
        title : str
            Name of the training in the reports.
        work : float
            Work of this training, in the unit of the plan.
        """
        self.begun += 1
        path = self.folder / RUNS / f"{model.cell.name}-{_digest(model, data)}"
        if holds_model(path):
            self._say(f"{self.begun}/{len(self.plan)}  {title}: was trained before", title)
            return load(path)
        self._say(f"{self.begun}/{len(self.plan)}  {title}{self._left()}", title)
        started = time.monotonic()
        shown = self.progress and (sys.stderr.isatty() or for_a_program())
        model.fit(data.X, data.y, validation=data.validation, progress=shown)
        model.save(path)
        self.worked += work
        self.seconds += time.monotonic() - started
        return model

    def search(self, model: Any, rates: Sequence[float], data: Split, title: str, work: float = 1.0) -> Searched:
        """Train with each learning rate and keep the best by its validation score, the first if several are equal."""
        outcomes: list[Any] = []
        scores = []
        for rate in rates:
            try:
                trial = clone(model).set_params(learning_rate=rate)
                outcomes.append(self.train(trial, data, f"{title}, learning rate {rate:g}", work))
                numbers = outcomes[-1].summary_["best"]
                # A validation part too small for a score has to choose a learning rate all the same.
                scores.append(float(numbers["score"] if "score" in numbers else -numbers["validation_loss"]))
            except ArgumentError as error:
                if len(rates) == 1:
                    raise
                self._say(f"{title}, learning rate {rate:g}: {error}")
                outcomes.append(error)
                scores.append(math.nan)
        best = max(range(len(rates)), key=lambda index: -math.inf if math.isnan(scores[index]) else scores[index])
        if isinstance(outcomes[best], ArgumentError):
            raise outcomes[best]
        return Searched(outcomes[best], float(rates[best]), tuple(scores))

    def train_all(
        self, model: Any, rates: Sequence[float], data: Split, seeds: Sequence[int], title: str, work: float = 1.0
    ) -> tuple[Searched, Iterator[Any]]:
        """Search with the first seed, then train with the best rate for each of the others: a trained model a seed."""
        searched = self.search(
            clone(model).set_params(random_state=seeds[0]), rates, data, f"{title}, seed {seeds[0]}", work
        )

        def trained() -> Iterator[Any]:
            yield searched.model
            for seed in seeds[1:]:
                other = clone(model).set_params(learning_rate=searched.rate, random_state=seed)
                yield self.train(other, data, f"{title}, seed {seed}, learning rate {searched.rate:g}", work)

        return searched, trained()

    def _left(self) -> str:
        """An estimate of the remaining time, from the trainings so far."""
        if not self.worked:
            return ""
        seconds = round(self.seconds / self.worked * math.fsum(self.plan[self.begun - 1 :]))
        return f"  {seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} left"

    def _say(self, line: str, title: str = "") -> None:
        """Say a line on standard error; a program is told of the training whose title it is."""
        if self.progress and title and for_a_program():
            tell("training", title=title, number=self.begun, of=len(self.plan))
        elif self.progress:
            print(line, file=sys.stderr, flush=True)


def _digest(model: Any, data: Split) -> str:
    """A name for a training made from all that decides it: other settings or other data get another folder."""
    said = [__version__, model._json_parameters(), model.cell.to_json(), data.digest]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]
