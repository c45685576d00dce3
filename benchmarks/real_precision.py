"""Whether training in bf16 goes as it does in float32: the classifier's loss curves; a part of `make check-real`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from reached import Row, there
from real_classify import Labelled, sst

from ricorda import SequenceClassifier

CURVES = ("loss", "validation_loss")
MOST = 2.0
"""Standard errors of a difference of means that seeds alone explain."""


def check(data: Path, seeds: Sequence[int]) -> Iterator[Row]:
    """Train on SST-2 with every seed in both precisions, and compare the means of the losses epoch by epoch."""
    if not there(data / "sst"):
        return
    train, dev, _ = sst(data / "sst")
    started = time.perf_counter()
    single, half = (np.array([_curves(train, dev, seed, precision) for seed in seeds]) for precision in ("32", "bf16"))
    minutes = (time.perf_counter() - started) / 60 / (2 * len(seeds))
    difference = np.abs(half.mean(0) - single.mean(0))  # [curves, epochs]
    variance = (half.var(0, ddof=1) + single.var(0, ddof=1)) / 2
    errors = difference / np.sqrt(2 * variance / len(seeds))
    for name, of_epoch, apart in zip(CURVES, errors, difference, strict=True):
        yield Row(
            f"precision: SST-2, {name} of bf16 beside float32, largest difference of an epoch",
            f"{of_epoch.max():.2f} standard errors over the seeds ({apart.max():.4f} nats)",
            f"at most {MOST:g} standard errors",
            minutes,
            bool(of_epoch.max() <= MOST),
        )


def _curves(train: Labelled, dev: Labelled, seed: int, precision: str) -> list[NDArray[np.float64]]:
    history = SequenceClassifier(random_state=seed, precision=precision).fit(*train, validation=dev).history_
    return [np.array([epoch[name] for epoch in history]) for name in CURVES]
