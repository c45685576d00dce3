"""Language models of unlabelled texts, trained just before the model that begins with them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ricorda.data.inputs import as_inputs, place_of
from ricorda.errors import ArgumentError
from ricorda.tasks.folder import LANGUAGE, WORK, holds_model
from ricorda.tasks.language.estimator import LanguageModel
from ricorda.tasks.runs import train_into_folder
from ricorda.training.checkpoint import CHECKPOINT
from ricorda.training.processes import join_processes

MOST_EPOCHS, CHARACTERS = 10, 20_000_000
"""Epochs of a language model at most, and the characters that it reads in all of them, about, where there are many."""

OF_CHARACTERS: dict[str, Any] = {"tokenizer": "char", "hidden_size": 256, "embedding_size": 32, "min_frequency": 2}
"""A tagger's language models: Akbik et al. (2018) have 2,048 units, which take days on a processor."""


def pretrain(model: Any, X: Any, unlabelled: Any, out: Path, *, resume: bool, overwrite: bool) -> list[str]:
    """Train language models of unlabelled texts and those of the examples, in the folder of a new model.

    Parameters
    ----------
    model : SequenceEstimator
        The new model's estimator; the language models have its tokens, cell and sizes, one for each direction.
        Those of a tagger read characters.
    X
        Its examples.
    unlabelled : str, list of str or list of token lists
        More of the same; a text has one on each line.
    out : Path
        The new model's folder.
    resume, overwrite : bool
        As in `train_into_folder`; with `resume`, a language model that is complete is kept.

    Returns
    -------
    list of str
        The folders of the language models, for `pretrained`.

    Raises
    ------
    ArgumentError
        If `pretrained` or, but for a tagger, `vectors` is set too, or the examples are numbers.
    """
    if model.pretrained is not None:
        raise ArgumentError("pretrained and unlabelled are both given: choose one of them")
    if model.vectors is not None and model.TASK != "tag":  # A tagger's words have both.
        raise ArgumentError("unlabelled trains an embedding, and vectors is another: leave one of them out")
    texts, processes = _texts(model, X, unlabelled), join_processes(model.device)
    folders = []
    for reverse in (False, True) if model.TASK == "tag" or model.bidirectional else (False,):
        folder = out / LANGUAGE / ("backward" if reverse else "forward")
        begun = os.path.exists(folder / WORK / CHECKPOINT)
        folders.append(str(folder))
        if processes.agree(resume and holds_model(folder) and not begun):
            continue
        language = _language_model(model, texts, reverse)
        if processes.first:
            print(f"Training a language model that reads {'from the end' if reverse else 'in order'}", file=sys.stderr)
        how = {"overwrite": overwrite, "tensorboard": False}
        train_into_folder(language, texts, None, folder, resume=resume and begun, **how)
        processes.agree(None)  # The first process has saved it.
    return folders


def _texts(model: Any, X: Any, unlabelled: Any) -> Any:
    """What the language models read: documents, or for a tagger one text, a sentence on each line."""
    kind, examples = as_inputs(list(getattr(X, "inputs", X)), place_of(X))
    if kind == "numbers":
        raise ArgumentError("unlabelled is for texts, and the examples are numbers: leave it out")
    more: Sequence[Any] = unlabelled
    if isinstance(unlabelled, str):
        more = [line for line in unlabelled.splitlines() if line.strip()]
    if model.TASK == "tag":
        return "".join(f"{text if isinstance(text, str) else ' '.join(text)}\n" for text in (*examples, *more))
    if isinstance(more[0], str) != (kind == "texts"):
        raise ArgumentError(
            f"unlabelled has {'texts' if kind != 'texts' else 'token lists'}, and the examples are {kind}"
        )
    return [*examples, *more]


def _language_model(model: Any, texts: Any, reverse: bool) -> LanguageModel:
    characters = sum(map(len, texts)) if isinstance(texts, list) else len(texts)
    parameters: dict[str, Any] = {
        "reverse": reverse,
        "epochs": min(max(CHARACTERS // characters, 1), MOST_EPOCHS),
        "dropout": 0.1,
        "validation_fraction": 0.05,
        **{name: getattr(model, name) for name in ("cell", "random_state", "device", "precision")},
    }
    if model.TASK == "tag":
        return LanguageModel(**parameters, **OF_CHARACTERS)
    embedding = model._now("embedding_size")
    half = embedding // 2 if model.bidirectional else 0
    same = ("hidden_size", "num_layers", "tokenizer", "vocab_size", "min_frequency", "lowercase")
    size = max(half if reverse else embedding - half, 1)
    return LanguageModel(**parameters, **{name: model._now(name) for name in same}, embedding_size=size)
