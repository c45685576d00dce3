"""MNIST pixel by pixel, 784 steps of one number: `SequenceClassifier` beside the accuracy to reach."""

from __future__ import annotations

import gzip
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricorda import SequenceClassifier

Row = tuple[str, str, str, float, bool]
"""What it is, what was reached, what is asked, minutes, and whether it holds."""

TO_REACH, MINUTES = 0.975, 40.0
SETTINGS: dict[str, Any] = {
    "cell": "gru",
    "hidden_size": 96,
    "bidirectional": False,
    "memory": 784,  # without it the loss stays at ln 10 for many epochs
    "pooling": "last",
    "dropout": 0.0,
    "batch_size": 64,
    "epochs": 14,
    "learning_rate": 4e-3,
    "weight_decay": 0.01,
    "precision": "bf16",
}


def check(data: Path, seeds: Sequence[int], *, examples: int | None = None, **parameters: Any) -> list[Row]:
    """Train with the first seed on the 60,000 digits and evaluate on the 10,000; fewer `examples` for a trial.

    The epoch is chosen by a twentieth of the training digits.
    """
    folder = data / "mnist"
    if not folder.is_dir():
        print(f"skipped: {folder} is absent")
        return []
    images, labels = digits(folder, "train")
    others, truth = digits(folder, "t10k")
    settings = {**SETTINGS, "validation_fraction": 0.05, **parameters}
    started = time.perf_counter()
    model = SequenceClassifier(random_state=seeds[0], **settings)
    model.fit(images[:examples], labels[:examples], progress=True)
    minutes = (time.perf_counter() - started) / 60
    accuracy = model.evaluate(others[:examples], truth[:examples]).accuracy
    return [
        (
            f"digits, 784 steps of a pixel, {settings['cell']} of {settings['hidden_size']} units",
            f"{accuracy:.2%}",
            f"{TO_REACH:.1%} in {MINUTES:g} minutes",
            minutes,
            accuracy >= TO_REACH and minutes <= MINUTES,
        )
    ]


def digits(folder: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images uint8 [N, 784] and their digits [N], of the part "train" or "t10k"."""
    images = _numbers(folder / f"{part}-images-idx3-ubyte.gz", header=16)
    labels = _numbers(folder / f"{part}-labels-idx1-ubyte.gz", header=8)
    return images.reshape(len(labels), 784), labels


def _numbers(path: Path, header: int) -> NDArray[np.uint8]:
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), dtype=np.uint8, offset=header)


if __name__ == "__main__":
    for row in check(Path(__file__).parents[2] / "shared" / "data", (0,)):
        print(row)
