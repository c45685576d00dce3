"""Defaults on little data, beside what costs nothing: a part of `make check-real`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from reached import Row, mean_of, there
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import ricorda
from ricorda import Forecaster, SequenceClassifier
from ricorda.data.read import read_examples
from ricorda.data.series import Series, read_series
from ricorda.tasks.forecast.backtest import MODEL

SAMPLES = Path(ricorda.__file__).parent / "samples"
ALLOWED = {60: 0.05, 200: 0.02, 600: 0.02, 2_600: 0.02}
"""Rows of the sample reviews, and how far below the bag of words the accuracy may be."""

SERIES = {"airline-passengers": "Month", "monthly-sunspots": "Month", "daily-min-temperatures": "Date"}
HORIZONS, TRAINED_ON, MEAN_OF = (1, 7, 12), 0.8, 28


def check(data: Path, seeds: Sequence[int]) -> Iterator[Row]:
    """The samples' first rows with each seed; three series, of which the last fifth is forecast, with one seed."""
    for rows, allowed in ALLOWED.items():
        yield _reviews(rows, allowed, seeds)
    if there(data / "univariate_series"):
        for name, column in SERIES.items():
            series = read_series(data / "univariate_series" / f"{name}.csv", time=column)
            yield from (_series(name, series, horizon, seeds[0]) for horizon in HORIZONS)


def _reviews(rows: int, allowed: float, seeds: Sequence[int]) -> Row:
    training, test = read_examples(SAMPLES / "reviews.csv"), read_examples(SAMPLES / "reviews_test.csv")
    X, y = training.inputs[:rows], training.labels[:rows]
    bag = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(X, y).score(test.inputs, test.labels)
    accuracies, minutes = [], []
    for seed in seeds:
        start = time.perf_counter()
        model = SequenceClassifier(random_state=seed).fit(X, y)
        minutes.append((time.perf_counter() - start) / 60)
        accuracies.append(model.score(test.inputs, test.labels))
    return Row(
        f"small: the first {rows:,} sample reviews, test accuracy (bag of words {bag:.1%})",
        mean_of(accuracies, ".1%"),
        f"{bag - allowed:.1%}",
        max(minutes),
        sum(accuracies) / len(accuracies) >= bag - allowed,
    )


def _series(name: str, series: Series, horizon: int, seed: int) -> Row:
    cut = int(TRAINED_ON * len(series))
    start = time.perf_counter()
    model = Forecaster(horizon=horizon, random_state=seed).fit(series.part(0, cut))
    minutes = (time.perf_counter() - start) / 60
    rest = series.part(cut - max(model.facts_.context, model.facts_.season, MEAN_OF), len(series))
    tested = model.backtest(rest)
    recent = np.stack([rest.values[origin - MEAN_OF : origin].mean(0) for origin in tested.origins])[:, None]
    errors = {who: figures.mae for who, figures in tested.overall.items()}
    errors[f"a mean of {MEAN_OF} steps"] = float((np.abs(tested.truth - recent) / tested.deviations).mean())
    reached = errors.pop(MODEL)
    best = min(errors, key=errors.__getitem__)
    return Row(
        f"small: {name}, {horizon} ahead, mean absolute error (deviations)",
        f"{reached:.3f}",
        f"at most {errors[best]:.3f} ({best})",
        minutes,
        reached <= errors[best],
    )
