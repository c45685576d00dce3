"""Cells compared: the same data, split, search and budget for each, and what each is worth and costs."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from ricorda.errors import ArgumentError, DataError
from ricorda.insight.comparison import cost
from ricorda.insight.comparison.result import FLOW_EXAMPLES, Comparison
from ricorda.insight.comparison.splits import Split, split
from ricorda.insight.comparison.trials import Failed, Trials
from ricorda.insight.gradients.view import gradient_flow
from ricorda.nn.arguments import program_of
from ricorda.program.cell import Cell
from ricorda.program.ir import Program
from ricorda.tasks.estimator import SequenceEstimator
from ricorda.tasks.measure import Measure

Array = NDArray[np.float64]

DEFAULT_CELLS = ("rnn", "lstm", "gru")
MATCHES = ("hidden", "parameters")
BACK = 1_000
"""The most steps that the gradient is followed back from the end of an example."""


def compare(
    model: SequenceEstimator,
    X: Any,
    y: Any = None,
    *,
    cells: Sequence[str | Cell | Program | Callable[..., Any]] = DEFAULT_CELLS,
    seeds: int = 3,
    learning_rates: Sequence[float] = (),
    match: str = "hidden",
    validation: Any = None,
    test: Any = None,
    folder: str | Path | None = None,
    progress: bool = False,
) -> Comparison:
    """Train several cells on the same data with the same budget, and tell what each is worth and costs.

    Parameters
    ----------
    model : SequenceEstimator
        An untrained model of any task. Every training uses its parameters except the cell, the learning rate and the
        hidden size; `memory` is left out for cells without gates. Its `random_state`, or 0, is the first seed and the
        seed of the split.
    X, y, validation
        As its `fit` takes them; without `validation` a part of X is held out, the same for all.
    cells : sequence
        Two or more, in any of the ways that an estimator takes one. The first is what the others are compared to. One
        that fails, because its training diverges for example, is in `Comparison.failed` and nowhere else.
    seeds : int
        Number of trainings of each cell, each with its own first weights and order of batches.
    learning_rates : sequence of float
        Learning rates to search; by default only the model's own.
    match : {"hidden", "parameters"}
        Whether all cells have the same hidden size, or as many weights in the recurrent layers as the first cell.
    test : (X, y), optional
        Data to measure on, instead of the validation data, by which epochs and learning rates are chosen.
    folder : path, optional
        Folder that keeps every training; after an interruption, the same call continues from it.
    progress : bool
        Whether to report on standard error.

    Raises
    ------
    ArgumentError, DataError
        If an argument or an example is invalid.
    KeyboardInterrupt
        After Ctrl-C; finished trainings are kept.
    """
    model.check_parameters()
    programs = programs_of(cells)
    every_seed = seeds_from(model, seeds)
    if match not in MATCHES:
        raise ArgumentError(f"match is {match!r}: choose one of {', '.join(MATCHES)}")
    if getattr(model, "pretrained", None) is not None:
        raise ArgumentError("pretrained is a model of one cell, and several are compared: leave it out")
    rates = checked_rates(model, learning_rates)
    data = split(model, X, y, validation=validation, test=test, seed=every_seed[0])
    with tempfile.TemporaryDirectory() as passing:
        plan = [1.0] * len(programs) * (len(rates) + seeds - 1)
        trials = Trials(Path(folder or passing), plan, progress=progress)
        costs, tried, failed = _all(trials, model, programs, data, match, rates, every_seed)
    return Comparison(
        task=model.TASK,
        measure=tried[0].measure,
        where=data.where,
        cells=tuple(untrained.model.cell.title for untrained in costs),
        seeds=every_seed,
        outcomes=np.array([cell.outcomes for cell in tried]),
        example_weights=tried[0].weights,
        rates=np.array(rates, dtype=np.float64),
        searched=np.array([cell.searched for cell in tried]),
        learning_rates=np.array([cell.rate for cell in tried]),
        hidden_sizes=np.array([untrained.model.hidden_size for untrained in costs]),
        weights=np.array([untrained.weights for untrained in costs]),
        recurrent_weights=np.array([untrained.recurrent_weights for untrained in costs]),
        flops=np.array([untrained.flops for untrained in costs]),
        peak_bytes=np.array([untrained.peak_bytes for untrained in costs]),
        epoch_seconds=np.array([cell.epoch_seconds for cell in tried]),
        half_lives=np.array([cell.half_life for cell in tried]),
        memory_lengths=np.array([cell.memory_length for cell in tried]),
        verdicts=tuple(cell.verdict for cell in tried),
        settings={"match": match, "learning rates": rates, **_settings(model)},
        failed=failed,
    )


@dataclass(frozen=True)
class _Cost:
    """An untrained model with a cell, and what it costs."""

    model: Any
    weights: int
    recurrent_weights: int
    flops: int
    peak_bytes: int


@dataclass(frozen=True)
class _Tried:
    """The results of a cell's trainings."""

    measure: Measure
    rate: float
    searched: tuple[float, ...]
    outcomes: list[Array]
    weights: Array
    epoch_seconds: list[float]
    half_life: float
    memory_length: float
    verdict: str


