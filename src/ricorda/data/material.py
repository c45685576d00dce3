"""What a language model learns from: a running text, documents, token lists, or music; recognised and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ricorda.data.corpus import check_text, read_corpus
from ricorda.data.inputs import as_inputs, as_list, place_of
from ricorda.data.music import are_pieces, check_pieces, read_music
from ricorda.errors import ArgumentError, DataError

Kind = Literal["stream", "documents", "tokens", "music"]

IN_WORDS: dict[Kind, str] = {
    "stream": "a text",
    "documents": "a list of texts",
    "tokens": "a list of token lists",
    "music": "a list of pieces of music",
}


@dataclass(frozen=True)
class Material:
    """Checked material.

    Attributes
    ----------
    kind
        The kind of material.
    parts
        The single text, or each document, token list or piece.
    condition
        A vector for each part, [N, C], if any.
    """

    kind: Kind
    parts: Sequence[Any]
    condition: Tensor | None = None

    def split(self, fraction: float, *, anywhere: bool) -> tuple[Material, Material | None]:
        """All but the last share, and that share; a text is cut after white space, unless `anywhere` is true."""
        if not fraction:
            return self, None
        if self.kind == "stream":
            text: str = self.parts[0]
            cut = int(len(text) * (1 - fraction))
            while not anywhere and 0 < cut < len(text) and not text[cut - 1].isspace():
                cut += 1
            first, last = [text[:cut]], [text[cut:]]
        else:
            cut = min(int(len(self.parts) * (1 - fraction)), len(self.parts) - 1)
            first, last = list(self.parts[:cut]), list(self.parts[cut:])
        if not (first and last and first[0] and last[0]):
            raise DataError(
                f"validation_fraction {fraction} of so little leaves nothing to train on or to validate: "
                "give more, or validation_fraction=0"
            )
        of_first, of_last = (None, None) if self.condition is None else (self.condition[:cut], self.condition[cut:])
        return Material(self.kind, first, of_first), Material(self.kind, last, of_last)


def read_material(value: Any, argument: str = "X", condition: Any = None) -> Material:
    """Read an argument of a Python call.

    Parameters
    ----------
    value : str, Path, or a list of texts, token lists or pieces of music
        A text is one stream; a path is read by `ricorda.data.corpus.read_corpus`.
    argument : str
        Its name, for messages.
    condition : array [N, C], optional
        A vector for each document, token list or piece.

    Raises
    ------
    DataError, ArgumentError
        If it is none of these, or the vectors are invalid or not one for each part.
    """
    if isinstance(value, Path):
        path, argument = value, str(value)
        music = path.name.lower().removesuffix(".gz").endswith(".json")
        value = read_music(path).training if music else read_corpus(path)
    if isinstance(value, str):
        if condition is not None:
            raise ArgumentError(f"condition is for documents, and {argument} is one text: give a list of texts")
        return Material("stream", [check_text(value, argument)])
    kind: Kind
    parts: Sequence[Any]
    if are_pieces(value):
        check_pieces(value, argument)
        kind, parts = "music", value
    else:
        values = as_list(getattr(value, "inputs", value))
        if values is None:
            raise DataError(
                f"{argument} is of type {type(value).__name__}: give a text, a path, or a list of texts, token lists "
                "or pieces of music"
            )
        if not values:
            raise DataError(f"{argument} holds no document: give at least one")
        form, parts = as_inputs(values, place_of(value, argument))
        if form == "numbers":
            raise DataError(f"{argument} holds numbers: give texts, token lists or pieces of music")
        kind = "documents" if form == "texts" else "tokens"
    return Material(kind, parts, None if condition is None else read_condition(condition, len(parts)))


def read_condition(condition: Any, count: int, features: int | None = None) -> Tensor:
    """Vectors float32 [count, C] that sequences begin with.

    Raises
    ------
    ArgumentError
        If they are not finite numbers, not one for each document, or not of the model's size.
    """
    try:
        array = np.asarray(condition, dtype=np.float64)
    except (ValueError, TypeError):
        raise ArgumentError("condition is no array of numbers: give a vector for each document") from None
    if array.ndim == 1 and count == 1:
        array = array[None]
    if array.ndim != 2 or len(array) != count or not array.shape[1]:
        raise ArgumentError(f"condition has shape {array.shape}: give a vector for each of {count} documents")
    if not np.isfinite(array.astype(np.float32)).all():
        raise ArgumentError("condition has a number that is not finite: replace it")
    if features is not None and array.shape[1] != features:
        raise ArgumentError(f"condition has {array.shape[1]} numbers, and the model was trained on {features}")
    return torch.from_numpy(array.astype(np.float32))


def read_training(
    X: Any, condition: Any, validation: Any, *, share: float, anywhere: bool
) -> tuple[Material, Material | None]:
    """Training and validation material, from the arguments of `LanguageModel.fit`.

    Parameters
    ----------
    share, anywhere
        The share of X that is held out if there is no `validation`, and whether a text is cut anywhere; see
        `Material.split`.

    Raises
    ------
    ArgumentError, DataError
        If an argument is invalid, or the arguments do not fit together.
    """
    training = read_material(X, "X", condition)
    if validation is None:
        return training.split(share, anywhere=anywhere)
    if condition is None:
        return training, read_material(validation, "validation")
    if not isinstance(validation, tuple) or len(validation) != 2:
        raise ArgumentError("validation is no pair: give (X, condition), as the training has conditions")
    held_out = read_material(validation[0], "validation[0]", validation[1])
    assert training.condition is not None
    assert held_out.condition is not None
    read_condition(held_out.condition, len(held_out.parts), training.condition.shape[1])
    return training, held_out
