"""Checks what `config.json` and `history.jsonl` must say before anything is built from them.

The files may come from anywhere; `folder` has checked that they are JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ricorda.errors import ModelFolderError
from ricorda.tasks.folder import CONFIG, HISTORY

Shape = Mapping[str, Any]  # For each key its type, its types, or the shape of its object.

GENERAL: Shape = {
    "ricorda_version": str,
    "parameters": dict,
    "program": dict,
    "summary": {"examples": int, "validation_examples": int, "epochs": int, "best": dict, "weights": int},
}
EPOCH: Shape = {"epoch": int, "loss": (int, float)}


def check_config(
    config: Mapping[str, Any], history: Sequence[Any], folder: Path, shape: Shape, scores: Iterable[str]
) -> None:
    """Require the keys and types that both files must have; they may have others besides.

    Parameters
    ----------
    config, history
        The contents of the files.
    folder : Path
        The folder of the files.
    shape : mapping
        Keys that the task needs in the config: for each its type, several types, or the shape of its object.
    scores : iterable of str
        Numbers that every validated epoch must have.

    Raises
    ------
    ModelFolderError
        If a key is missing, or its value is of another type.
    """
    _check(config, {**GENERAL, **shape}, folder / CONFIG)
    columns = config.get("columns", {})  # Older models remember none.
    names = dict.fromkeys(columns, str) if isinstance(columns, dict) else {}
    _check({"columns": columns}, {"columns": names}, folder / CONFIG)
    best, temperature = config["summary"]["best"], config["summary"].get("temperature", 1.0)
    _check({"temperature": temperature}, {"temperature": (int, float)}, folder / CONFIG, "summary.")
    validated = {**EPOCH, **dict.fromkeys(("score", *scores), (int, float))}
    epoch = validated if "score" in best else EPOCH
    _check(best, epoch, folder / CONFIG, "summary.best.")
    if not history:
        raise ModelFolderError(f"{folder / HISTORY} holds no epoch: restore it or train again")
    for number, line in enumerate(history, 1):
        _check({f"line {number}": line}, {f"line {number}": epoch}, folder / HISTORY)


def _check(values: Mapping[str, Any], shape: Shape, path: Path, within: str = "") -> None:
    for key, wanted in shape.items():
        if key not in values:
            raise ModelFolderError(f"{path} lacks {within + key!r}: restore it or train again")
        value = values[key]
        inner = wanted if isinstance(wanted, Mapping) else None
        types = (dict,) if inner is not None else wanted
        if isinstance(value, bool) or not isinstance(value, types):
            raise ModelFolderError(f"{path} has {value!r:.40} as {within + key!r}: restore it or train again")
        if inner is not None:
            _check(value, inner, path, f"{within}{key}.")