def _all(
    trials: Trials,
    model: SequenceEstimator,
    programs: Sequence[Program],
    data: Split,
    match: str,
    rates: Sequence[float],
    seeds: Sequence[int],
) -> tuple[list[_Cost], list[_Tried], dict[str, str]]:
    """What cells cost and reach, and why others have failed; if all have, the first one's mistake is raised."""
    count = len(rates) + len(seeds) - 1
    done: list[tuple[_Cost, _Tried]] = []
    failed: dict[str, Failed] = {}
    for program, of in zip(programs, _costs(trials, model, programs, data, match), strict=True):
        if isinstance(of, Failed):
            trials.begun += count
            failed[program.title] = of
            continue
        tried = trials.attempt(program.title, count, partial(_tried, trials, of, data, rates, seeds))
        if isinstance(tried, Failed):
            failed[program.title] = tried
        else:
            done.append((of, tried))
    if not done:
        raise next(iter(failed.values())).error
    return [of for of, _ in done], [tried for _, tried in done], {name: each.why for name, each in failed.items()}


def _costs(
    trials: Trials, model: SequenceEstimator, programs: Sequence[Program], data: Split, match: str
) -> list[_Cost | Failed]:
    """The sizes and cost of each cell; the first cell has the model's own hidden size."""
    first, begin = _cost(model, programs[0], data)

    def of_another(program: Program) -> _Cost:
        sizes = {}
        if match == "parameters":
            sizes = {"hidden_size": cost.matching_hidden_size(begin, program, first.recurrent_weights)}
        return _cost(model, program, data, **sizes)[0]

    return [first, *(trials.attempt(program.title, 0, partial(of_another, program)) for program in programs[1:])]


def _cost(model: SequenceEstimator, program: Program, data: Split, **parameters: Any) -> tuple[_Cost, Any]:
    """What a cell costs, and its prepared model."""
    changed = cost.with_cell(model, program, random_state=0, **parameters)
    changed.check_parameters()
    probe, task = cost.prepared(changed, data)
    network = task.module
    weights, recurrent = cost.weights_of(network), cost.recurrent_weights(network)
    return _Cost(changed, weights, recurrent, cost.flops_of_layers(network), cost.peak_of_step(probe, task)), probe


def _tried(trials: Trials, of: _Cost, data: Split, rates: Sequence[float], seeds: Sequence[int]) -> _Tried:
    """Search with the first seed, train the other seeds, and measure all of them."""
    searched, models = trials.train_all(of.model, rates, data, seeds, of.model.cell.title)
    by_seed, times, weights = [], [], np.empty(0)
    for model in models:
        values, weights = (np.asarray(numbers, dtype=np.float64) for numbers in model._outcomes(*data.test))
        by_seed.append(values)
        times.append(float(np.median([epoch["seconds"] for epoch in model.history_])))
    flow, measure = flow_of(searched.model, data.test[0]), searched.model._measure()
    return _Tried(measure, searched.rate, searched.scores, by_seed, weights, times, *flow)


def flow_of(model: Any, X: Any) -> tuple[float, float, str]:
    """Half-life, memory length and verdict of the gradient on the first examples."""
    examples = getattr(X, "inputs", X)
    if isinstance(examples, str):  # A running text is cut into parts.
        size = max(2, min(500, len(examples) // FLOW_EXAMPLES))
        examples = [examples[start : start + size] for start in range(0, FLOW_EXAMPLES * size, size)]
    try:
        flow = gradient_flow(model, list(examples)[:FLOW_EXAMPLES], steps=BACK, rows=FLOW_EXAMPLES, jacobians=False)
    except DataError as error:
        return math.nan, math.nan, str(error)
    half_life = math.nan if flow.half_life is None else flow.half_life
    return half_life, math.inf if flow.memory_length is None else float(flow.memory_length), flow.verdict


def programs_of(cells: Sequence[Any]) -> list[Program]:
    """The programs of the cells to compare. Fewer than two cells, or two of one name, raise ArgumentError."""
    programs = [program_of(cell, projected=False) for cell in cells]
    names = [program.title for program in programs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ArgumentError(f"cells has {twice} twice: give each once")
    if len(programs) < 2:
        raise ArgumentError(f"cells is {', '.join(names) or 'empty'}: give at least two to compare, as rnn,lstm,gru")
    return programs


def seeds_from(model: Any, count: int) -> tuple[int, ...]:
    """`count` seeds from the model's own on (0 if it has none). Raises ArgumentError if either is no whole number."""
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ArgumentError(f"seeds is {count!r}: give a whole number of at least 1")
    first = 0 if model.random_state is None else model.random_state
    if isinstance(first, bool) or not isinstance(first, int | np.integer):
        raise ArgumentError(f"random_state is {first!r:.40}: give a whole number, the first seed of the comparison")
    return tuple(range(int(first), int(first) + count))


def checked_rates(model: Any, learning_rates: Sequence[float]) -> list[float]:
    """The learning rates to search, without repetitions; the estimator checks each of them."""
    rates = list(dict.fromkeys(map(float, learning_rates))) or [float(model.learning_rate)]
    for rate in rates:
        clone(model).set_params(learning_rate=rate).check_parameters()
    return rates


def _settings(model: Any) -> dict[str, Any]:
    return {name: value for name, value in model._json_parameters().items() if name not in ("learning_rate", "device")}
