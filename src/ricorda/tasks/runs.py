"""A training whose result is a model folder: obstacles are reported before it, and nothing learned is lost."""

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
"""The subfolder of the model folder in which an unfinished training keeps its checkpoint and history."""

BOARD = "tensorboard"
"""The subfolder of either of them with TensorBoard's files."""


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
        An untrained estimator.
    X, y, validation, others
        The arguments of its `fit`.
    out : Path
        The model folder; its content stays as it is until the new model is complete.
    resume, overwrite, tensorboard : bool
        Whether to resume from a checkpoint, to replace the content of `out`, and to write a TensorBoard log.
    watch_gradients : int, optional
        Record the gradient's flow in every so many steps.

    Returns
    -------
    bool
        Whether this process saved the model; of several under torchrun the first one does.

    Raises
    ------
    ArgumentError
        If the content of `out` must not be touched without `resume` or `overwrite`.
    Interrupted
        After Ctrl-C, when the checkpoint is written.
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
