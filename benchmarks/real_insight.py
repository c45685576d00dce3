"""Whether a verdict rests on the words that the memory view names: erasing them flips it; for `make check-real`."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from reached import Row, there
from real_classify import sst

from ricorda import SequenceClassifier
from ricorda.insight.memory.result import Memory
from ricorda.insight.memory.view import memory_of
from ricorda.insight.memory.words import window_words
from ricorda.tasks.classify.objective import probabilities

FACTOR = 3.0
COMPLETENESS = 0.01
DRAWS = 20
"""Random choices of words for each text and number of them."""
ERASED = {"1 word": 1, "2 words": 2, "3 words": 3, "10 % of the words": 0.1}
ASKED = "1 word"
"""The number of words for which the factor is asked; of the others it is told."""


def check(data: Path, seeds: Sequence[int]) -> Iterator[Row]:
    """Train on SST-2 with the first seed, and look into every sentence of its test part."""
    if not there(data / "sst"):
        return
    train, dev, (texts, _) = sst(data / "sst")
    start = time.perf_counter()
    model = SequenceClassifier(random_state=seeds[0]).fit(*train, validation=dev)
    yield from rows_of(model, texts, (time.perf_counter() - start) / 60)


def rows_of(model: SequenceClassifier, texts: Sequence[str], minutes: float) -> Iterator[Row]:
    """What is told of a trained model."""
    memories = [memory_of(model, text) for text in texts]
    ids = model.encoder_.encode("texts", texts, str)
    for name, count in ERASED.items():
        named, random, used = _flips(model, memories, ids, count)
        factor = named / random if random else math.inf
        yield Row(
            f"insight: SST-2, verdicts of {used:,} test sentences that erasing {name} flips, named by the memory view",
            f"{named:.1%}, random {random:.1%}: factor {factor:.1f}",
            f"factor {FACTOR:g}" if name == ASKED else "",
            minutes,
            factor >= FACTOR or name != ASKED,
        )
    verdicts = [memory.verdict for memory in memories if memory.verdict is not None]
    errors = [verdict.integrated.error for verdict in verdicts]
    yield Row(
        "insight: SST-2, largest completeness error of integrated gradients",
        f"{max(errors):.2%} (up to {max(verdict.integrated.points for verdict in verdicts)} points)",
        f"under {COMPLETENESS:.0%}",
        minutes,
        max(errors) < COMPLETENESS,
    )
    agreement = {
        " and ".join(pair): np.nanmean([verdict.agreement[pair] for verdict in verdicts])
        for pair in verdicts[0].agreement
    }
    told = ", ".join(f"{pair} {rho:.2f}" for pair, rho in agreement.items())
    yield Row("insight: SST-2, mean rank agreement of the accounts", told, "", minutes, True)


def _flips(
    model: SequenceClassifier, memories: Sequence[Memory], ids: Sequence[torch.Tensor], count: float
) -> tuple[float, float, int]:
    """The shares of verdicts that erasing the strongest words flips, and random ones; and of how many texts."""
    random = np.random.default_rng(0)
    named: list[Any] = []
    drawn: list[Any] = []
    labels: list[Any] = []
    for memory, sequence in zip(memories, ids, strict=True):
        words = window_words(memory)
        number = count if isinstance(count, int) else math.ceil(count * len(words))
        if len(words) <= number:  # Nothing would be left to read.
            continue
        assert memory.verdict is not None
        labels.append(memory.verdict.label)
        strongest = sorted(words, key=lambda word: -word.value)[:number]
        choices = [random.choice(len(words), number, replace=False) for _ in range(DRAWS)]
        named.append(_without(sequence, [word.pieces for word in strongest]))
        drawn.extend(_without(sequence, [words[place].pieces for place in choice]) for choice in choices)
    verdicts = np.array(labels)
    after = model.classes_[probabilities(model.network_, named).argmax(1)]
    by_chance = model.classes_[probabilities(model.network_, drawn).argmax(1)]
    return (
        float((after != verdicts).mean()),
        float((by_chance != verdicts.repeat(DRAWS)).mean()),
        len(labels),
    )


def _without(sequence: torch.Tensor, pieces: Sequence[range]) -> torch.Tensor:
    """The token ids of a text without those of some words."""
    erased = {place for piece in pieces for place in piece}
    return sequence[[place for place in range(len(sequence)) if place not in erased]]
