"""MNIST pixel by pixel, 784 steps of one number: `SequenceClassifier` beside the accuracy to reach."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from reached import Row, fast_precision, there

from ricorda import SequenceClassifier

TO_REACH, MINUTES = 0.975, 40.0
SETTINGS: dict[str, Any] = {
    "cell": "gru",
    "hidden_size": 96,
    "bidirectional": False,
    "memory": 784,  # Without it the loss stays at ln 10 for many epochs.
    "pooling": "last",
    "dropout": 0.0,
    "batch_size": 64,
    "epochs": 10,
    "learning_rate": 4e-3,
    "weight_decay": 0.01,
}


def check(data: Path, seeds: Sequence[int]) -> Iterator[Row]:
    """Train with the first seed on the 60,000 digits and evaluate on the 10,000.

    The epoch is chosen by a twentieth of the training digits.
    """
    if not there(data / "mnist"):
        return
    images, labels = digits(data / "mnist", "train")
    others, truth = digits(data / "mnist", "t10k")
    started = time.perf_counter()
    model = SequenceClassifier(
        validation_fraction=0.05, precision=fast_precision(), random_state=seeds[0], **SETTINGS
    ).fit(images, labels)
    minutes = (time.perf_counter() - started) / 60
    accuracy = model.evaluate(others, truth).accuracy
    yield Row(
        f"digits, 784 steps of a pixel, {SETTINGS['cell']} of {SETTINGS['hidden_size']} units, test accuracy",
        f"{accuracy:.2%}",
        f"{TO_REACH:.1%} in {MINUTES:g} minutes",
        minutes,
        accuracy >= TO_REACH and minutes <= MINUTES,
    )


def digits(folder: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images uint8 [N, 784] and their digits [N], of the part "train" or "t10k"."""
    images = _numbers(folder / f"{part}-images-idx3-ubyte.gz", header=16)
    labels = _numbers(folder / f"{part}-labels-idx1-ubyte.gz", header=8)
    return images.reshape(len(labels), 784), labels


def _numbers(path: Path, header: int) -> NDArray[np.uint8]:
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), dtype=np.uint8, offset=header)
