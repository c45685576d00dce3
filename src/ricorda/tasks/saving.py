"""A classifier to and from its model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from tokenizers import Tokenizer

from ricorda import __version__
from ricorda.catalogue import CELLS
from ricorda.data.inputs import Kind
from ricorda.data.labels import read_labels
from ricorda.errors import ModelFolderError, RicordaError
from ricorda.program.cell import Cell
from ricorda.program.ir import Program
from ricorda.tasks.classifier import SequenceClassifier
from ricorda.tasks.config import check_classifier
from ricorda.tasks.encoding import Encoder
from ricorda.tasks.folder import Contents, one_line, read_model, write_model
from ricorda.tasks.modelcard import card
from ricorda.tasks.pictures import learning_curve

TASK = "classify"


def save_classifier(model: SequenceClassifier, folder: Path) -> None:
    """Write a trained classifier's folder; see `SequenceClassifier.save`."""
    config = {
        "task": TASK,
        "parameters": model.json_parameters(model.classes_),
        "program": model.network_.recurrent.program.to_json(),
        "classes": model.classes_.tolist(),
        "input": {"kind": model.encoder_.kind, "features": model.encoder_.features},
        "summary": model.summary_,
    }
    tokenizer = model.encoder_.tokenizer
    contents = Contents(
        config,
        model.network_.state_dict(),
        None if tokenizer is None else tokenizer.to_str(),
        model.history_,
    )
    write_model(folder, contents, card=card(config), pictures={"learning_curve.png": learning_curve(model.history_)})


def load(folder: str | Path) -> SequenceClassifier:
    """Open a model folder; no code in it is run.

    Parameters
    ----------
    folder : path
        What `ricorda train ... --out` or `SequenceClassifier.save` wrote.

    Returns
    -------
    SequenceClassifier
        The trained model.

    Raises
    ------
    ModelFolderError
        If there is none, or it is damaged, incomplete, of a newer format or of another task.
    """
    return open_model(folder)[0]


def open_model(folder: str | Path) -> tuple[SequenceClassifier, dict[str, Any]]:
    """A model and what its `config.json` says; see `load`."""
    folder = Path(folder)
    contents = read_model(folder)
    task = contents.config.get("task")
    if task != TASK:
        raise ModelFolderError(
            f"{folder} holds a model for the task {task!r:.40}, which this ricorda ({__version__}) does not know: "
            "upgrade it with `pip install --upgrade ricorda`"
        )
    check_classifier(contents.config, contents.history, folder)
    try:
        return _restore(contents), contents.config
    except Exception as error:  # tokenizers raises bare Exceptions, and what is inside the parts may be anything
        kind = "" if isinstance(error, RicordaError) else f"{type(error).__name__}: "
        raise ModelFolderError(
            f"{folder} does not hold together ({kind}{one_line(error)}): restore it or train again"
        ) from None


def _restore(contents: Contents) -> SequenceClassifier:
    config: dict[str, Any] = contents.config
    program = Program.from_json(config["program"])
    classes = read_labels(config["classes"], len(config["classes"]), "classes")
    if classes.tolist() != np.unique(classes).tolist() or len(classes) < 2:
        raise ModelFolderError("its classes are not different and in order")
    model = SequenceClassifier(_cell_of(program), **_parameters(config["parameters"], classes.tolist()))
    model.check_parameters()
    tokenizer = None if contents.tokenizer is None else Tokenizer.from_str(contents.tokenizer)
    kind, features = config["input"]["kind"], config["input"]["features"]
    for_numbers = (kind == "numbers", features != 0, tokenizer is None)
    if kind not in get_args(Kind) or len(set(for_numbers)) > 1:
        raise ModelFolderError(f"a model of {kind!r:.40} has the wrong tokenizer or number of features")
    model.classes_, model.encoder_ = classes, Encoder(kind, model.max_length, tokenizer, features)
    model.summary_, model.history_, model.n_iter_ = config["summary"], contents.history, len(contents.history)
    if model.num_layers > len(contents.tensors) or {each.dtype for each in contents.tensors.values()} != {
        torch.float32
    }:
        raise ModelFolderError("its weights are not those of so many layers, in float32")
    with torch.device("meta"):  # no memory is taken on the word of a file
        network = model.network_for(program, model.encoder_, len(classes))
    network.load_state_dict(contents.tensors, assign=True)
    model.network_ = network.eval()
    return model


def _parameters(saved: dict[str, Any], classes: list[Any]) -> dict[str, Any]:
    """The estimator's parameters but the cell; all must be there, as a default would be another model."""
    missing = set(SequenceClassifier().get_params()) - {"cell"} - set(saved)
    if missing:
        raise ModelFolderError(f"the parameter {min(missing)!r} is missing")
    weights = saved["class_weight"]
    return {**saved, "class_weight": dict(zip(classes, weights, strict=True))} if isinstance(weights, list) else saved


def _cell_of(program: Program) -> str | Program:
    """The name of a built-in cell, or the program itself of another."""
    built_in: Cell | None = CELLS.get(program.name)
    return program.name if built_in is not None and built_in.program == program else program
