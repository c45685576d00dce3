"""The training loop of every task: epochs of steps, validation, early stopping, checkpoints."""

import json
import math
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ricorda.data.batches import Rows
from ricorda.errors import ArgumentError
from ricorda.files import write_atomically
from ricorda.training.alarm import Alarm
from ricorda.training.checkpoint import (
    Checkpoint,
    Tensors,
    check_settings,
    dealt_out,
    read_checkpoint,
    write_checkpoint,
)
from ricorda.training.flow import steps_between
from ricorda.training.folder import HISTORY, alone_in, check_no_others
from ricorda.training.interruption import Interrupted, Interruption, noticing_interruption
from ricorda.training.learner import Learner
from ricorda.training.options import FittedOptions, TrainingOptions, check_whole
from ricorda.training.processes import Processes, join_processes
from ricorda.training.progress import Display, showing
from ricorda.training.randomness import Randomness, own_randomness, step_seeds
from ricorda.training.run import Record, RunState
from ricorda.training.task import Task


def train(
    task: Task,
    options: TrainingOptions,
    *,
    folder: Path | None = None,
    resume: bool = False,
    progress: bool = False,
    tensorboard: bool = False,
    watch_gradients: int | None = None,
    settings: Mapping[str, Any] | None = None,
    history: Sequence[Record] = (),
    after_epoch: Callable[[Record], None] | None = None,
) -> list[Record]:
    """Train a task's module; it ends with the weights of the best epoch, in evaluation mode, on its old device.

    Processes that torchrun started share every batch. They reach the same weights, within rounding, as one process with
    as many times the batch size. A run that goes on with more or fewer processes keeps its batches, which these then
    share. The caller's random numbers are left as they were.

    Parameters
    ----------
    task, options
        The task and the options of its training.
    folder
        Where checkpoint.safetensors and history.jsonl are written after each epoch, and the checkpoint after the
        step in which Ctrl-C was pressed as well. Without it nothing is written and Ctrl-C stops at once. Only the
        first process writes.
    resume
        Go on from the checkpoint in ``folder``, bit for bit as if the run had never stopped.
    progress
        Show progress on standard error.
    tensorboard
        Write the history to ``folder/tensorboard`` as well.
    watch_gradients
        Record in every so many steps, from the first, where the gradient goes in time (`ricorda.training.flow`), and
        warn on standard error if it vanishes or explodes. The weights become the same as without it. Of several
        processes the first one's rows are watched.
    settings
        All else that decides the run, as JSON (sizes of the model, a digest of the data, ...): a run resumes only with
        the same settings and the same options, or for more epochs: the learning rate then goes on as if there had been
        so many from the start.
    history
        Epochs for which the module was trained before, with another optimiser: the run goes on after them.
    after_epoch
        Called with the record of each epoch that ends; what it raises ends the run.

    Returns
    -------
    list of dict
        For each epoch: epoch, step, loss, the numbers of the validation, learning_rate (of its last step),
        gradient_norm (mean before clipping), tokens_per_second (of the steps), seconds (with validation); and
        gradient_flow, the list of its `FlowRecord`s, if steps were watched.

    Raises
    ------
    ArgumentError
        If there is nothing to train on, an argument is invalid, the device or a package is missing, or a loss, gradient
        or score is not finite.
    ModelFolderError
        If the folder is not writable, holds files of others, is written by another training, or has no run that can be
        resumed with these settings.
    LostProcessError
        If another process has ended.
    Interrupted
        After Ctrl-C, once the checkpoint is written.
    """
    if folder is None and (resume or tensorboard):
        raise ArgumentError("resume and tensorboard need the folder of the run: give one")
    if watch_gradients is not None:
        check_whole(watch_gradients, "watch_gradients", at_least=1)
    if len(task.lengths) == 0:
        raise ArgumentError("there are no rows to train on: give at least one")
    processes = join_processes(options.device)
    home = next(task.module.parameters()).device
    board_folder = folder if tensorboard and processes.first else None
    several = processes.size > 1
    with (
        alone_in(folder) if folder is not None and processes.first else nullcontext(),
        noticing_interruption(several) if folder is not None else nullcontext(Interruption()) as interruption,
    ):
        watched = watch_gradients if processes.first else None
        # Only the first process's machine may have the folder.
        found = read_checkpoint(folder) if resume and folder is not None and processes.first else None
        checkpoint = processes.agree(found)
        shares = processes.size if checkpoint is None else int(checkpoint.settings.get("processes", processes.size))
        fitted = fitting(options, task, shares)
        loop = _Loop(task, fitted, processes, shares, folder, settings or {}, watched)
        if checkpoint is not None:
            loop.restore(checkpoint)
        else:
            loop.begin(history)
        alarm = Alarm(task.module, fitted) if watched else None
        with (
            own_randomness(processes.device) as randomness,
            showing(
                loop.run,
                progress=progress and processes.first,
                board_folder=board_folder,
                alarm=alarm,
                interruption=interruption,
            ) as displays,
        ):
            while not loop.run.finished:
                loop.train_epoch(randomness, interruption, displays)
                if after_epoch is not None:
                    after_epoch(loop.run.history[-1])
    task.module.load_state_dict(loop.best)
    task.module.eval().to(home)
    return loop.run.history


