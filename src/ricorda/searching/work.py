"""Processes that make trials together: each takes the next one until none is missing."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import torch

from ricorda.errors import ArgumentError
from ricorda.searching.extra import cloudpickle, optuna
from ricorda.searching.study import give_back_lost, has_place, open_study, quiet
from ricorda.searching.trial import Job, Objective, Surplus
from ricorda.searching.worker import MISTAKE, PATIENCE

LOOK = 0.3
"""Seconds between two looks at what other processes have done."""


def work(job: Job, worker: int = 0, told: Callable[[], None] = lambda: None) -> None:
    """Make trials until none is missing, or it is too late for another.

    Parameters
    ----------
    job : Job
        The search.
    worker : int
        The number of this process, of those that were started together.
    told : callable
        Called after each trial.
    """
    with quiet():
        study = open_study(job.storage, job.study)
        study.pruner = pruner(job)
        while True:
            give_back_lost(study, job.storage)
            if job.over or not has_place(study, job.trials):
                return
            study.sampler = sampler(job, len(study.get_trials(deepcopy=False)), worker)
            objective = Objective(job, study)
            try:
                study.optimize(objective, n_trials=1, catch=(Surplus,), gc_after_trial=True)
            except ValueError:  # Optuna tells no result of a trial that was taken for lost.
                if not objective.lost:
                    raise
            told()


def sampler(job: Job, begun: int, worker: int) -> Any:
    """Optuna's tree-structured Parzen estimator; every trial has its own random numbers, in an order that repeats."""
    seed = zlib.crc32(f"{job.model.random_state} {begun} {worker}".encode())
    random_ones = 10 if job.trials is None else max(5, min(10, job.trials // 4))
    return optuna.samplers.TPESampler(multivariate=True, n_startup_trials=random_ones, constant_liar=True, seed=seed)


def pruner(job: Job) -> Any:
    """Optuna's median rule, which leaves the first fifth of the epochs alone, and the first one always."""
    return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1 + max(1, int(job.model.epochs) // 5))


def in_processes(
    function: Callable[..., None], calls: Sequence[tuple[Any, ...]], told: Callable[[], None] = lambda: None
) -> None:
    """Call a function in a process for each of some arguments, at the same time, each with its share of the threads.

    Parameters
    ----------
    function : callable
        A function of a module.
    calls : sequence of tuple
        The arguments of each call.
    told : callable
        Called now and then while they run.

    Raises
    ------
    ArgumentError
        If a process ends by a mistake of the user's; the others are stopped.
    """
    sent = [_packed((function, arguments)) for arguments in calls]
    threads = max(1, torch.get_num_threads() // len(calls))
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "ricorda.searching.worker"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "env": environment}
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for call in sent:
            processes.append(subprocess.Popen(command, **pipes))  # type: ignore[call-overload]
            _send(processes[-1], call)
        while any(process.poll() is None for process in processes):
            told()
            if any((process.returncode or 0) > 0 for process in processes):
                break
            time.sleep(LOOK)
    finally:
        ends = [_stop(process) for process in processes]
    told()
    for code, said in ends:
        if code == MISTAKE:
            raise ArgumentError(said)
    if any(code > 0 for code, _ in ends):
        raise RuntimeError("a process of the search has failed; its traceback stands above")
    if any(code < 0 for code, _ in ends):
        print("a process of the search was killed, perhaps for want of memory; it is replaced", file=sys.stderr)


def _packed(what: Any) -> bytes:
    try:
        return bytes(cloudpickle.dumps(what))
    except (pickle.PicklingError, TypeError) as error:
        raise ArgumentError(
            f"jobs sends the data to other processes, which they do not allow ({error}): use 1"
        ) from None


def _send(process: subprocess.Popen[bytes], what: bytes) -> None:
    assert process.stdin is not None
    with suppress(OSError):  # It has gone, and its exit code says more.
        process.stdin.write(what)
        process.stdin.flush()


def _stop(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """The exit code of a process, which is asked to stop if it runs, and what it wrote."""
    asked = process.poll() is None
    assert process.stdin is not None
    with suppress(OSError):
        process.stdin.close()  # The sign by which it stops.
    try:
        process.wait(2 * PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
    assert process.stdout is not None
    with process.stdout as answer:
        said = answer.read().decode("utf-8", "replace")
    code = process.wait()
    return (0 if asked and code != MISTAKE else code), said
