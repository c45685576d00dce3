"""What every `ricorda train` does once the data is read: train, save, and say how it went."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ricorda.cli.output import print_json, print_table

if TYPE_CHECKING:
    from ricorda.tasks.estimator import SequenceEstimator


def train_and_tell(
    model: SequenceEstimator,
    X: Any,
    y: Any,
    out: Path,
    *,
    validation: Any = None,
    resume: bool,
    overwrite: bool,
    tensorboard: bool,
    watch_gradients: int | None,
    as_json: bool,
    **others: Any,
) -> bool:
    """Train a model into a folder and print its scores; see `ricorda.tasks.runs.train_into_folder`.

    Returns
    -------
    bool
        Whether this is the process that prints; of several under torchrun it is the first.
    """
    from ricorda.tasks.runs import train_into_folder

    first = train_into_folder(
        model,
        X,
        y,
        out,
        validation=validation,
        resume=resume,
        overwrite=overwrite,
        tensorboard=tensorboard,
        watch_gradients=watch_gradients,
        **others,
    )
    if first and as_json:
        print_json({"folder": str(out), **model.summary_})
    elif first:
        _print_summary(model, out)
    return first


def _print_summary(model: SequenceEstimator, out: Path) -> None:
    from ricorda.tasks.folder import CURVE, FLOW_PICTURE
    from ricorda.tasks.scores import score_text

    summary, best = model.summary_, model.summary_["best"]
    scores = ["none", *("" for _ in model.SCORES)]
    if "score" in best:
        scores = [f"{summary['validation_examples']:,}", *(score_text(name, best[name]) for name in model.SCORES)]
    print_table(
        f"Trained on {summary['examples']:,} examples; the best of {summary['epochs']} epochs is {best['epoch']}",
        ["validation examples", *model.SCORES.values()],
        [scores],
    )
    flow = f", the gradient's flow in {out / FLOW_PICTURE}" if (out / FLOW_PICTURE).exists() else ""
    print(f"The model is in {out}, its learning curve in {out / CURVE}{flow}")
