"""Translations of sentences: batches of like length, searched and put back in order; and their attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from ricorda.tasks.encoding import collate
from ricorda.tasks.evaluating import evaluating
from ricorda.tasks.translate.beam import Hypothesis, Search, longest, search
from ricorda.tasks.translate.network import BOUNDARY, EncoderDecoder

ROWS_AT_ONCE = 320
"""Rows of the decoder at once, sentences times beam: enough for large products, few enough to bound the memory."""

END = "</s>"
"""The token that shows the end of a translation."""


@dataclass(frozen=True)
class Translation:
    """A translation, the score that ranks it, and ln of its probability."""

    text: str
    score: float
    log_probability: float


@dataclass(frozen=True)
class Alignment:
    """The attention while a translation was written.

    Parameters
    ----------
    source, target : tuple of str
        Tokens; ▁ stands where a word begins, and the last target token is its end.
    weights : float array [target, source]
        The weight of each source token for each target token; rows sum to one.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    weights: NDArray[np.float32]


def answer_of(sentence: str, best: Sequence[Translation]) -> dict[str, Any]:
    """What `ricorda predict --json` prints of a sentence."""
    return {"source": sentence, "translations": [vars(translation) for translation in best]}


def translations(network: EncoderDecoder, sources: Sequence[Tensor], options: Search) -> list[list[Hypothesis]]:
    """The best translations of each source [S], best first; the network's mode is left as it was."""
    device = network.output.weight.device
    order = np.argsort([len(source) for source in sources], kind="stable")
    at_once = max(1, ROWS_AT_ONCE // options.beam_size)
    best: list[list[Hypothesis]] = [[] for _ in sources]
    with evaluating(network):
        for start in range(0, len(order), at_once):
            rows = order[start : start + at_once]
            inputs, lengths = collate([sources[row] for row in rows], device)
            beams = search(network, network.start(inputs, lengths), longest(lengths.tolist()), options)
            for row, beam in zip(rows, beams, strict=True):
                best[row] = beam
    return best


def alignment(
    network: EncoderDecoder, source: Tensor, target: Sequence[int], tokenizers: tuple[Tokenizer, Tokenizer]
) -> Alignment:
    """The attention of a network in evaluation mode while it writes a target [T] and its end."""
    device = network.output.weight.device
    with torch.inference_mode():
        started = network.start(source.unsqueeze(1).to(device), torch.tensor([len(source)]))
        inputs = torch.tensor([[BOUNDARY, *target]], device=device).t()
        _, weights = network.teach(started, inputs, torch.tensor([len(inputs)]))
    assert weights is not None  # The caller has checked that there is attention.
    of_source, of_target = tokenizers
    return Alignment(
        tuple(str(of_source.id_to_token(id)) for id in source.tolist()),
        (*(str(of_target.id_to_token(id)) for id in target), END),
        weights[0].float().cpu().numpy(),
    )
