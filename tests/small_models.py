"""Tiny classifiers, and examples of each kind for them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricorda import SequenceClassifier

GOOD = ["a warm and funny film", "I loved it", "funny from start to end", "what a lovely cast", "warm, wise, lovely"]
BAD = ["dull from start to end", "I slept", "a dull and lazy film", "what a lazy cast", "dull, lazy, too long"]
TEXTS = [text for pair in zip(GOOD, BAD, strict=True) for text in pair] * 3
LABELS = ["good", "bad"] * 15
TOKENS = [text.replace(",", "").split() for text in TEXTS]
SIZES: dict[str, Any] = {"hidden_size": 4, "embedding_size": 4, "epochs": 2, "batch_size": 8, "bidirectional": False}
LEARNING: dict[str, Any] = {"epochs": 10, "learning_rate": 0.05, "dropout": 0.0, "validation_fraction": 0.0}
READING: dict[str, Any] = {"tokenizer": "word", "min_frequency": 1}


def small(**parameters: Any) -> SequenceClassifier:
    """A classifier that trains in some 50 ms."""
    return SequenceClassifier(**{**SIZES, **READING, "random_state": 0, "device": "cpu", **parameters})


def series(count: int = 30, features: int = 2, seed: int = 0) -> tuple[list[NDArray[np.float64]], list[bool]]:
    """Walks of 3 to 8 steps, and whether the first feature rises."""
    random = np.random.default_rng(seed)
    walks = [random.normal(size=(int(random.integers(3, 9)), features)).cumsum(0) for _ in range(count)]
    return walks, [bool(walk[-1, 0] > walk[0, 0]) for walk in walks]
