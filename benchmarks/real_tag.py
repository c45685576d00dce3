"""Part-of-speech tagging of Italian: `SequenceTagger` beside the accuracy to reach; a part of `make check-real`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from reached import Row, mean_of, there

from ricorda import SequenceTagger
from ricorda.data.tagged import read_tagged

FOLDER = "ud_italian_isdt"
TO_REACH, MINUTES, WORDS_PER_SECOND = 0.975, 10.0, 20_000
EPOCHS = 10
"""The estimator's own 15 reach 0.2 more, in half as much time again."""
TWIN_TO_REACH, TWIN_MINUTES = 0.973, 3.2
"""A plain torch network of 2 x 150 LSTM units with characters reached this in twice the time."""


def check(data: Path, seeds: Sequence[int]) -> Iterator[Row]:
    """Train with the estimator's sizes, and with the twin's."""
    folder = data / FOLDER
    if not there(folder):
        return
    yield from _rows(folder, seeds, "tagging: XPOS of Italian ISDT", TO_REACH, MINUTES, {"epochs": EPOCHS})
    twin = {"hidden_size": 150, "epochs": EPOCHS}
    yield from _rows(
        folder, seeds[:1], "tagging: the same, of the torch twin's sizes", TWIN_TO_REACH, TWIN_MINUTES, twin
    )


def _rows(
    folder: Path, seeds: Sequence[int], what: str, to_reach: float, most: float, parameters: dict[str, int]
) -> Iterator[Row]:
    train, dev, test = (
        read_tagged(folder / f"it_isdt_{part}") for part in ("train_tagged.txt.gz", "dev_tagged.txt", "test_tagged.txt")
    )
    accuracies, minutes, speeds = [], [], []
    for seed in seeds:
        start = time.perf_counter()
        model = SequenceTagger(random_state=seed, **parameters).fit(train, train.labels, validation=(dev, dev.labels))
        minutes.append((time.perf_counter() - start) / 60)
        accuracies.append(model.evaluate(test, test.labels).accuracy)
        start = time.perf_counter()
        model.predict(train.inputs[:4_000])
        speeds.append(sum(map(len, train.inputs[:4_000])) / (time.perf_counter() - start))
    yield Row(
        f"{what}, test accuracy",
        mean_of(accuracies, ".2%"),
        f"{to_reach:.1%} in {most:g} minutes",
        max(minutes),
        statistics.mean(accuracies) >= to_reach and max(minutes) <= most,
    )
    yield Row(
        f"{what}, words predicted a second",
        f"{min(speeds):,.0f}",
        f"{WORDS_PER_SECOND:,}",
        max(minutes),
        min(speeds) >= WORDS_PER_SECOND,
    )
