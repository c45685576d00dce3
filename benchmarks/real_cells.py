"""Cells as language models of words, in the set-up of FastGRNN's paper; a part of `make check-real`.

Kusupati et al. (2018), 'FastGRNN: a fast, accurate, stable and tiny kilobyte sized gated recurrent neural network',
have the test perplexity of one layer of each cell on the Penn Treebank, in sequences of 300 words. Each training keeps
its checkpoints, so a check that was stopped goes on where it ended.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from reached import Row, fast_precision, there

from ricorda import LanguageModel
from ricorda.data.corpus import read_text

PUBLISHED = {"rnn": 144.7, "fastrnn": 127.8, "ugrnn": 119.7, "lstm": 117.4, "fastgrnn": 116.1}
WITHIN = 1.03
"""What is reached may be above what is published by so much."""

CHOICES: dict[str, Any] = {
    "tokenizer": "word",
    "hidden_size": 256,
    "embedding_size": 256,
    "num_layers": 1,
    "window": 300,
    "batch_size": 10,
    "dropout": 0.4,
    "learning_rate": 3e-3,
    "schedule": "cosine",
    "adaptive_softmax": True,  # The softmax of 10,000 words would take most of the time.
    "epochs": 8,
}
WORK = Path(__file__).parents[1] / "build" / "real_cells"


def check(data: Path, seeds: Sequence[int]) -> Iterator[Row]:
    """Train each cell with the first seed."""
    if not there(data / "ptb"):
        return
    training, validation, test = (
        read_text(str(data / "ptb" / name)) for name in ("ptb.train.txt.gz", "ptb.valid.txt", "ptb.test.txt")
    )
    for cell, published in PUBLISHED.items():
        started = time.perf_counter()
        folder = WORK / f"{cell}-{seeds[0]}"
        model = LanguageModel(cell, random_state=seeds[0], precision=fast_precision(), **CHOICES)
        model.fit(training, validation=validation, folder=folder, resume=folder.is_dir())
        perplexity = model.evaluate(test).perplexity or float("inf")
        yield Row(
            f"language: words, one layer of {cell}, test perplexity",
            f"{perplexity:.1f}",
            f"{published} and 3 %",
            (time.perf_counter() - started) / 60,
            perplexity <= WITHIN * published,
        )
