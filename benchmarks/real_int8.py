"""What int8 inference loses on real data: test sets predicted in float32 and in int8; a part of `make check-real`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from reached import Row, there
from real_classify import SETS
from real_tag import FOLDER

from ricorda import SequenceClassifier, SequenceTagger
from ricorda.data.tagged import read_tagged
from ricorda.nn import set_precision

MOST = 0.003
"""Of accuracy."""

TAG_EPOCHS = 3
"""Enough for the network to be sure of most tags; the loss is measured against the same network."""


def check(data: Path, seeds: Sequence[int]) -> Iterator[Row]:
    """Train with the first seed on each set."""
    for data_set in SETS:
        if there(data / data_set.folder):
            train, dev, test = data_set.read(data / data_set.folder)
            started = time.perf_counter()
            model: Any = SequenceClassifier(random_state=seeds[0]).fit(*train, validation=dev)
            yield _row(data_set.name, model, test, (time.perf_counter() - started) / 60)
    folder = data / FOLDER
    if there(folder):
        train, dev, test = (
            read_tagged(folder / f"it_isdt_{part}")
            for part in ("train_tagged.txt.gz", "dev_tagged.txt", "test_tagged.txt")
        )
        started = time.perf_counter()
        model = SequenceTagger(random_state=seeds[0], epochs=TAG_EPOCHS)
        model.fit(train, train.labels, validation=(dev, dev.labels))
        yield _row("XPOS of Italian ISDT", model, (test, test.labels), (time.perf_counter() - started) / 60)


def _row(name: str, model: Any, test: tuple[Any, Any], minutes: float) -> Row:
    accuracies = {}
    for precision in ("float32", "int8"):
        set_precision(model.network_, precision)
        accuracies[precision] = float(model.evaluate(*test).accuracy)
    lost = accuracies["float32"] - accuracies["int8"]
    return Row(
        f"int8: {name}, test accuracy lost to float32",
        f"{100 * lost:+.2f} points ({accuracies['float32']:.2%} to {accuracies['int8']:.2%})",
        f"at most {100 * MOST:g} points",
        minutes,
        lost <= MOST,
    )
