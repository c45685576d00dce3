"""`search`: the parameters of a model, searched by Optuna."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ricorda.errors import ArgumentError
from ricorda.searching.duration import seconds_of

if TYPE_CHECKING:
    from ricorda.searching.result import SearchResult
    from ricorda.tasks.estimator import SequenceEstimator

TRIALS = 20
STUDY = "ricorda"


def search(
    model: SequenceEstimator,
    X: Any,
    y: Any = None,
    *,
    trials: int | None = None,
    time_limit: float | str | None = None,
    space: Mapping[str, Any] | str | Path | None = None,
    fixed: Collection[str] | None = None,
    jobs: int = 1,
    storage: str | Path | None = None,
    study: str = STUDY,
    validation: Any = None,
    test: Any = None,
    folder: str | Path | None = None,
    progress: bool = False,
) -> SearchResult:
    """Search the parameters of a model by Optuna, and tell how much of the gain is more than luck.

    The first trial has the default parameters, the others what Optuna's TPE sampler proposes; one that is behind the
    median of the others after some epochs is stopped. All have the same data, held-out part, seed and epochs. In the
    end the best and the default parameters are trained again with three other seeds.

    Parameters
    ----------
    model : SequenceEstimator
        An untrained model of any task; its `random_state`, or 0, is the seed of all trials and of the split.
    X, y, validation
        As its `fit` takes them; without `validation` a part of X is held out, the same for all.
    trials : int, optional
        How many trials the study shall have, made now or before, here or elsewhere; those that were stopped early
        count. By default 20, or with `time_limit` as many as it allows.
    time_limit : float or str, optional
        Seconds after which no trial begins, or a text as "30m" or "1h30m".
    space : mapping or path, optional
        What is searched instead: for each parameter `{"low": ..., "high": ...}` with `"log": True` or `"step": ...` if
        wanted, a list of values, or one value; or a TOML file of these.
    fixed : collection of str, optional
        Parameters that are not searched but keep the model's values; by default those that are not at their default.
    jobs : int
        Processes that make trials at the same time, each with its share of the threads.
    storage : path or str, optional
        A journal file, or the URL of a database that Optuna knows, which any number of processes and machines share. By
        default a file in `folder`. A search that was stopped goes on, and only the trials that ran are made again.
    study : str
        The name of the search in its storage.
    test : (X, y), optional
        Data to measure the repeated trainings on. Nothing is chosen by them.
    folder : path, optional
        Folder for the best model; the models of the trials are kept in it too.
    progress : bool
        Whether to report on standard error.

    Raises
    ------
    ArgumentError, DataError
        If an argument or an example is invalid, the storage cannot be opened or belongs to another search, or Optuna is
        not installed.
    KeyboardInterrupt
        After Ctrl-C; what was finished is kept.
    """
    _check_count(jobs, "jobs")
    if trials is not None:
        _check_count(trials, "trials")
    seconds = None if time_limit is None else seconds_of(time_limit)
    wanted = TRIALS if trials is None and time_limit is None else trials
    from ricorda.searching.run import run  # Optuna is imported there.

    arguments = {
        "trials": wanted,
        "time_limit": seconds,
        "space": space,
        "fixed": fixed,
        "jobs": jobs,
        "storage": storage,
    }
    arguments |= {"study": study, "validation": validation, "test": test, "folder": folder, "progress": progress}
    return run(model, X, y, arguments)


def _check_count(value: Any, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ArgumentError(f"{name} is {value!r}: give a whole number of at least 1")
