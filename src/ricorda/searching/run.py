"""A search from its beginning to its report."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ricorda.errors import ArgumentError, ModelFolderError
from ricorda.files import why_not_written
from ricorda.insight.comparison.cost import prepared, with_cell
from ricorda.insight.comparison.splits import split
from ricorda.insight.comparison.view import seeds_from
from ricorda.searching.extra import optuna
from ricorda.searching.found import BEST, DEFAULT, REFUSED, STOPPED, TRAINED, Score, Tried
from ricorda.searching.locks import locked
from ricorda.searching.progress import watching
from ricorda.searching.repeats import repeat
from ricorda.searching.result import SearchResult
from ricorda.searching.space import OF_TOKENS, own_space, read_space, searched_names
from ricorda.searching.storage import check_storage, journal_of, without_password
from ricorda.searching.study import TrialState, begin_study, finished, give_back_lost, has_place, quiet, running
from ricorda.searching.trial import BEST as NUMBERS
from ricorda.searching.trial import REFUSED as WHY
from ricorda.searching.trial import SECONDS, TRIALS, Job
from ricorda.searching.work import LOOK, in_processes, work
from ricorda.tasks.cells import as_program
from ricorda.tasks.folder import check_nothing_foreign, holds_model
from ricorda.tasks.loading import load
from ricorda.tasks.saving import save_model
from ricorda.training.loop import fitting

JOURNAL = "study.journal"
"""The storage of a search that is given none, in its folder."""

REPEATS = 3
"""Seeds with which the best and the default parameters are trained again."""


@dataclass(frozen=True)
class Begun:
    """A search that is ready to make trials.

    Attributes
    ----------
    job : Job
        What processes are sent.
    default : dict
        The default values of what is searched.
    seeds : tuple of int
        The search's own seed, and those of the repeated trainings.
    told : str
        How the task tells a score.
    labels : mapping
        Names of scores for readers.
    where : str
        What the repeated trainings are measured on.
    columns : mapping
        The best model's `columns_`.
    """

    job: Job
    default: dict[str, Any]
    seeds: tuple[int, ...]
    told: str
    labels: Mapping[str, str]
    where: str
    columns: Mapping[str, str]

    def score(self, numbers: Mapping[str, float]) -> Score:
        """The score among the numbers of a validation."""
        return Score.of(self.told, numbers, self.labels)


def run(model: Any, X: Any, y: Any, arguments: Mapping[str, Any]) -> SearchResult:
    """Search, repeat and report; the arguments are those of `ricorda.search`."""
    with tempfile.TemporaryDirectory() as passing:
        folder = Path(arguments["folder"] or passing)
        if arguments["folder"] is not None:
            check_folder(folder)
        storage = str(arguments["storage"] or folder / JOURNAL)
        try:
            with quiet():
                return _run(begin(model, X, y, folder, storage, arguments), arguments)
        except optuna.exceptions.StorageInternalError as error:
            raise ArgumentError(
                f"--storage {without_password(storage)} does not answer any more ({error}): the same command goes on"
            ) from None
        except OSError as error:
            place = journal_of(storage) or folder
            raise ModelFolderError(f"{place} was not written, {why_not_written(place, error)}") from error


def check_folder(folder: Path) -> None:
    """Raise ModelFolderError if a search must not write into a folder: it holds files of others."""
    if not (folder / TRIALS).is_dir() and not (folder / JOURNAL).exists():
        check_nothing_foreign(folder)
        if holds_model(folder):
            raise ModelFolderError(
                f"--out {folder} holds a model that no search has written: choose another folder, or an empty one"
            )


def begin(model: Any, X: Any, y: Any, folder: Path, storage: str, arguments: Mapping[str, Any]) -> Begun:
    """Check everything, split the data, and settle what is searched; nothing is trained or written."""
    seeds = seeds_from(model, 1 + REPEATS)
    named = with_cell(model, as_program(model.cell, beside=model.READS_BESIDE), random_state=seeds[0])
    named.check_parameters()
    given, fixed = arguments["space"], arguments["fixed"]
    space = None if given is None else read_space(given, named, fixed or ())
    check_storage(storage)
    data = split(named, X, y, validation=arguments["validation"], test=arguments["test"], seed=seeds[0])
    probe, task = prepared(named, data)
    options = fitting(probe._options(seed=0), task)

    def default_of(name: str) -> Any:
        if name == "cell":
            return named.cell.title
        return getattr(options, name) if name in ("epochs", "batch_size") else probe._now(name)

    if space is None:
        names = [name for name in searched_names(model, fixed) if _matters(name, probe)]
        space = own_space(named, default_of, names)
    if not space.distributions:
        raise ArgumentError("every parameter that is searched was given, so nothing is left: leave some out")
    default = {name: default_of(name) for name in space.distributions}
    if "cell" in default:
        space = replace(space, cells={default["cell"]: named.cell, **space.cells})
    base = named.set_params(epochs=options.epochs)
    limit = arguments["time_limit"]
    deadline = None if limit is None else time.time() + limit
    job = Job(base, data, space, storage, arguments["study"], folder, arguments["trials"], deadline)
    return Begun(job, default, seeds, task.told, probe.SCORES, data.where, model.columns_)


def _matters(name: str, probe: Any) -> bool:
    """Whether a parameter has a meaning in a training, and is not decided by what the model begins with."""
    if name in probe.taken_ or (name == "cell" and getattr(probe, "pretrained", None) is not None):
        return False
    return bool(probe._tokenizers()) or name not in OF_TOKENS


def common_to_trials(begun: Begun) -> dict[str, Any]:
    """All that the trials of a study have in common, as JSON."""
    job = begun.job
    fixed = {name: value for name, value in job.model._json_parameters().items() if name not in job.space.distributions}
    cell = {} if "cell" in job.space.distributions else {"cell": job.model.cell.to_json()}
    fixed = {**fixed, **cell}
    fixed.pop("device")
    return {"task": job.model.TASK, "data": job.data.digest, "space": job.space.to_json(), "parameters": fixed}


def _run(begun: Begun, arguments: Mapping[str, Any]) -> SearchResult:
    job, jobs, progress = begun.job, arguments["jobs"], arguments["progress"]
    default = begun.default if job.space.has(begun.default) else None
    study = begin_study(job.storage, job.study, common_to_trials(begun), default)

    def text(trial: Any) -> str:
        score = begun.score(trial.user_attrs[NUMBERS])
        return f"{score.label} {score.text(trial.value)}"

    with watching(study, job.trials, job.deadline, text, progress=progress) as told:
        while True:
            if jobs == 1:
                work(job, told=told)
            else:
                in_processes(work, [(job, worker) for worker in range(jobs)], told)
            give_back_lost(study, job.storage)
            if job.over or not has_place(study, job.trials):
                if not running(study):
                    break
                told()
                time.sleep(LOOK)
    return report(begun, study, jobs, progress=progress)


def report(begun: Begun, study: optuna.Study, jobs: int, *, progress: bool) -> SearchResult:
    """Repeat the best and the default parameters, put the best model into the folder, and gather all numbers."""
    job = begun.job
    trials = tuple(_tried(trial) for trial in finished(study))
    trained = [trial for trial in trials if trial.ended == TRAINED]
    if not trained:
        why = next((f"; the first was refused: {trial.why}" for trial in trials if trial.why), "")
        raise ArgumentError(f"no trial was trained to its end{why or ': give more time, or more trials'}")
    best = max(trained, key=lambda trial: trial.score)
    settings = {BEST: best.parameters, DEFAULT: begun.default}
    if best.parameters == begun.default:
        del settings[BEST]
    with locked(job.folder / ".report.lock"):
        model = _best_model(job, best, progress=progress)
        repeated = repeat(job, settings, begun.seeds[1:], jobs, progress=progress)
        model.columns_ = begun.columns
        save_model(model, job.folder)
    numbers = study.get_trials(deepcopy=False)[best.number].user_attrs[NUMBERS]
    return SearchResult(
        task=model.TASK,
        best_model=model,
        best_parameters=best.parameters,
        best_score=best.score,
        trials=trials,
        default_parameters=begun.default,
        score=begun.score(numbers),
        seeds=begun.seeds[1:],
        repeated=repeated,
        importances=_importances(study),
        measure=model._measure(),
        where=begun.where,
    )


def _best_model(job: Job, best: Tried, *, progress: bool) -> Any:
    """The model of the best trial; trained again if another machine made it, in another folder."""
    folder = job.trial_folder(best.number)
    if not holds_model(folder):
        shutil.rmtree(folder, ignore_errors=True)
        model = job.with_parameters(best.parameters)
        model.fit(job.data.X, job.data.y, validation=job.data.validation, progress=progress).save(folder)
    return load(folder)


def _tried(trial: Any) -> Tried:
    ended = TRAINED
    if trial.state != TrialState.COMPLETE:
        ended = REFUSED if WHY in trial.user_attrs else STOPPED
    score = float("nan") if trial.value is None else float(trial.value)
    seconds = trial.user_attrs.get(SECONDS, float("nan"))
    why = trial.user_attrs.get(WHY, "")
    return Tried(trial.number, ended, dict(trial.params), score, len(trial.intermediate_values), seconds, why)


def _importances(study: optuna.Study) -> dict[str, float]:
    """Importances by fANOVA, where there are enough trials with different scores."""
    values = {trial.number: trial.value for trial in finished(study) if trial.state == TrialState.COMPLETE}
    if len(values) < 4 or len(set(values.values())) == 1:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))
