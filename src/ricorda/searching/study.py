"""A search's study: whose it is, which of its trials count, and which were lost with their process."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ricorda.errors import ArgumentError
from ricorda.searching.extra import optuna
from ricorda.searching.locks import locked
from ricorda.searching.storage import journal_of, open_storage, retry, without_password

TrialState = optuna.trial.TrialState
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)

SEARCH = "ricorda"
"""The attribute of a study that says what it searches."""

DEFAULT = "default"
"""The attribute of the trial that has the default parameters."""


@contextmanager
def quiet() -> Iterator[None]:
    """Within the block Optuna says nothing: mistakes are raised, and progress is shown by the search itself."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def open_study(storage: str, name: str) -> optuna.Study:
    """Open a study that is there; raises as `open_storage` does."""
    return optuna.load_study(storage=open_storage(storage), study_name=name)


def begin_study(storage: str, name: str, search: Mapping[str, Any], default: Mapping[str, Any] | None) -> optuna.Study:
    """Open a study for a search, or make it.

    Parameters
    ----------
    storage, name : str
        Where the study is, and its name there.
    search : mapping
        All that trials must have in common, as JSON.
    default : mapping, optional
        Parameters to begin with.

    Raises
    ------
    ArgumentError
        If the study is of another search; the message says in what they differ.
    """
    opened = open_storage(storage)
    try:
        study = optuna.create_study(storage=opened, study_name=name, direction="maximize")
        study.set_user_attr(SEARCH, search)
        if default is not None:
            study.enqueue_trial(dict(default), user_attrs={DEFAULT: True})
    except optuna.exceptions.DuplicatedStudyError:
        study = optuna.load_study(storage=opened, study_name=name)
    where = f"--storage {without_password(storage)}"
    theirs = study.user_attrs.get(SEARCH)
    if theirs is None:
        if study.get_trials(deepcopy=False):
            raise ArgumentError(
                f"{where} holds trials of something else in the study {name!r}: give another --storage, or --study"
            )
        study.set_user_attr(SEARCH, search)
    else:
        _check_same(theirs, json.loads(json.dumps(search)), f"{where} holds the study {name!r} of another search")
    return study


def _check_same(theirs: Mapping[str, Any], ours: Mapping[str, Any], where: str) -> None:
    for part in ours:
        if theirs.get(part) == ours[part]:
            continue
        if part == "data":
            raise ArgumentError(f"{where}, on other data; give another --storage, or --study")
        differs = f"its {part} is {_short(theirs.get(part))}, and now it is {_short(ours[part])}"
        if isinstance(ours[part], Mapping) and isinstance(theirs.get(part), Mapping):
            every = {**theirs[part], **ours[part]}
            name = next(name for name in every if theirs[part].get(name) != ours[part].get(name))
            now = _short(ours[part].get(name)) if name in ours[part] else "left out"
            there = _short(theirs[part][name]) if name in theirs[part] else "left out"
            differs = f"in its {part} {name} is {there}, and now it is {now}"
        raise ArgumentError(f"{where}: {differs}; give another --storage, or --study")


def _short(value: Any) -> str:
    if isinstance(value, Mapping) and "attributes" in value:  # a distribution of Optuna
        value = {key: each for key, each in value["attributes"].items() if key in ("low", "high", "choices")}
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The trials that count: those that ended by themselves or were stopped early."""
    trials: list[optuna.trial.FrozenTrial] = study.get_trials(deepcopy=False, states=FINISHED)
    return trials


def running(study: optuna.Study) -> int:
    """The number of trials that run, here or elsewhere."""
    return len(study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))


def state_of(study: optuna.Study, number: int) -> Any:
    """The state of a trial as the storage has it now."""
    return study.get_trials(deepcopy=False)[number].state


def has_place(study: optuna.Study, wanted: int | None) -> bool:
    """Whether a trial is missing: one waits in the queue, or fewer than wanted were begun that are not lost."""
    states = [trial.state for trial in study.get_trials(deepcopy=False)]
    return wanted is None or TrialState.WAITING in states or _kept(states) < wanted


def is_surplus(study: optuna.Study, number: int, wanted: int | None) -> bool:
    """Whether enough trials have lower numbers: so of processes that begin trials at once each knows whether to go on.

    Numbers are given out one by one by the storage, and lost trials only make room, so never more than `wanted` go on.
    """
    before = [trial.state for trial in study.get_trials(deepcopy=False)[:number]]
    return wanted is not None and _kept(before) >= wanted


def _kept(states: Sequence[Any]) -> int:
    return sum(state != TrialState.FAIL for state in states)


def mark_of_life(storage: str, name: str, number: int) -> Path | None:
    """The file that a running trial's process locks; None with a database, to which Optuna gives signs of life."""
    journal = journal_of(storage)
    return None if journal is None else journal.with_name(f".{journal.name}.running") / f"{name}-{number}"


def give_back_lost(study: optuna.Study, storage: str) -> None:
    """Mark trials as failed whose process has gone, and put their parameters into the queue."""
    if journal_of(storage) is None:
        optuna.storages.fail_stale_trials(study)
        return
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        path = mark_of_life(storage, study.study_name, trial.number)
        assert path is not None
        with locked(path, wait=False) as gone:
            if gone and state_of(study, trial.number) == TrialState.RUNNING:
                study.tell(trial.number, state=TrialState.FAIL)
                retry(study, trial)
