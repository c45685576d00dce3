"""A trained model as a folder that can be uploaded to the Hugging Face Hub as it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ricorda.tasks.folder import check_nothing_foreign
from ricorda.tasks.loading import load
from ricorda.tasks.metadata import checked
from ricorda.tasks.saving import save_model


def hub(model: Any, folder: str | Path, *, license: str = "", languages: Sequence[str] = ()) -> None:
    """Write a model folder whose card has a license and languages; `ricorda.load` reads it like any other.

    What only training needs, such as checkpoints, stays behind.

    Parameters
    ----------
    model : SequenceEstimator, str or Path
        A trained model, or its folder.
    folder : str or Path
        The folder to write: a new one, or a model's.
    license : str
        The license as the Hub names it, such as "mit" or "cc-by-4.0".
    languages : sequence of str
        Codes of ISO 639, such as "it".

    Raises
    ------
    ArgumentError
        If the license or a language is not as the Hub writes them.
    ModelFolderError
        If `model` is a folder without a model, or `folder` holds other files or cannot be written.
    """
    metadata = checked(license, languages)
    trained = load(model) if isinstance(model, str | Path) else model
    check_nothing_foreign(Path(folder))
    save_model(trained, Path(folder), metadata)
