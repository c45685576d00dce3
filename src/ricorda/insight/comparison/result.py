"""The result of a comparison of cells: numbers, tables, picture and report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ricorda.insight.comparison.bootstrap import DRAWS, Difference, paired_bootstrap
from ricorda.insight.comparison.cost import COUNTED
from ricorda.insight.comparison.report import Table, page
from ricorda.shown import Shown
from ricorda.tasks.measure import Measure

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
Whole = NDArray[np.int64]

MOST_LISTED = 6
"""The most cells whose names stand in a title."""
FLOW_EXAMPLES = 16
"""The most examples over which the gradient is followed."""


@dataclass(frozen=True, repr=False)
class Comparison(Shown):
    """The result of a comparison; arrays have one row for each cell, in the order of `cells`.

    Attributes
    ----------
    task : str
        The task.
    measure : Measure
        The measure of an example.
    where : str
        The data that the cells were measured on: "test", or "validation", which also chose epochs and learning rates.
    cells, seeds : tuple
        Names of the cells, and seeds of the trainings.
    outcomes : array [cells, seeds, N]
        The measure of each example.
    example_weights : array [N]
        Weight of each example in the mean.
    rates : array [R]
        Learning rates that were tried, with the first seed.
    searched : array [cells, R]
        Their validation scores (as the training loop has them: higher is better); nan where a training diverged.
    learning_rates : array [cells]
        The best of them, with which all seeds were trained.
    hidden_sizes, weights, recurrent_weights : array [cells]
        Units, weights of the whole network, and of its recurrent layers alone.
    flops : array [cells]
        Operations of a forward step of one row through the recurrent layers; see `cost.flops_of_step`.
    peak_bytes : array [cells]
        See `cost.peak_of_step`.
    epoch_seconds : array [cells, seeds]
        Median time of an epoch, including its validation.
    half_lives, memory_lengths : array [cells]
        Half-life and memory length of the gradient in steps, with the first seed. The half-life is nan if the gradient
        does not halve, the memory length inf if the gradient is not gone at the beginning of any example. See
        `gradients.StateFlow`.
    verdicts : tuple of str
        Whether the gradient vanishes, explodes or is sound.
    settings : dict
        The settings that the numbers depend on.
    failed : dict
        Name of each further cell, which has failed, to why; no array has a row for it.
    """

    task: str
    measure: Measure
    where: str
    cells: tuple[str, ...]
    seeds: tuple[int, ...]
    outcomes: Array
    example_weights: Array
    rates: Array
    searched: Array
    learning_rates: Array
    hidden_sizes: Whole
    weights: Whole
    recurrent_weights: Whole
    flops: Whole
    peak_bytes: Whole
    epoch_seconds: Array
    half_lives: Array
    memory_lengths: Array
    verdicts: tuple[str, ...]
    settings: dict[str, Any]
    failed: dict[str, str] = field(default_factory=dict)

    @cached_property
    def scores(self) -> Array:
        """The measure's mean over the examples, [cells, seeds]."""
        scores: Array = self.outcomes @ self.example_weights / self.example_weights.sum()
        return scores

    @cached_property
    def differences(self) -> tuple[Difference | None, ...]:
        """The difference of each cell's mean to the first cell's, by paired bootstrap; None for the first itself."""
        first = self.outcomes[0]
        return (None, *(paired_bootstrap(outcomes, first, self.example_weights) for outcomes in self.outcomes[1:]))

    def to_frame(self) -> pl.DataFrame:
        """A row a cell, with all its numbers; times and scores as means over the seeds."""
        import polars as pl
        import polars.selectors as cs

        nothing = Difference(math.nan, math.nan, math.nan, math.nan)
        differences = [difference or nothing for difference in self.differences]
        return pl.DataFrame(
            {
                "cell": self.cells,
                "score": self.scores.mean(1),
                "score_deviation": _deviation(self.scores),
                "difference": [difference.difference for difference in differences],
                "low": [difference.low for difference in differences],
                "high": [difference.high for difference in differences],
                "p": [difference.p for difference in differences],
                "learning_rate": self.learning_rates,
                "hidden_size": self.hidden_sizes,
                "weights": self.weights,
                "recurrent_weights": self.recurrent_weights,
                "flops": self.flops,
                "peak_bytes": self.peak_bytes,
                "epoch_seconds": self.epoch_seconds.mean(1),
                "half_life": self.half_lives,
                "memory_length": self.memory_lengths,
                "verdict": self.verdicts,
            }
        ).with_columns(cs.float().fill_nan(None))

    def to_json(self) -> dict[str, Any]:
        """All numbers except those of single examples, and the tables that show them, as JSON."""
        rows = [
            {name: None if value == math.inf else value for name, value in row.items()}
            for row in self.to_frame().to_dicts()
        ]
        for row, scores, searched in zip(rows, self.scores.tolist(), self.searched.tolist(), strict=True):
            row["scores"] = scores
            row["validation_score_by_rate"] = {
                f"{rate:g}": None if math.isnan(score) else score
                for rate, score in zip(self.rates.tolist(), searched, strict=True)
            }
        about = {"task": self.task, "measure": self.measure.name, "measured_on": self.where}
        return {
            **about,
            "examples": self.outcomes.shape[2],
            "seeds": [*self.seeds],
            "cells": rows,
            "failed": self.failed,
            "settings": self.settings,
            "tables": [table.to_json() for table in self.tables()],
        }

    def tables(self) -> list[Table]:
        """What each cell reaches, what it costs, how far back it learns, and which have failed, as text."""
        return [self._reaches(), self._costs(), self._remembers(), *failures(self.failed)]

    def plot(self) -> Figure:
        """Scores, times and memory side by side."""
        from ricorda.insight.comparison.picture import draw_comparison

        return draw_comparison(self)

    def to_html(self) -> str:
        """The report: one page that needs nothing else."""
        return page(self.title, self.says(), self.tables(), [self.plot()], self.settings)

    @property
    def title(self) -> str:
        """What was compared."""
        return f"{listed(self.cells)} compared: {self.task}"

    def says(self) -> list[str]:
        """How the numbers came about, a paragraph each."""
        several = len(self.rates) > 1
        tried = f"All were trained with the learning rate {self.rates[0]:g}."
        if several:
            tried = "Each of the learning rates was tried with the first seed, and the best taken for all seeds."
        chosen = f"Epochs{' and learning rates' * several} are chosen by the validation data, and scores are those of "
        if self.where == "test":
            chosen += "the test data."
        else:
            chosen += "it as well: the same favour for each cell, but higher than new data would give."
        return [
            "All cells were trained on the same examples, with the same examples held out and the same epochs. "
            f"{tried} {chosen}",
            f"The score is the {self.measure.name}, of {self.outcomes.shape[2]:,} examples and {len(self.seeds)} "
            f"seeds, whose deviation stands beside it. The difference to {self.cells[0]} has a 95 % interval by paired "
            f"bootstrap: {DRAWS:,} draws, with replacement, of examples (the same for both cells) and of seeds (for "
            f"each by itself). What is drawn is {self.measure.example}.",
            f"{COUNTED} Memory is what the first training step holds at its peak above what was held before: the "
            "longest batch, with gradients and the optimiser's moments. An epoch's time is the median over the epochs, "
            "validation included.",
            f"The gradient was followed back from the last step of {FLOW_EXAMPLES} examples, or as many as there are, "
            "with the first seed. Its half-life is the number of steps in which its norm halves; the memory length is "
            "the distance from which on it stays below 1 % of its largest.",
        ]

    def _reaches(self) -> Table:
        head = ["cell", "learning rate", self.measure.name, "deviation", f"to {self.cells[0]}", "95 % interval", "p"]
        rows = []
        deviations = _deviation(self.scores)
        for index, name in enumerate(self.cells):
            difference = self.differences[index]
            compared = ["", "", ""]
            if difference is not None:
                compared = [
                    self._written(difference.difference, signed=True),
                    f"{self._written(difference.low, signed=True)} to {self._written(difference.high, signed=True)}",
                    f"{difference.p:.3f}",
                ]
            deviation = "" if math.isnan(deviations[index]) else self._written(deviations[index])
            rows.append(
                [
                    name,
                    f"{self.learning_rates[index]:g}",
                    self._written(self.scores[index].mean()),
                    deviation,
                    *compared,
                ]
            )
        return Table(f"What they reach ({self.where} data)", head, rows)

    def _costs(self) -> Table:
        head = [
            "cell",
            "units",
            "weights",
            "in recurrent layers",
            "operations a step",
            "peak memory (MB)",
            "an epoch (s)",
        ]
        rows = [
            [
                name,
                f"{self.hidden_sizes[index]:,}",
                f"{self.weights[index]:,}",
                f"{self.recurrent_weights[index]:,}",
                f"{self.flops[index]:,}",
                f"{self.peak_bytes[index] / 1e6:.1f}",
                f"{self.epoch_seconds[index].mean():.3g}",
            ]
            for index, name in enumerate(self.cells)
        ]
        return Table("What they cost", head, rows)

    def _remembers(self) -> Table:
        head = ["cell", "gradient's half-life (steps)", "memory length (steps)", "the gradient"]
        rows = [
            [name, steps(self.half_lives[index]), steps(self.memory_lengths[index]), self.verdicts[index]]
            for index, name in enumerate(self.cells)
        ]
        return Table("How far back they learn", head, rows)

    def _written(self, value: float, *, signed: bool = False) -> str:
        plus = "+" if signed else ""
        return format(value, f"{plus}.1%") if self.measure.share else format(value, f"{plus}.4g")


def _deviation(scores: Array) -> Array:
    """The standard deviation over seeds; nan for one."""
    return scores.std(1, ddof=1) if scores.shape[1] > 1 else np.full(len(scores), math.nan)


def listed(cells: Sequence[str]) -> str:
    """The names of some cells, or the number of many."""
    if len(cells) > MOST_LISTED:
        return f"{len(cells)} cells"
    return f"{', '.join(cells[:-1])} and {cells[-1]}" if len(cells) > 1 else cells[0]


def failures(failed: Mapping[str, str]) -> list[Table]:
    """A table with a row for each cell that has failed; none if there is none."""
    return [Table("Cells that failed", ["cell", "why"], [*failed.items()])] if failed else []


def steps(number: float) -> str:
    """A number of steps as text."""
    if math.isnan(number):
        return "none"
    return "all of them" if number == math.inf else f"{number:.3g}"
