"""The text that a model writes after a prompt, in the prompt's form: text, tokens, or the notes of music."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor

from ricorda.data.music import check_pieces, notes_of
from ricorda.data.vocabulary import END, UNKNOWN, Vocabulary
from ricorda.errors import ArgumentError
from ricorda.tasks.language import generation
from ricorda.tasks.language.generation import Sampling
from ricorda.tasks.language.network import NextStep
from ricorda.tasks.language.reading import Reader


def written(
    network: NextStep,
    reader: Reader,
    prompt: Any,
    sampling: Sampling,
    *,
    length: int,
    seed: int | None,
    condition: Tensor | None,
) -> Iterator[Any]:
    """Continue a prompt; arguments and pieces are those of `LanguageModel.generate`.

    Raises
    ------
    ArgumentError, DataError
        At once, if an argument is invalid, or the prompt has steps that the model does not know.
    """
    if type(length) is not int or length < 1:
        raise ArgumentError(f"length is {length!r}: give a whole number of at least 1")
    if seed is not None and (type(seed) is not int or not 0 <= seed < 2**63):
        raise ArgumentError(f"seed is {seed!r}: give a whole number of at least 0")
    seed = int(torch.randint(2**62, ())) if seed is None else seed
    write = _music if reader.kind == "music" else _text
    return write(network, reader, prompt, sampling, length, seed, condition)


def _music(
    network: NextStep, reader: Reader, prompt: Any, sampling: Sampling, length: int, seed: int, condition: Tensor | None
) -> Iterator[list[int]]:
    if sampling.top_k is not None or sampling.top_p is not None:
        raise ArgumentError("top_k and top_p are for texts: music has several notes at once, choose temperature")
    if prompt:
        check_pieces([prompt], "prompt")
    opening = reader.prompt(prompt)
    steps = generation.keys(network, opening, sampling.temperature, length=length, seed=seed, condition=condition)
    return map(notes_of, steps)


def _text(
    network: NextStep, reader: Reader, prompt: Any, sampling: Sampling, length: int, seed: int, condition: Tensor | None
) -> Iterator[str]:
    wanted: Any = list if reader.kind == "tokens" else str
    if prompt and not isinstance(prompt, wanted):
        what = "a list of tokens" if wanted is list else "a text"
        raise ArgumentError(f"prompt is of type {type(prompt).__name__}: give {what}")
    vocabulary = cast(Vocabulary, reader.vocabulary)
    ends = reader.ends or vocabulary.kind == "word"
    ids = generation.tokens(
        network,
        reader.prompt(prompt),
        sampling,
        length=length,
        seed=seed,
        never=(UNKNOWN,) if ends else (UNKNOWN, END),
        end=END if reader.ends else None,
        condition=condition,
    )
    at_line_start = not prompt or (isinstance(prompt, str) and prompt[-1].isspace())
    writer = vocabulary.writer(at_line_start=at_line_start)
    return (text for text in map(writer.write, ids) if text)
