"""A classifier to and from its model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from ricorda.catalogue import CELLS
from ricorda.errors import ModelFolderError, RicordaError
from ricorda.program.cell import Cell
from ricorda.program.ir import Program
from ricorda.tasks.classifier import SequenceClassifier
from ricorda.tasks.encoding import Encoder
from ricorda.tasks.folder import Contents, read_model, write_model
from ricorda.tasks.modelcard import card
from ricorda.tasks.network import ManyToOne
from ricorda.tasks.pictures import learning_curve

TASK = "classify"


def save_classifier(model: SequenceClassifier, folder: Path) -> None:
    """Write a trained classifier's folder; see `SequenceClassifier.save`."""
    config = {
        "task": TASK,
        "parameters": model.json_parameters(),
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
    folder = Path(folder)
    contents = read_model(folder)
    config = contents.config
    if config.get("task") != TASK:
        raise ModelFolderError(f"{folder} holds a model for {config.get('task')!r}, which this ricorda does not know")
    try:
        return _restore(contents)
    except KeyError as error:
        raise ModelFolderError(f"{folder / 'config.json'} lacks {error}: restore it or train again") from None
    except RicordaError as error:
        raise ModelFolderError(f"{folder} does not hold together: {error}") from None
    except Exception as error:  # tokenizers raises bare Exceptions, and any field may be anything
        raise ModelFolderError(
            f"{folder} does not hold together ({type(error).__name__}: {error}): restore it or train again"
        ) from None


def _restore(contents: Contents) -> SequenceClassifier:
    config: dict[str, Any] = contents.config
    program = Program.from_json(config["program"])
    classes = np.array(config["classes"])
    parameters = dict(config["parameters"])
    if isinstance(parameters["class_weight"], list):
        parameters["class_weight"] = dict(zip(classes.tolist(), parameters["class_weight"], strict=True))
    model = SequenceClassifier(cell=_cell_of(program), **parameters)
    model.check_parameters()
    model.classes_ = classes
    tokenizer = None if contents.tokenizer is None else Tokenizer.from_str(contents.tokenizer)
    features = config["input"]["features"]
    model.encoder_ = Encoder(config["input"]["kind"], model.max_length, tokenizer, features)
    model.summary_ = config["summary"]
    model.history_ = contents.history
    model.n_iter_ = len(contents.history)
    with torch.device("meta"):  # no memory is taken on the word of a file
        network = ManyToOne(program, model.sizes(), dropout=model.dropout, word_dropout=model.word_dropout)
    network.load_state_dict(contents.tensors, assign=True)
    model.network_ = network.eval()
    return model


def _cell_of(program: Program) -> str | Program:
    """The name of a built-in cell, or the program itself of another."""
    built_in: Cell | None = CELLS.get(program.name)
    return program.name if built_in is not None and built_in.program == program else program
