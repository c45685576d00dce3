"""How far each cell remembers: success on a synthetic task against the length of its sequences."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricorda.data.synthetic import Drawn, SyntheticTask, parse, read_synthetic
from ricorda.data.synthetic.source import PREFIX
from ricorda.errors import ArgumentError
from ricorda.insight.comparison import cost
from ricorda.insight.comparison.length_result import NEW, LengthComparison
from ricorda.insight.comparison.splits import Split, split
from ricorda.insight.comparison.trials import Failed, Trials
from ricorda.insight.comparison.view import DEFAULT_CELLS, checked_rates, flow_of, programs_of, seeds_from
from ricorda.program.cell import Cell
from ricorda.program.ir import Program
from ricorda.tasks.registry import estimator_of

Array = NDArray[np.float64]

LENGTHS = (25, 50, 100, 200, 400, 800)
EXAMPLES, NEW_SEED = 8_000, 1_000_000
"""The number of sequences to learn from, and the seed of those to measure on."""

_SHARED: dict[str, Any] = {
    "hidden_size": 64,
    "num_layers": 1,
    "bidirectional": False,
    "dropout": 0.0,
    "word_dropout": 0.0,
    "epochs": 12,
    "batch_size": 32,
    "learning_rate": 5e-3,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "classify": {**_SHARED, "pooling": "last"},
    "regress": {**_SHARED, "pooling": "last"},
    "tag": {**_SHARED, "character_hidden_size": 0},
}
"""Defaults of the estimators' parameters here: one layer, one direction, no dropout."""


def compare_lengths(
    source: str,
    *,
    lengths: Sequence[int] = LENGTHS,
    cells: Sequence[str | Cell | Program | Callable[..., Any]] = DEFAULT_CELLS,
    seeds: int = 1,
    learning_rates: Sequence[float] = (),
    folder: str | Path | None = None,
    progress: bool = False,
    **parameters: Any,
) -> LengthComparison:
    """Train several cells on a synthetic task at several lengths, and measure each on new sequences.

    Parameters
    ----------
    source : str
        "synthetic:NAME", or "synthetic:NAME?OPTION=NUMBER&...". The options are the task's own except T, the number `n`
        of examples (8,000 by default) and the `seed` of the first one.
    lengths : sequence of int
        Steps T.
    cells, seeds, learning_rates, folder, progress
        As `compare` takes them.
    **parameters
        Parameters of the task's estimator, which override `SETTINGS`; `memory` is T by default, for cells with gates.

    Raises
    ------
    ArgumentError
        If an argument is invalid, or the task has no T.
    """
    task, options = _checked(source, lengths)
    number, first = options.pop("n", EXAMPLES), options.pop("seed", 0)
    programs = programs_of(cells)
    model = estimator_of(task.relation)(**{**SETTINGS[task.relation], "random_state": 0, **parameters})
    model.check_parameters()
    rates, every_seed = checked_rates(model, learning_rates), seeds_from(model, seeds)
    plan = [float(length) for length in lengths for _ in range(len(programs) * (len(rates) + seeds - 1))]
    by_length: list[list[_Reached | Failed]] = []
    with tempfile.TemporaryDirectory() as passing:
        trials = Trials(Path(folder or passing), plan, progress=progress)
        for length in lengths:
            train, new = (_drawn(task, {**options, "T": length}, *of) for of in ((number, first), (NEW, NEW_SEED)))
            data = split(model, train.inputs, train.targets, validation=None, test=None, seed=every_seed[0])
            memory = parameters.get("memory", max(2, length))
            attempts = []
            for program in programs:
                changed = cost.with_cell(model, program, memory=memory)
                run = partial(_reached, trials, changed, rates, data, every_seed, length, task, new)
                attempts.append(trials.attempt(f"T = {length}, {program.title}", len(rates) + seeds - 1, run))
            by_length.append(attempts)
    titles, by_cell, failed = _sorted(programs, lengths, list(zip(*by_length, strict=True)))
    numbers = _numbers(by_cell)
    return LengthComparison(
        task=task.name,
        criterion=task.success,
        cells=tuple(titles),
        seeds=every_seed,
        lengths=np.array(lengths),
        success=_success(numbers),
        numbers=numbers,
        step_seconds=np.array([[reached.step_seconds for reached in row] for row in by_cell]),
        half_lives=np.array([[reached.half_life for reached in row] for row in by_cell]),
        learning_rates=np.array([[reached.rate for reached in row] for row in by_cell]),
        flops=np.array([row[0].flops for row in by_cell]),
        weights=np.array([row[0].weights for row in by_cell]),
        settings={
            "source": source,
            "examples": number,
            "learning rates": rates,
            **{
                name: value
                for name, value in model._json_parameters().items()
                if name not in ("learning_rate", "memory")
            },
            "memory": parameters.get("memory", "T, where gates keep a state"),
        },
        failed=failed,
    )


