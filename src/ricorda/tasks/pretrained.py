"""Language models with which another model begins: its tokens, its cell, and the first weights of its layers.

Dai, Le (2015), 'Semi-supervised sequence learning': a classifier begins with the embedding and the recurrent layers of
a language model of unlabelled texts. A model that reads in order begins the first direction, one that reads from the
end the second. Each has its own numbers of a token's embedding, side by side; the weights between a direction and the
other's numbers are zero at first. So both directions compute at first what the language models compute.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from ricorda.data.fingerprint import fingerprint
from ricorda.data.tokenization import PADDING, UNKNOWN
from ricorda.data.vocabulary import UNKNOWN as UNKNOWN_OF_LANGUAGE
from ricorda.errors import ArgumentError
from ricorda.program.ir import Program
from ricorda.tasks.cells import as_program
from ricorda.tasks.encoding import Encoder
from ricorda.tasks.loading import load
from ricorda.tasks.parameters import parameters_of
from ricorda.tasks.rules import Folders, folders_of

MARKS = ("<pad>", "<unk>")
"""The tokens that have the ids 0 and 1 where a whole sequence is read; a language model has others there."""


@dataclass(frozen=True)
class Pretrained:
    """One language model, or one for each direction; the one that reads in order is the first.

    Parameters
    ----------
    models : tuple of LanguageModel
        Trained models of texts or token lists, of the same tokens, cell and sizes.
    """

    models: tuple[Any, ...]

    @classmethod
    def read(cls, folders: Folders, *, both: bool = True) -> Pretrained:
        """Open the language models in one folder or two.

        Parameters
        ----------
        both : bool
            Whether the new model reads in both directions.

        Raises
        ------
        ArgumentError
            If a model is of another task or reads music, or the models do not fit together.
        ModelFolderError
            If there is none, or it is damaged.
        """
        names = folders_of(folders)
        models: list[Any] = [load(name) for name in names]
        for name, model in zip(names, models, strict=True):
            reads = "music" if model.TASK == "language" and model.reader_.kind == "music" else None
            if model.TASK != "language" or reads:
                raise ArgumentError(
                    f"pretrained {name} is a model {'of music' if reads else f'for the task {model.TASK!r}'}: give a "
                    "language model of texts, from `ricorda train language`"
                )
            if model.reverse and not both:
                raise ArgumentError(
                    f"pretrained {name} reads from the end, and the new model does not: leave it out, or read in both "
                    "directions"
                )
        if len(models) == 2:
            _check_pair(names, models)
        return cls(tuple(sorted(models, key=lambda model: bool(model.reverse))))

    def settings(self) -> dict[str, Any]:
        """What a resumed training has to begin with too: a hash of all weights, wherever their folders are."""
        weights = fingerprint(*(model.network_.state_dict().values() for model in self.models))
        return {"pretrained": f"weights {weights[:16]}"}

    def encoder(self, max_length: int | None) -> Encoder:
        """The encoder that reads as the language models do."""
        reader = self.models[0].reader_
        kind = "tokens" if reader.kind == "tokens" else "texts"
        return Encoder(cast(Any, kind), max_length, _with_padding(reader.vocabulary.tokenizer))

    def taken(self, model: Any) -> dict[str, Any]:
        """The parameters of a new estimator that follow from the language models, by their names.

        Raises
        ------
        ArgumentError
            If the estimator was given another value.
        """
        first = self.models[0]
        vocabulary = first.reader_.vocabulary
        taken = {
            "hidden_size": int(first.hidden_size),
            "num_layers": int(first.num_layers),
            "embedding_size": sum(int(each.embedding_size) for each in self.models),
            "vocab_size": int(first.vocab_size or len(vocabulary)),
            "min_frequency": int(first.min_frequency),
            "lowercase": first.lowercase,
            **({} if vocabulary.kind == "tokens" else {"tokenizer": vocabulary.kind}),
        }
        defaults = {field.name: field.default for field, _ in parameters_of(type(model))}
        for name, value in taken.items():
            chosen = getattr(model, name)
            if chosen not in (value, defaults[name]):
                raise ArgumentError(
                    f"{name} is {chosen!r}, and that of the pretrained model is {value!r}: leave it out, or train "
                    "another language model"
                )
        return taken

    def cell_of(self, model: Any) -> Program:
        """The cell, which is that of a new estimator too; raises ArgumentError if that was given another one."""
        program = cast(Program, self.models[0].program_)
        if model.cell != "lstm" and as_program(model.cell) != program:
            raise ArgumentError(
                f"cell is {as_program(model.cell).title}, and that of the pretrained model is {program.title}: leave "
                "it out, or train another language model"
            )
        return program

    def facts(self, model: Any) -> dict[str, Any]:
        """The fitted attributes of an estimator that follow."""
        return {"taken_": self.taken(model), "program_": self.cell_of(model)}

    @property
    def summary(self) -> dict[str, Any]:
        """What a training's summary says of them: nothing."""
        return {}

    def begin(self, embedding: nn.Embedding, recurrent: nn.Module) -> None:
        """Give an embedding and recurrent layers of the sizes of `taken` the weights of the language models."""
        own = recurrent.state_dict()  # What is never trained is among it.
        with torch.no_grad():
            embedding.weight.copy_(self._embeddings())
            first = 0
            for model in self.models:
                for name, weight in model.network_.recurrent.state_dict().items():
                    _put(own[name + "_reverse" * model.reverse], weight, _first_column(name, model, first))
                first += int(model.embedding_size)

    def _embeddings(self) -> Tensor:
        """The vectors of all tokens, [vocabulary, E], those of the models side by side; that of padding is zero."""
        vectors = torch.cat([model.network_.embedding.weight for model in self.models], dim=1).clone()
        vectors[UNKNOWN] = vectors[UNKNOWN_OF_LANGUAGE]
        vectors[PADDING] = 0
        return vectors


