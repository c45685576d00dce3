"""Classifiers of texts, defaults beside the best linear model, from 100 texts on: a part of `make check-real`."""

from __future__ import annotations

import csv
import gzip
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from reached import Row, mean_of, there
from real_classify import Labelled, Parts, multiemotions, sst
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from ricorda import SequenceClassifier
from ricorda.data.read import read_examples

SIZES = (100, 300, 1_000, 3_000, 0)
"""Training texts, drawn anew for each seed; 0 for all."""

BEHIND, AHEAD = 0.01, 0.005
"""How far below the best linear model a part of the texts may come, and how far above it all of them."""

SST_2 = 0.825
"""The accuracy asked of SST-2 from all of its sentences."""

MINUTES = 3.0
STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0)
LINEAR: dict[str, Callable[[float], Any]] = {
    "TF-IDF of words": lambda strength: _logistic(TfidfVectorizer(sublinear_tf=True), strength),
    "of words and pairs": lambda strength: _logistic(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), strength),
    "of characters": lambda strength: _logistic(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 5), sublinear_tf=True), strength
    ),
    "naive Bayes of words and pairs": lambda strength: make_pipeline(
        CountVectorizer(ngram_range=(1, 2), binary=True), MultinomialNB(alpha=1 / strength)
    ),
}


class Set(NamedTuple):
    """A data set: its name, its folder and how its training, validation and test parts are read."""

    name: str
    folder: str
    read: Callable[[Path], Parts]


def sst_fine(folder: Path) -> Parts:
    """SST in five classes, sentences only, with its published split."""

    def part(name: str) -> Labelled:
        examples = read_examples(folder / f"stsa.fine.{name}")
        return examples.inputs, examples.labels

    return part("train.gz"), part("dev"), part("test")


def sentipolc(folder: Path, label: Callable[[Sequence[str]], str]) -> Parts:
    """Tweets with the published test part; every tenth of the others is for validation."""
    with gzip.open(folder / "sentipolc16_train.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = [(row[8], label(row)) for row in list(csv.reader(file))[1:]]
    gold = []
    for line in (folder / "sentipolc16_gold2000_text.csv").read_text(encoding="utf-8").splitlines():
        match = re.match(r'"(\d+)"((?:,"\d+"){7}),"(.*)"$', line)  # Its quotes are not those of a CSV.
        if match:
            gold.append((match[3].replace('\\"', '"'), label(["", *re.findall(r"\d+", match[2])])))
    training = [row for place, row in enumerate(rows) if place % 10]
    return _pair(training), _pair(rows[::10]), _pair(gold)


SETS = (
    Set("SST-2", "sst", sst),
    Set("SST, five classes", "sst", sst_fine),
    Set("MultiEmotions-It", "multiemotions_it", multiemotions),
    Set("sentipolc, subjective or not", "sentipolc2016", lambda folder: sentipolc(folder, lambda row: row[1])),
    Set("sentipolc, polarity in four", "sentipolc2016", lambda folder: sentipolc(folder, lambda row: row[2] + row[3])),
)


def check(data: Path, seeds: Sequence[int]) -> Iterator[Row]:
    """Each set, from few texts to all; the validation part chooses, our epochs as the linear models' settings."""
    for one in SETS:
        if there(data / one.folder):
            parts = one.read(data / one.folder)
            train, dev, test = (_pair([row for row in zip(*part, strict=True) if row[0].strip()]) for part in parts)
            for size in SIZES:
                if size < len(train[0]):
                    yield _row(one.name, size, train, dev, test, seeds)


def _row(name: str, size: int, train: Labelled, dev: Labelled, test: Labelled, seeds: Sequence[int]) -> Row:
    ours, theirs, errors, minutes, chosen = [], [], [], [], list[str]()
    for seed in seeds:
        X, y = _some(train, size, seed)
        start = time.perf_counter()
        model = SequenceClassifier(random_state=seed).fit(X, y, validation=_known(dev, y))
        minutes.append((time.perf_counter() - start) / 60)
        known = _known(test, y)
        report = model.evaluate(*known)
        ours.append(report.accuracy * len(known[0]) / len(test[0]))
        errors.append(report.calibration_error)
        if size or not theirs:
            best, reached = _linear(X, y, dev, test)
            chosen.append(best)
            theirs.append(reached)
    mean, linear = float(np.mean(ours)), float(np.mean(theirs))
    asked = linear - BEHIND if size else max(linear + AHEAD, SST_2 if name == "SST-2" else 0.0)
    return Row(
        f"one class: {name}, {size or len(train[0]):,} texts, test accuracy (linear {linear:.1%}, {chosen[0]}; "
        f"calibration error {np.mean(errors):.1%})",
        mean_of(ours, ".1%"),
        f"{asked:.1%} in {MINUTES:g} minutes",
        max(minutes),
        mean >= asked and max(minutes) < MINUTES,
    )


def _linear(X: Sequence[str], y: Sequence[str], dev: Labelled, test: Labelled) -> tuple[str, float]:
    """The linear model that is best on the validation part, and its accuracy on the test part."""
    best = ("", -1.0, 0.0)
    for name, make in LINEAR.items():
        for strength in STRENGTHS:
            model = make(strength).fit(X, y)
            validated = model.score(*dev)
            if validated > best[1]:
                best = (f"{name}, {strength:g}", validated, model.score(*test))
    return best[0], best[2]


def _logistic(vectors: Any, strength: float) -> Any:
    one = LogisticRegression(C=strength, solver="liblinear", dual=True, max_iter=200, random_state=0)
    return make_pipeline(vectors, OneVsRestClassifier(one))


def _some(part: Labelled, size: int, seed: int) -> Labelled:
    """So many rows at random, or all."""
    rows = list(zip(*part, strict=True))
    if size:
        rows = [rows[place] for place in np.random.default_rng(1_000 + seed).permutation(len(rows))[:size]]
    return _pair(rows)


def _known(part: Labelled, y: Sequence[str]) -> Labelled:
    """The rows with a label that a model of `y` knows."""
    return _pair([row for row in zip(*part, strict=True) if row[1] in set(y)])


def _pair(rows: Sequence[tuple[str, str]]) -> Labelled:
    return [text for text, _ in rows], [label for _, label in rows]
