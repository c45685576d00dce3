"""A training whose result is a model folder: what is in the way is found before, what is learned is never lost."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import torch.distributed as dist

from ricorda.errors import ArgumentError
from ricorda.tasks.estimator import SequenceEstimator
from ricorda.tasks.folder import holds_model
from ricorda.training.checkpoint import CHECKPOINT

WORK = "training"
"""Where in the model folder an unfinished training keeps its checkpoint and history."""

BOARD = "tensorboard"
"""Where in either of them TensorBoard's files are."""


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
    **others: Any,
) -> bool:
    """Train, save the model in `out`, and remove the checkpoint.

    Parameters
    ----------
    model : SequenceEstimator
        Not trained yet.
    X, y, validation, others
        What its `fit` is given.
    out : Path
        The model folder; what it holds stays as it is until the new model is whole.
    resume, overwrite, tensorboard : bool
        Whether to go on from a checkpoint, to replace what `out` holds, and to write a TensorBoard log.
    watch_gradients : int, optional
        Record the gradient's flow of each so many steps.

    Returns
    -------
    bool
        Whether this is the process that saved; of several under torchrun it is the first.

    Raises
    ------
    ArgumentError
        If `out` holds something that neither `resume` nor `overwrite` allows to touch.
    Interrupted
        After Ctrl-C, with the checkpoint written.
    """
    work = out / WORK
    if not (resume or overwrite):
        if holds_model(out):
            raise ArgumentError(f"--out {out} holds a model already: choose another folder, or add --overwrite")
        if os.path.exists(work / CHECKPOINT):
            raise ArgumentError(
                f"--out {out} holds a training that was stopped: go on with --resume, or start anew with --overwrite"
            )
    model.fit(
        X,
        y,
        validation=validation,
        folder=work,
        resume=resume,
        progress=True,
        tensorboard=tensorboard,
        watch_gradients=watch_gradients,
        **others,
    )
    if dist.is_initialized() and dist.get_rank() > 0:
        return False
    model.save(out)
    (work / CHECKPOINT).unlink()
    if tensorboard:
        shutil.rmtree(out / BOARD, ignore_errors=True)
        os.replace(work / BOARD, out / BOARD)
    shutil.rmtree(work, ignore_errors=True)
    return True