def _check_pair(names: Sequence[str], models: Sequence[Any]) -> None:
    """Raise ArgumentError unless two language models are a pair."""
    pair, one, other = " and ".join(names), *models
    if bool(one.reverse) == bool(other.reverse):
        how = "from the end" if one.reverse else "in order"
        raise ArgumentError(
            f"pretrained {pair} both read {how}: give one of each, the other trained "
            f"{'without' if one.reverse else 'with'} --reverse"
        )
    tokens = [model.reader_.vocabulary.tokenizer.to_str() for model in models]
    sizes = [(model.hidden_size, model.num_layers) for model in models]
    different = {"tokens": tokens, "cells": [one.program_, other.program_], "sizes": sizes}
    for what, (first, second) in different.items():
        if first != second:
            raise ArgumentError(
                f"pretrained {pair} have different {what}: train both on the same texts with the same options, but for "
                "--reverse"
            )


def _with_padding(tokenizer: Tokenizer) -> Tokenizer:
    """The same tokeniser with `MARKS` at the ids 0 and 1; all other ids stay."""
    content = json.loads(tokenizer.to_str())
    ids: dict[str, int] = content["model"]["vocab"]
    # A word that is spelled as a mark gets a name that no text has, so that its id stays.
    content["model"]["vocab"] = {
        MARKS[id] if id < len(MARKS) else f"{token} " if token in MARKS else token: id for token, id in ids.items()
    }
    return Tokenizer.from_str(json.dumps(content))


def _first_column(name: str, model: Any, embedded: int) -> int:
    """The column of a new model's input weights at which those of a language model's layer begin."""
    level = re.search(r"_l(\d+)$", name)
    assert level is not None, f"{name} names no layer"
    return embedded if level[1] == "0" else int(model.hidden_size) * model.reverse


def _put(weight: Tensor, of_language: Tensor, first: int) -> None:
    """Copy a weight into one of the same shape, or into columns of a wider one, whose other columns become zero."""
    if weight.shape != of_language.shape:
        weight.zero_()
        weight = weight[:, first : first + of_language.shape[1]]
    weight.copy_(of_language)
