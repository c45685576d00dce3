"""A training whose result is a model folder: obstacles are reported before it, and nothing learned is lost."""

from __future__ import annotations

import os
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from ricorda.errors import ArgumentError
from ricorda.tasks.estimator import SequenceEstimator
from ricorda.tasks.folder import WORK, check_nothing_foreign, holds_model
from ricorda.tasks.loading import load
from ricorda.tasks.saving import save_model
from ricorda.training.checkpoint import CHECKPOINT
from ricorda.training.folder import BOARD, alone_in, remove_run
from ricorda.training.processes import join_processes


def train_into_folder(
    model: SequenceEstimator,
    X: Any,
    y: Any,
    out: Path,
    *,
    validation: Any = None,
    resume: bool,
    overwrite: bool,
    tensorboard: bool,
    watch_gradients: int | None = None,
    shards: bool = False,
) -> bool:
    """Train, save the model in `out`, and remove the checkpoint.

    Parameters
    ----------
    model : SequenceEstimator
        An untrained estimator.
    X, y, validation, others
        The arguments of its `fit`.
    out : Path
        The model folder; its content stays as it is until the new model is complete.
    resume, overwrite, tensorboard : bool
        Whether to go on from a checkpoint, or with a finished model for more epochs; to replace the model in `out`;
        and to write a TensorBoard log.
    watch_gradients : int, optional
        Record the gradient's flow in every so many steps.
    shards : bool
        Whether X and y are this process's own.

    Returns
    -------
    bool
        Whether this process saved the model; of several under torchrun the first one does.

    Raises
    ------
    ArgumentError
        If the content of `out` must not be touched without `resume` or `overwrite`.
    ModelFolderError
        If `out` holds files of others, or another training writes into it.
    LostProcessError
        If another process has ended.
    Interrupted
        After Ctrl-C, when the checkpoint is written.
    """
    processes = join_processes(model.device)
    work, first = out / WORK, processes.first  # Only its machine need have the folder.
    with alone_in(out) if first else nullcontext():
        before = None
        if first:
            check_out(out, resume=resume, overwrite=overwrite)
            before = load(out) if resume and not os.path.exists(work / CHECKPOINT) and holds_model(out) else None
        before = processes.agree(before)
        how = {"progress": True, "tensorboard": tensorboard, "watch_gradients": watch_gradients, "shards": shards}
        try:
            model._fit(X, y, validation, work, {"resume": resume and before is None, **how}, before)
        finally:
            if first and not os.path.exists(work / CHECKPOINT):  # It failed before it began.
                remove_run(work)
        if not first:
            return False
        save_model(model, out)
        if tensorboard:
            shutil.rmtree(out / BOARD, ignore_errors=True)
            os.replace(work / BOARD, out / BOARD)
        remove_run(work)
        return True


def holds_training(out: Path) -> bool:
    """Whether a folder holds a model, or a training that can go on."""
    return holds_model(out) or os.path.exists(out / WORK / CHECKPOINT)


def check_out(out: Path, *, resume: bool, overwrite: bool) -> None:
    """Raise an error, as `train_into_folder` describes, if a model must not be trained into a folder."""
    check_nothing_foreign(out)
    if resume or overwrite:
        return
    if holds_model(out):
        raise ArgumentError(
            f"--out {out} holds a model already: choose another folder, replace it with --overwrite, or train it "
            "further with --resume and more --epochs"
        )
    if os.path.exists(out / WORK / CHECKPOINT):
        raise ArgumentError(
            f"--out {out} holds a training that was stopped: go on with --resume, or start anew with --overwrite"
        )