def _checked(source: str, lengths: Sequence[int]) -> tuple[SyntheticTask, dict[str, int]]:
    """The task and its options. An invalid option or length raises ArgumentError before anything is trained."""
    task, options = parse(source)
    if "T" in options:
        raise ArgumentError(f"{source} has T, which the lengths give: leave it out there")
    if not lengths or list(lengths) != sorted({*lengths}):
        text = ",".join(map(str, lengths))
        raise ArgumentError(f"lengths is {text or 'empty'}: give rising whole numbers, as 25,50,100")
    others = {name: value for name, value in options.items() if name not in ("n", "seed")}
    for length in lengths:
        task.complete({**others, "T": length})
    return task, options


@dataclass(frozen=True)
class _Reached:
    """The results of a cell's trainings at one length; numbers and times by seed."""

    rate: float
    numbers: dict[str, list[float]]
    step_seconds: list[float]
    half_life: float
    flops: int
    weights: int

    def without_results(self) -> _Reached:
        """The same cell where its training failed."""
        nothing = [math.nan] * len(self.step_seconds)
        return replace(
            self, rate=math.nan, numbers=dict.fromkeys(self.numbers, nothing), step_seconds=nothing, half_life=math.nan
        )


def _reached(
    trials: Trials,
    model: Any,
    rates: Sequence[float],
    data: Split,
    seeds: Sequence[int],
    length: int,
    task: SyntheticTask,
    new: Drawn,
) -> _Reached:
    title = f"T = {length}, {model.cell.title}"
    searched, models = trials.train_all(model, rates, data, seeds, title, float(length))
    numbers: dict[str, list[float]] = {}
    times = []
    for trained in models:
        for name, value in task.measure(trained, new).items():
            numbers.setdefault(name, []).append(value)
        times.append(1 / float(np.median([epoch["tokens_per_second"] for epoch in trained.history_])))
    network = searched.model.network_
    half_life, _, _ = flow_of(searched.model, new.inputs)
    return _Reached(searched.rate, numbers, times, half_life, cost.flops_of_layers(network), cost.weights_of(network))


def _sorted(
    programs: Sequence[Program], lengths: Sequence[int], attempts: Sequence[Sequence[_Reached | Failed]]
) -> tuple[list[str], list[list[_Reached]], dict[str, str]]:
    """The cells with a result at some length, their results, nan where there is none, and why some have failed.

    If all have failed at all lengths, the first one's mistake is raised.
    """
    titles, rows, failed = [], [], {}
    for program, row in zip(programs, attempts, strict=True):
        reached = [result for result in row if not isinstance(result, Failed)]
        reasons = [
            f"T = {T}: {result.why}" for T, result in zip(lengths, row, strict=True) if isinstance(result, Failed)
        ]
        if reasons:
            failed[program.title] = "; ".join(dict.fromkeys(reasons))
        if reached:
            titles.append(program.title)
            nothing = reached[0].without_results()
            rows.append([nothing if isinstance(result, Failed) else result for result in row])
    if not rows:
        raise next(result.error for row in attempts for result in row if isinstance(result, Failed))
    return titles, rows, failed


def _numbers(by_cell: Sequence[Sequence[_Reached]]) -> dict[str, Array]:
    """The task's measures, [cells, L, seeds]."""
    names = by_cell[0][0].numbers
    return {name: np.array([[reached.numbers[name] for reached in row] for row in by_cell]) for name in names}


def _drawn(task: SyntheticTask, options: Mapping[str, int], number: int, seed: int) -> Drawn:
    query = "&".join(f"{name}={value}" for name, value in {**options, "n": number, "seed": seed}.items())
    return read_synthetic(f"{PREFIX}{task.name}?{query}", task.relation)


def _success(numbers: Mapping[str, Array]) -> Array:
    """The share of sequences that are right, also for a task that reports the share of wrong ones."""
    name = next(name for name in numbers if name.startswith("share"))
    return 1 - numbers[name] if name == "share_wrong" else numbers[name]
