"""`ricorda.export.page`: a trained model as one page that needs no network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ricorda.errors import ArgumentError
from ricorda.export.model import check_weights
from ricorda.export.to_page.document import document
from ricorda.export.to_page.models import described
from ricorda.export.to_page.numbers import Numbers
from ricorda.files import write_atomically
from ricorda.tasks.estimator import SequenceEstimator


def page(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a model as one page.

    The file opens in a browser from wherever it lies, without a network: model, tokenizer and program are inside, and
    what is typed stays there.

    Parameters
    ----------
    model : SequenceEstimator
        A trained classifier, tagger, language model or forecaster.
    path : path
        The file to write, a name that ends in ".html".

    Raises
    ------
    ArgumentError
        If the model has no page, a weight is no finite number, its tokenizer cannot be taken along exactly, or the
        name has another ending.
    ModelFolderError
        If the file cannot be written.
    """
    path = Path(path)
    if path.suffix not in (".html", ".htm"):
        raise ArgumentError(f"a page is to be written to {path}: give a name that ends in .html")
    if not isinstance(model, SequenceEstimator) or not hasattr(model, "network_"):
        raise ArgumentError(
            f"a {type(model).__name__} cannot be exported as a page: give a trained model, as ricorda.load(FOLDER) "
            "gives it"
        )
    check_weights(model)
    numbers = Numbers()
    description = described(model, numbers)
    write_atomically(path, document(description, numbers.text()))