def fitting(options: TrainingOptions, task: Task, shares: int = 1) -> FittedOptions:
    """The options with numbers for a task's data where they were to follow it; a batch is of so many shares."""

    def steps(size: int) -> int:
        return len(task.batches(size * shares, seed=options.seed, epoch=0))

    return options.fitting(task.rows() // shares, steps)


class _Loop:
    """A run, and the objects that it works with; `shares` are the processes that it began with."""

    def __init__(
        self,
        task: Task,
        options: FittedOptions,
        processes: Processes,
        shares: int,
        folder: Path | None,
        settings: Mapping[str, Any],
        watch_gradients: int | None,
    ) -> None:
        task.module.to(processes.device)
        self.task, self.options, self.processes, self.shares, self.folder = task, options, processes, shares, folder
        task.processes = processes
        self.lengths = task.lengths = np.asarray(task.lengths)
        self.run = RunState(options.epochs, len(self.batches(epoch=0)), options.patience, task.told)
        self.learner = Learner(task, options, processes, self.run.steps_per_epoch, watch_gradients)
        self.steps_between = steps_between(watch_gradients or 1, options.epochs * self.run.steps_per_epoch)
        self.best: dict[str, Tensor] = {}
        self.settings = self.all_settings(settings)
        self.check_alike()

    def batches(self, *, epoch: int) -> list[Rows]:
        size = self.options.batch_size * self.shares
        return self.task.batches(size, seed=self.options.seed, epoch=epoch)

    def train_epoch(self, randomness: Randomness, interruption: Interruption, displays: list[Display]) -> None:
        """Take the steps of an epoch, or what is left of them, then validate and save."""
        epoch, batches = len(self.run.history), self.batches(epoch=len(self.run.history))
        *seeds, last_seed = step_seeds(self.options.seed, epoch, self.processes.rank, len(batches) + 1)
        self.task.module.train()
        for index in range(self.run.totals.steps, len(batches)):
            started = time.perf_counter()
            randomness.seed(seeds[index])
            outcome = self.learner.step(batches[index], epoch, index, interruption)
            tokens = self.task.steps(batches[index])
            if outcome.flow:
                self.run.take_flow(outcome.flow, steps_between=self.steps_between)
            self.run.totals.add(outcome, tokens=tokens, seconds=time.perf_counter() - started)
            for display in displays:
                display.step(self.run)
            if outcome.stop:
                self.stop()
        randomness.seed(last_seed)
        self.finish_epoch()
        for display in displays:
            display.epoch(self.run)
        if self.processes.agree(interruption.requested):
            self.stop()

    def finish_epoch(self) -> None:
        """Validate, keep the weights if they are the best, and save."""
        started = time.perf_counter()
        asked = self.processes.first or self.task.together
        scores = self.processes.agree(self.validate() if asked else {})
        self.refuse_unless_finite(scores)
        rate = self.options.learning_rate_at(self.run.steps_done - 1, self.run.epochs * self.run.steps_per_epoch)
        seconds = self.run.totals.seconds + time.perf_counter() - started
        self.run.finish_epoch(scores, learning_rate=rate, seconds=seconds)
        if self.run.best_epoch == len(self.run.history):
            self.best = {name: value.clone() for name, value in self.task.module.state_dict().items()}
        self.save()

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        self.task.module.eval()
        return {name: float(value) for name, value in self.task.validate().items()}

    def refuse_unless_finite(self, scores: Mapping[str, float]) -> None:
        for name, value in scores.items():
            if not math.isfinite(value):
                raise ArgumentError(
                    f"the validation's {name} became {value} in epoch {len(self.run.history) + 1}: "
                    f"lower the learning rate (now {self.options.learning_rate:g})"
                )

    def save(self) -> None:
        """Write the checkpoint and the history, if there is a folder and this is the first process."""
        if self.folder is None:
            return
        carried = self.processes.gather({name: value.cpu() for name, value in self.task.tensors().items()})
        if not self.processes.first:
            return
        tensors: dict[str, Tensors] = {**self.learner.tensors(), "best": self.best}
        tensors |= {_carried_by(rank): part for rank, part in enumerate(carried)}
        state = {**self.run.state(), "carried by": self.processes.size}
        write_checkpoint(self.folder, Checkpoint(tensors, state, self.settings))
        # The whole file each time, so that no line is there twice or half written.
        write_atomically(self.folder / HISTORY, "".join(json.dumps(record) + "\n" for record in self.run.history))

    def begin(self, history: Sequence[Record]) -> None:
        """Start the run after the epochs of a history, with the module as it is."""
        if self.folder is not None and self.processes.first:
            check_no_others(self.folder)
        if history:
            if len(history) >= self.options.epochs:
                raise ArgumentError(
                    f"epochs is {self.options.epochs}, and the model was trained for {len(history)} already: give more"
                )
            self.run.history = list(history)
            self.best = {name: value.clone() for name, value in self.task.module.state_dict().items()}
        self.save()  # If the folder is not writable, this says so now and not after the first epoch.

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to the state of a checkpoint."""
        assert self.folder is not None
        more = {"epochs": self.options.epochs} if self.options.epochs > checkpoint.settings.get("epochs", 0) else {}
        check_settings(self.folder, {**checkpoint.settings, **more}, self.settings)
        self.learner.restore(checkpoint.tensors)
        before = checkpoint.state.get("carried by", self.shares)
        carried = [checkpoint.tensors.get(_carried_by(rank), {}) for rank in range(before)]
        mine = dealt_out(carried, self.processes.rank, self.processes.size)
        self.task.restore({name: value.to(self.processes.device) for name, value in mine.items()})
        self.best = {
            name: value.to(self.processes.device) for name, value in checkpoint.tensors.get("best", {}).items()
        }
        self.run.restore(checkpoint.state)

    def stop(self) -> None:
        """Save and leave because of Ctrl-C."""
        self.save()
        run = self.run
        message = (
            f"training stopped after {run.steps_done} of {run.epochs * run.steps_per_epoch} steps, in epoch "
            f"{run.epoch_under_way} of {run.epochs}; all is saved in {self.folder}: go on with --resume"
        )
        # The end of one process is torchrun's reason to end the others, so all wait until the first has saved.
        raise Interrupted(self.processes.agree(message))

    def all_settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """All that decides the run, as JSON; settings that a user would name come first."""
        lengths = zlib.crc32(np.ascontiguousarray(self.lengths, dtype=np.int64).data)
        shapes = {f"shape of {name}": value.shape for name, value in self.task.module.state_dict().items()}
        everything = {
            **settings,
            **asdict(self.options),
            "device": str(self.processes.device.type),
            "processes": self.shares,
            "training data": f"{len(self.lengths)} rows, checksum of lengths {lengths:08x}",
            **shapes,
        }
        return dict(json.loads(json.dumps(everything, default=str)))

    def check_alike(self) -> None:
        """Raise ArgumentError if another process was given other data or options."""
        for rank, others in enumerate(self.processes.gather(self.settings)):
            for name, value in self.settings.items():
                if others.get(name) != value:
                    what = "other data" if "data" in name else f"{name} {others.get(name)!r:.60}, not {value!r:.60}"
                    raise ArgumentError(f"process {rank} was given {what}: give all the same files and options")


def _carried_by(rank: int) -> str:
    """The group of a checkpoint for the tensors that a process's task carries from batch to batch."""
    return f"carried by process {rank}"
