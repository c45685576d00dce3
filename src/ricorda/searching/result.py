"""The result of a search: numbers, tables, sentences and picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ricorda.insight.comparison.bootstrap import Difference, paired_bootstrap
from ricorda.insight.comparison.report import Table
from ricorda.searching.found import BEST, DEFAULT, REFUSED, STOPPED, TRAINED, Array, Repeated, Score, Tried
from ricorda.shown import Shown
from ricorda.tasks.measure import Measure

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

SHOWN = 10
"""Trials in the table of the best."""

NOISE = 0.05
"""A p-value from which on a difference is no more than noise."""


@dataclass(frozen=True, repr=False)
class SearchResult(Shown):
    """What a search has found, and what that is worth.

    Attributes
    ----------
    task : str
        The task's name.
    best_model : SequenceEstimator
        The trained model of the best trial.
    best_parameters : dict
        The parameters of the best trial.
    best_score : float
        Its score on the validation part, the higher the better: accuracy for example, or a loss with its sign turned.
    trials : tuple of Tried
        All trials that count, by their numbers.
    default_parameters : dict
        What the searched parameters are without a search.
    score : Score
        What was searched for.
    seeds : tuple of int
        The seeds of the repeated trainings.
    repeated : dict of str to Repeated
        "best" and "default", trained with these seeds; "default" alone if nothing was better.
    importances : dict of str to float
        Share of each parameter in the differences between scores, by Optuna's fANOVA (Hutter, Hoos, Leyton-Brown 2014);
        empty if too few trials were trained.
    measure : Measure
        What the outcomes of the repeated trainings are.
    where : {"test", "validation"}
        The data of these outcomes. Nothing is chosen by test data.
    """

    task: str
    best_model: Any
    best_parameters: dict[str, Any]
    best_score: float
    trials: tuple[Tried, ...]
    default_parameters: dict[str, Any]
    score: Score
    seeds: tuple[int, ...]
    repeated: dict[str, Repeated]
    importances: dict[str, float]
    measure: Measure
    where: str

    @property
    def best(self) -> Tried:
        """The best trial; of equal ones the first."""
        return max((trial for trial in self.trials if trial.ended == TRAINED), key=lambda trial: trial.score)

    @property
    def default(self) -> Tried | None:
        """The trial with the default parameters, if there was one."""
        wanted = self.default_parameters
        return next((trial for trial in self.trials if trial.ended == TRAINED and trial.parameters == wanted), None)

    @cached_property
    def difference(self) -> Difference | None:
        """How far the best parameters lie above the default ones, by paired bootstrap over examples and seeds."""
        if BEST not in self.repeated:
            return None
        best, default = self.repeated[BEST], self.repeated[DEFAULT]
        return paired_bootstrap(best.outcomes, default.outcomes, best.weights)

    def to_frame(self) -> pl.DataFrame:
        """A row a trial, with its parameters."""
        import polars as pl

        rows = [
            {
                "trial": trial.number,
                "ended": trial.ended,
                "score": None if math.isnan(trial.score) else trial.score,
                "epochs": trial.epochs,
                "seconds": None if math.isnan(trial.seconds) else trial.seconds,
                **{name: trial.parameters.get(name) for name in self.default_parameters},
            }
            for trial in self.trials
        ]
        return pl.DataFrame(rows, infer_schema_length=None)

    def to_json(self) -> dict[str, Any]:
        """All numbers except those of single examples, and the tables that show them, as JSON."""
        repeats = {
            name: {
                "parameters": each.parameters,
                "validation_scores": each.scores.tolist(),
                self.where: each.measured.tolist(),
            }
            for name, each in self.repeated.items()
        }
        return {
            "task": self.task,
            "score": self.score.label,
            "higher_is_better": self.score.higher_is_better,
            "best": {"trial": self.best.number, "score": self.best_score, "parameters": self.best_parameters},
            "default": {
                "score": None if self.default is None else self.default.score,
                "parameters": self.default_parameters,
            },
            "seeds": [*self.seeds],
            "measure": self.measure.name,
            "measured_on": self.where,
            "repeated": repeats,
            "difference": None if self.difference is None else vars(self.difference),
            "importances": self.importances,
            "trials": self.to_frame().to_dicts(),
            "says": self.says(),
            "tables": [table.to_json() for table in self.tables()],
        }

    def plot(self) -> Figure:
        """The best score by trial, the importance of each parameter, and best and default with other seeds."""
        from ricorda.searching.picture import draw_search

        return draw_search(self)

    def tables(self) -> list[Table]:
        """The best trials, and what their parameters are worth, as text."""
        return [self._best_trials(), self._worth()]

    def says(self) -> list[str]:
        """How much of the gain is left with other seeds, and on data by which nothing was chosen; a sentence each."""
        if self.difference is None:
            return [f"No trial was better than the default parameters ({self.score.text(self.best.score)})."]
        return [*self._seeds_say(), self._data_say(self.difference)]

    def _best_trials(self) -> Table:
        trained = sorted((t for t in self.trials if t.ended == TRAINED), key=lambda t: (-t.score, t.number))
        ends = [trial.ended for trial in self.trials]
        title = f"The best of {len(ends)} trials, {ends.count(STOPPED)} of them stopped early"
        title += f" and {ends.count(REFUSED)} refused" if REFUSED in ends else ""
        rows = []
        for trial in trained[:SHOWN]:
            name = f"{trial.number} (default)" if trial is self.default else str(trial.number)
            values = [parameter_text(trial.parameters.get(name)) for name in self.default_parameters]
            rows.append([name, self.score.text(trial.score), f"{trial.seconds:.1f}", *values])
        return Table(title, ["trial", self.score.label, "seconds", *self.default_parameters], rows)

    def _worth(self) -> Table:
        columns = ["parameters", f"validation {self.score.label}", "deviation", "each seed"]
        tested = self.where == "test"
        columns += [f"test {self.measure.name}", "deviation", "each seed"] if tested else []
        rows = []
        for name, each in self.repeated.items():
            row = [name, *_spread(each.scores, self.score.text, self.score.deviation_text)]
            rows.append([*row, *(_spread(each.measured, self._measured, self._measured) if tested else [])])
        seeds = ", ".join(map(str, self.seeds))
        return Table(f"Trained again with other seeds ({seeds}): mean and standard deviation", columns, rows)

    def _seeds_say(self) -> list[str]:
        best, default, score = self.best, self.default, self.score
        if default is None:
            return []
        gain = best.score - default.score
        left = float(self.repeated[BEST].scores.mean() - self.repeated[DEFAULT].scores.mean())
        said = (
            f"Trial {best.number} is {score.gain_text(gain)} better than the default parameters with the search's own "
            f"seed ({score.text(best.score)} against {score.text(default.score)}), by which it was chosen, and "
            f"{score.gain_text(left)} with other seeds"
        )
        luck = (
            f": {score.gain_text(gain - left).lstrip('+')} of the gain were the luck of a seed" if left < gain else ""
        )
        return [f"{said}{luck}."]

    def _data_say(self, difference: Difference) -> str:
        values = [
            self._measured(value, signed=True) for value in (difference.difference, difference.low, difference.high)
        ]
        said = (
            f"On the {self.where} part their {self.measure.name} differs by {values[0]} "
            f"(95 % interval {values[1]} to {values[2]}, p = {difference.p:.3f})"
        )
        better = (difference.difference > 0) == self.measure.higher_is_better
        if difference.p > NOISE:
            said += ", which is no more than the noise of seeds and examples."
        else:
            said += f": the best parameters are {'better' if better else 'worse'} by more than that noise."
        if self.where == "validation":
            said += " They were chosen by these examples: --test measures them on others."
        return said

    def _measured(self, value: float, *, signed: bool = False) -> str:
        plus = "+" if signed else ""
        return format(value, f"{plus}.1%") if self.measure.share else format(value, f"{plus}.4g")


def parameter_text(value: Any) -> str:
    """A parameter's value for people."""
    if isinstance(value, float):
        return f"{value:.3g}"
    return "" if value is None else str(value)


def _spread(values: Array, text: Any, deviation_text: Any) -> list[str]:
    """Mean, standard deviation and each of some values."""
    deviation = float(values.std(ddof=1)) if len(values) > 1 else math.nan
    each = " ".join(text(float(value)) for value in values)
    return [text(float(values.mean())), "" if math.isnan(deviation) else deviation_text(deviation), each]
