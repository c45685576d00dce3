"""Trained models as files of ONNX: each task's graphs, and what the files remember of the model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sklearn.utils.validation import check_is_fitted

from ricorda.errors import ArgumentError
from ricorda.export.to_onnx import forecast, language, many_to_one, tag, translate
from ricorda.export.to_onnx.serial import serialised
from ricorda.export.to_onnx.signature import Signature
from ricorda.tasks.estimator import SequenceEstimator
from ricorda.tasks.saving import config_of

Graphs = Callable[[Any, str], dict[str, Signature]]
"""From a trained model and a form to its graphs; the keys are what the files' names have before their ending."""

GRAPHS: dict[str, Graphs] = {
    "classify": many_to_one.graphs,
    "regress": many_to_one.graphs,
    "tag": tag.graphs,
    "translate": translate.graphs,
    "language": language.graphs,
    "forecast": forecast.graphs,
}


def files_of(model: SequenceEstimator, path: Path, form: str) -> dict[Path, bytes]:
    """The files that a model becomes, the one at `path` as the last.

    Raises
    ------
    ArgumentError
        If a model of this kind has no such form.
    """
    check_is_fitted(model, "network_")
    if model.TASK not in GRAPHS:
        raise ArgumentError(f"a model of the task {model.TASK!r} has no form in ONNX: use it from Python")
    texts = {name: tokenizer.to_str().encode() for name, tokenizer in model._tokenizers().items()}
    known = {
        "task": model.TASK,
        "config": config_of(model),
        "tokenizers": {name: hash_of(text) for name, text in texts.items()},
    }
    graphs = GRAPHS[model.TASK](model, form)
    files = {beside(path, f"{name}.json"): text for name, text in texts.items()}
    for part, signature in graphs.items():
        file = beside(path, f"{part}.onnx") if part else path
        files[file] = serialised(signature.model(model.program_, form, known), file)
    return files


def beside(path: Path, ending: str) -> Path:
    """The file that stands beside an exported one: `model.tokenizer.json` beside `model.onnx`."""
    return path.with_name(f"{path.stem}.{ending}")


def hash_of(content: bytes) -> str:
    """The hash of a file, as exported files remember it."""
    return hashlib.sha256(content).hexdigest()
