"""The result of a comparison of cells by length: numbers, tables, picture and report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ricorda.insight.comparison.cost import COUNTED
from ricorda.insight.comparison.report import Table, page
from ricorda.insight.comparison.result import failures, listed, steps
from ricorda.shown import Shown

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

NEW = 1_000
"""The number of new sequences that models are measured on."""
SOLVED = 0.99
"""A task counts as solved if at least this share of the new sequences is right."""

_PLACES = ("cell", "length", "seed")


@dataclass(frozen=True, repr=False)
class LengthComparison(Shown):
    """How well each cell does at each length.

    Attributes
    ----------
    task : str
        The synthetic task.
    criterion : str
        The criterion by which its paper counts it as solved.
    cells, seeds : tuple
        Names of the cells, and seeds of the trainings.
    lengths : array [L]
        Steps T.
    success : array [cells, L, seeds]
        Share of new sequences that are right by this criterion.
    numbers : dict of str to array [cells, L, seeds]
        The task's measures on the new sequences, such as "mean_squared_error".
    step_seconds : array [cells, L, seeds]
        Median time of one step of one sequence in training: an epoch's time divided by all steps of its examples.
    half_lives : array [cells, L]
        Half-life of the gradient in steps on the first new sequences, with the first seed; nan if it does not halve.
        See `gradients.StateFlow`.
    learning_rates : array [cells, L]
        The best of the rates that were tried with the first seed.
    flops : array [cells]
        Operations of a forward step of one sequence; see `cost.flops_of_step`.
    weights : array [cells]
        The number of weights of the whole network.
    settings : dict
        The settings that the numbers depend on.
    failed : dict
        Name of a cell to why it failed, and at which lengths; all arrays have nan there. A cell that failed at each
        length has no row in them.
    """

    task: str
    criterion: str
    cells: tuple[str, ...]
    seeds: tuple[int, ...]
    lengths: NDArray[np.int64]
    success: Array
    numbers: dict[str, Array]
    step_seconds: Array
    half_lives: Array
    learning_rates: Array
    flops: NDArray[np.int64]
    weights: NDArray[np.int64]
    settings: dict[str, Any]
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def solved(self) -> list[int | None]:
        """For each cell, the longest T at which at least 99 % are right (mean over the seeds), or None."""
        solved = [self.lengths[success.mean(1) >= SOLVED] for success in self.success]
        return [int(lengths.max()) if len(lengths) else None for lengths in solved]

    def to_frame(self) -> pl.DataFrame:
        """A row for each cell, length and seed."""
        import polars as pl
        import polars.selectors as cs

        rows = [
            {
                "cell": cell,
                "length": int(length),
                "seed": seed,
                "success": float(self.success[c, k, s]),
                **{name: float(values[c, k, s]) for name, values in self.numbers.items()},
                "step_seconds": float(self.step_seconds[c, k, s]),
                "half_life": float(self.half_lives[c, k]),
                "learning_rate": float(self.learning_rates[c, k]),
            }
            for c, cell in enumerate(self.cells)
            for k, length in enumerate(self.lengths)
            for s, seed in enumerate(self.seeds)
        ]
        return pl.DataFrame(rows).with_columns(cs.float().fill_nan(None))

    def to_json(self) -> dict[str, Any]:
        """All numbers, and the tables that show them, as JSON."""
        cells = [
            {"cell": name, "flops": flops, "weights": weights, "longest_solved": solved}
            for name, flops, weights, solved in zip(
                self.cells, self.flops.tolist(), self.weights.tolist(), self.solved, strict=True
            )
        ]
        about = {"synthetic": self.task, "criterion": self.criterion, "cells": cells}
        return {
            **about,
            "trainings": self.to_frame().to_dicts(),
            "failed": self.failed,
            "settings": self.settings,
            "tables": [table.to_json() for table in self.tables()],
        }

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> LengthComparison:
        """The comparison that `to_json` wrote."""
        names, rows = [cell["cell"] for cell in written["cells"]], written["trainings"]
        lengths, seeds = sorted({row["length"] for row in rows}), sorted({row["seed"] for row in rows})
        shape = (len(names), len(lengths), len(seeds))
        columns = {
            key: np.array([row.get(key) for row in rows], dtype=np.float64).reshape(shape)  # None becomes nan.
            for key in ("half_life", *rows[0])  # Comparisons of version 0.2 have no half-life.
            if key not in _PLACES
        }
        success, times, rates = (columns.pop(key) for key in ("success", "step_seconds", "learning_rate"))
        return cls(
            task=written["synthetic"],
            criterion=written["criterion"],
            cells=tuple(names),
            seeds=tuple(seeds),
            lengths=np.array(lengths),
            success=success,
            numbers=columns,
            step_seconds=times,
            half_lives=columns.pop("half_life")[:, :, 0],
            learning_rates=rates[:, :, 0],
            flops=np.array([cell["flops"] for cell in written["cells"]]),
            weights=np.array([cell["weights"] for cell in written["cells"]]),
            settings=dict(written["settings"]),
            failed=dict(written.get("failed", {})),
        )

    def tables(self) -> list[Table]:
        """Success and time by length, as text."""

        def table(title: str, values: Array, form: str) -> Table:
            rows = [
                [name, *("failed" if math.isnan(mean) else form.format(mean) for mean in by_seed.mean(1))]
                for name, by_seed in zip(self.cells, values, strict=True)
            ]
            return Table(title, ["cell", *(f"T = {length}" for length in self.lengths)], rows)

        others = {name: numbers for name, numbers in self.numbers.items() if not name.startswith("share")}
        lives = [[name, *map(steps, row)] for name, row in zip(self.cells, self.half_lives, strict=True)]
        columns = zip(self.cells, self.flops, self.weights, self.solved, strict=True)
        cells = [
            [name, f"{flops:,}", f"{weights:,}", f"{solved or 'none'}"] for name, flops, weights, solved in columns
        ]
        return [
            table("New sequences that are right", self.success, "{:.1%}"),
            *(table(name.replace("_", " ").capitalize(), numbers, "{:.3g}") for name, numbers in others.items()),
            table("Microseconds a step of one sequence, in training", 1e6 * self.step_seconds, "{:.3g}"),
            Table("Gradient's half-life (steps)", ["cell", *(f"T = {length}" for length in self.lengths)], lives),
            Table("The cells", ["cell", "operations a step", "weights", f"longest T with {SOLVED:.0%} right"], cells),
            *failures(self.failed),
        ]

    def plot(self) -> Figure:
        """Success and time against the length."""
        from ricorda.insight.comparison.picture import draw_lengths

        return draw_lengths(self)

    @property
    def title(self) -> str:
        """What was compared."""
        return f"How far {listed(self.cells)} remember: synthetic:{self.task}"

    def to_html(self) -> str:
        """The report: one page that needs nothing else."""
        return page(self.title, self.says(), self.tables(), [self.plot()], self.settings)

    def says(self) -> list[str]:
        """How the numbers came about."""
        return [
            f"At each length, each cell was trained from the beginning on {self.settings['examples']:,} sequences, "
            f"with the same epochs, and measured on {NEW:,} new ones. Gates that keep a state, where a cell has any, "
            "begin with a memory of T steps (chrono initialisation: Tallec, Ollivier 2018) unless the settings say "
            "otherwise.",
            f"Whether a sequence is right is asked as in the task's paper. There the task counts as solved by: "
            f"{self.criterion}.",
            f"The time of a step is that of training, over all sequences and their steps. {COUNTED}",
        ]
