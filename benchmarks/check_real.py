"""Accuracy on published data sets, beside the figure to reach: `make check-real`.

The data is not part of ricorda. Where it is absent the check says so and passes.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch: see ricorda.cli

import argparse
import csv
import gzip
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

import ricorda
from ricorda import SequenceClassifier
from ricorda.data.read import read_examples

SEEDS = (0, 1, 2)
MINUTES = 3.0

Labelled = tuple[list[str], list[str]]
Parts = tuple[Labelled, Labelled, Labelled]


@dataclass(frozen=True)
class Check:
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
    for number, row in lines(folder / "MultiEmotions-It.tsv.gz"):
        if row["POS"] != row["NEG"] and row["UNRELATED"] == "0":
            texts, labels = parts[{0: "test", 1: "dev"}.get(number % 10, "train")]
            texts.append(row["comment"])
            labels.append("positive" if row["POS"] == "1" else "negative")
    return parts["train"], parts["dev"], parts["test"]


def lines(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of an unquoted TSV with their line numbers; the header is line 1."""
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        yield from enumerate(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE), start=2)


CHECKS = (
    Check("SST-2, from scratch", "sst", sst, majority=0.501, to_reach=0.79),
    Check("MultiEmotions-It, positive or negative", "multiemotions_it", multiemotions, majority=0.714, to_reach=0.80),
)


def run(check: Check, data: Path) -> bool:
    """Train once a seed with the estimator's defaults, print a line, and say whether the figure is reached."""
    folder = data / check.folder
    if not folder.is_dir():
        print(f"| {check.name} | skipped: {folder} is absent | | | | |")
        return True
    train, dev, test = check.read(folder)
    accuracies, minutes = [], []
    for seed in SEEDS:
        start = time.perf_counter()
        model = SequenceClassifier(random_state=seed).fit(*train, validation=dev)
        minutes.append((time.perf_counter() - start) / 60)
        accuracies.append(model.evaluate(*test).accuracy)
    mean = statistics.mean(accuracies)
    each = " ".join(f"{accuracy:.1%}" for accuracy in accuracies)
    reached = mean >= check.to_reach and max(minutes) < MINUTES
    print(
        f"| {check.name} | {mean:.1%} ({each}) | {check.to_reach:.1%} | {check.majority:.1%} | {max(minutes):.1f} "
        f"| {'yes' if reached else 'NO'} |",
        flush=True,
    )
    return reached


def main() -> int:
    """Run every check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    data = parser.parse_args().data
    print(
        f"ricorda {ricorda.__version__}, torch {torch.__version__}, {platform.processor() or platform.machine()}, ",
        end="",
    )
    print(f"{torch.get_num_threads()} threads, seeds {SEEDS}, the estimator's defaults\n")
    print("| task | test accuracy: mean (each seed) | to reach | majority | minutes a run, at most | reached |")
    print("| --- | --- | --- | --- | --- | --- |")
    results = [run(check, data) for check in CHECKS]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
