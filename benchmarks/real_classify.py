"""Sentiment of sentences: `SequenceClassifier` with its defaults; a part of `make check-real`."""

from __future__ import annotations

import csv
import gzip
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reached import Row, mean_of, there

from ricorda import SequenceClassifier
from ricorda.data.read import read_examples

MINUTES = 3.0

Labelled = tuple[list[str], list[str]]
Parts = tuple[Labelled, Labelled, Labelled]


@dataclass(frozen=True)
class Set:
    """A data set, how to read its training, validation and test parts, and the accuracy to reach."""

    name: str
    folder: str
    read: Callable[[Path], Parts]
    majority: float
    to_reach: float


def sst(folder: Path) -> Parts:
    """SST-2, sentences only, with its published split."""

    def part(name: str) -> Labelled:
        examples = read_examples(folder / f"stsa.binary.{name}")
        return examples.inputs, examples.labels

    return part("train.gz"), part("dev"), part("test")


def multiemotions(folder: Path) -> Parts:
    """Comments that are positive or negative and not both; split by the line's number in the file modulo 10."""
    parts: dict[str, Labelled] = {"train": ([], []), "dev": ([], []), "test": ([], [])}
    for number, row in _lines(folder / "MultiEmotions-It.tsv.gz"):
        if row["POS"] != row["NEG"] and row["UNRELATED"] == "0":
            texts, labels = parts[{0: "test", 1: "dev"}.get(number % 10, "train")]
            texts.append(row["comment"])
            labels.append("positive" if row["POS"] == "1" else "negative")
    return parts["train"], parts["dev"], parts["test"]


def _lines(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of an unquoted TSV with their line numbers; the header is line 1."""
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        yield from enumerate(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE), start=2)


SETS = (
    Set("SST-2, from scratch", "sst", sst, majority=0.501, to_reach=0.79),
    Set("MultiEmotions-It, positive or negative", "multiemotions_it", multiemotions, majority=0.714, to_reach=0.80),
)


def check(data: Path, seeds: Sequence[int]) -> Iterator[Row]:
    """Train on each set with every seed."""
    for data_set in SETS:
        if there(data / data_set.folder):
            yield _row(data_set, data / data_set.folder, seeds)


def _row(data_set: Set, folder: Path, seeds: Sequence[int]) -> Row:
    train, dev, test = data_set.read(folder)
    accuracies, minutes = [], []
    for seed in seeds:
        start = time.perf_counter()
        model = SequenceClassifier(random_state=seed).fit(*train, validation=dev)
        minutes.append((time.perf_counter() - start) / 60)
        accuracies.append(model.evaluate(*test).accuracy)
    return Row(
        f"classification: {data_set.name}, test accuracy (majority {data_set.majority:.1%})",
        mean_of(accuracies, ".1%"),
        f"{data_set.to_reach:.1%} in {MINUTES:g} minutes",
        max(minutes),
        sum(accuracies) / len(accuracies) >= data_set.to_reach and max(minutes) < MINUTES,
    )
