"""The best and the default parameters once more, with other seeds: how much of a gain is the luck of a seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ricorda.insight.comparison.trials import Trials
from ricorda.searching.found import Repeated
from ricorda.searching.trial import Job, score_of
from ricorda.searching.work import in_processes

Settings = Mapping[str, Mapping[str, Any]]
"""Parameters by what they are called: "best" and "default"."""


def repeat(job: Job, settings: Settings, seeds: Sequence[int], jobs: int, *, progress: bool) -> dict[str, Repeated]:
    """Train each of the parameters with each seed, or open what was trained so, and measure all of them.

    Parameters
    ----------
    job : Job
        The search; its data have the examples to measure on.
    settings : mapping
        Parameters by their names.
    seeds : sequence of int
        Other seeds than the search's own: its best score was chosen from many.
    jobs : int
        Processes that train at the same time.
    progress : bool
        Whether to report on standard error.
    """
    calls = [(name, seed) for name in settings for seed in seeds]
    if jobs > 1:
        in_processes(_train, [(job, settings, calls[first::jobs]) for first in range(min(jobs, len(calls)))])
    trials = Trials(job.folder, [1.0] * len(calls), progress=progress and jobs == 1)
    return {name: _measured(job, trials, name, settings[name], seeds) for name in settings}


def _measured(job: Job, trials: Trials, name: str, parameters: Mapping[str, Any], seeds: Sequence[int]) -> Repeated:
    scores, outcomes, weights = [], [], np.empty(0)
    for seed in seeds:
        model = _model(trials, job, name, parameters, seed)
        values, weights = (np.asarray(numbers, dtype=np.float64) for numbers in model._outcomes(*job.data.test))
        scores.append(score_of(model.summary_["best"]))
        outcomes.append(values)
    return Repeated(dict(parameters), np.array(scores), np.array(outcomes), weights)


def _model(trials: Trials, job: Job, name: str, parameters: Mapping[str, Any], seed: int) -> Any:
    model = job.with_parameters(parameters, random_state=seed)
    return trials.train(model, job.data, f"the {name} parameters, seed {seed}")


def _train(job: Job, settings: Settings, calls: Sequence[tuple[str, int]]) -> None:
    """What one of several processes does."""
    trials = Trials(job.folder, [1.0] * len(calls), progress=False)
    for name, seed in calls:
        _model(trials, job, name, settings[name], seed)
