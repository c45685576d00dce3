"""Part-of-speech tagging of Italian: `SequenceTagger` beside the accuracy to reach; a part of `make check-real`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from ricorda import SequenceTagger
from ricorda.data.tagged import read_tagged

FOLDER = "ud_italian_isdt"
TO_REACH, MINUTES, WORDS_PER_SECOND = 0.975, 10.0, 20_000
TWIN_TO_REACH, TWIN_MINUTES = 0.973, 3.2
"""A plain torch network of 2 x 150 LSTM units with characters reached this in twice the time."""

Row = tuple[str, str, str, float, bool]


def check(data: Path, seeds: Sequence[int], **parameters: object) -> list[Row]:
    """Train with the estimator's defaults (but `parameters`), and the twin's sizes; rows of what was reached.

    Returns
    -------
    list of (what, reached, asked, minutes, ok)
    """
    folder = data / FOLDER
    if not folder.is_dir():
        print(f"tagging is skipped: {folder} is absent")
        return []
    return [
        *_rows(folder, seeds, "tagging: XPOS of Italian ISDT", TO_REACH, MINUTES, parameters),
        *_rows(
            folder,
            seeds[:1],
            "tagging: the same, of the torch twin's sizes",
            TWIN_TO_REACH,
            TWIN_MINUTES,
            {"hidden_size": 150, "epochs": 10, **parameters},
        )[:1],
    ]


def _rows(
    folder: Path, seeds: Sequence[int], what: str, to_reach: float, most: float, parameters: dict[str, object]
) -> list[Row]:
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
    mean, slowest = statistics.mean(accuracies), max(minutes)
    each = " ".join(f"{accuracy:.2%}" for accuracy in accuracies)
    words = min(speeds)
    return [
        (
            f"{what}, test accuracy",
            f"{mean:.2%} ({each})",
            f"{to_reach:.1%} in {most:g} minutes",
            slowest,
            mean >= to_reach and slowest <= most,
        ),
        (
            f"{what}, words predicted a second",
            f"{words:,.0f}",
            f"{WORDS_PER_SECOND:,}",
            slowest,
            words >= WORDS_PER_SECOND,
        ),
    ]
