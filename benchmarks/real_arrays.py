"""Numbers as sequences, defaults beside a nearest neighbour and a linear model: a part of `make check-real`."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from reached import Row, mean_of, there
from real_digits import digits
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ricorda import SequenceClassifier, SequenceRegressor
from ricorda.data.synthetic import read_synthetic

ALLOWED = 0.02
"""How far below the better baseline the mean over the seeds may be."""

DIGITS = (300, 1_000, 3_000, 60_000)
"""First training digits; with over MOST_OF_EACH of them, the first seed alone is trained."""

MOST_OF_EACH, MOST_OF_LINEAR = 10_000, 3_000
STEPS = 50
"""Steps at most that sequences of different lengths are interpolated to."""

Arrays = list[NDArray[np.float64]]


class Data(NamedTuple):
    """Arrays [T, I] and what belongs to each."""

    X: Arrays
    y: NDArray[Any]


def check(data: Path, seeds: Sequence[int]) -> Iterator[Row]:
    """Speakers, digits row by row from few to all, and two synthetic regressions."""
    if there(data / "japanese_vowels"):
        folder = data / "japanese_vowels"
        training, test = _speakers(folder, "train"), _speakers(folder, "test")
        yield _row("speakers (Japanese vowels), 270 rows", training, test, seeds)
    if there(data / "mnist"):
        images, labels = digits(data / "mnist", "train")
        others, truth = digits(data / "mnist", "t10k")
        test = Data(list(others.reshape(-1, 28, 28) / 1.0), truth)
        for rows in DIGITS:
            training = Data(list(images[:rows].reshape(-1, 28, 28) / 1.0), labels[:rows])
            yield _row(
                f"digits, 28 steps of 28, {rows:,} rows", training, test, seeds[: 3 if rows <= MOST_OF_EACH else 1]
            )
    for name, draw in (("adding, T = 30, 600 rows", _adding), ("slope of a noisy series, 300 rows", _slopes)):
        rows = int(name.rpartition(", ")[2].split()[0])
        yield _row(name, draw(rows, 0), draw(1_000, 1_000_000), seeds)


def _row(name: str, training: Data, test: Data, seeds: Sequence[int]) -> Row:
    classify = training.y.dtype.kind in "iu"
    baselines = _baselines(training, test, classify=classify)
    best = max(baselines.values())
    scores, minutes = [], []
    for seed in seeds:
        start = time.perf_counter()
        model = (SequenceClassifier if classify else SequenceRegressor)(random_state=seed)
        model.fit(training.X, training.y)
        minutes.append((time.perf_counter() - start) / 60)
        scores.append(model.score(test.X, test.y))
    form = ".1%" if classify else ".3f"
    beside = ", ".join(f"{who} {score:{form}}" for who, score in baselines.items())
    return Row(
        f"arrays: {name}, test {'accuracy' if classify else 'R2'} ({beside})",
        mean_of(scores, form),
        f"{best - ALLOWED:{form}}",
        max(minutes),
        sum(scores) / len(scores) >= best - ALLOWED,
    )


def _baselines(training: Data, test: Data, *, classify: bool) -> dict[str, float]:
    """The scores of the nearest neighbour and of a linear model; features are standardised."""
    steps = np.concatenate(training.X)
    spread = steps.std(0)
    scale = np.where(spread > 0, spread, 1.0)
    X, others = ([(array - steps.mean(0)) / scale for array in part.X] for part in (training, test))
    length = min(STEPS, round(float(np.mean([len(array) for array in X]))))
    known, new = (np.stack([_resampled(array, length) for array in part]) for part in (X, others))
    neighbour = (KNeighborsClassifier if classify else KNeighborsRegressor)(1).fit(known, training.y)
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000) if classify else Ridge())
    linear.fit(known[:MOST_OF_LINEAR], training.y[:MOST_OF_LINEAR])
    scores = {"1-NN": neighbour.score(new, test.y), "linear": linear.score(new, test.y)}
    if classify and len({len(array) for array in X}) > 1:
        nearest = [np.argmin(_warped(array, X)) for array in others]
        scores["1-NN with DTW"] = float((training.y[nearest] == test.y).mean())
    return scores


def _resampled(array: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    at = np.linspace(0, len(array) - 1, length)
    return np.stack([np.interp(at, np.arange(len(array)), column) for column in array.T], 1).ravel()


def _warped(array: NDArray[np.float64], others: Arrays) -> NDArray[np.float64]:
    """The distance of an array [T, I] from each of the others by dynamic time warping (Sakoe, Chiba 1978), [N]."""
    lengths = np.array([len(other) for other in others])
    padded = np.zeros((len(others), lengths.max(), array.shape[1]))
    for row, other in enumerate(others):
        padded[row, : len(other)] = other
    squares = np.square(padded[:, :, None] - array).sum(3)  # [N, T of the others, T]
    total = np.full((len(others), padded.shape[1] + 1, len(array) + 1), np.inf)
    total[:, 0, 0] = 0
    for i in range(padded.shape[1]):
        for j in range(len(array)):
            before = np.minimum(np.minimum(total[:, i, j], total[:, i, j + 1]), total[:, i + 1, j])
            total[:, i + 1, j + 1] = squares[:, i, j] + before
    distances: NDArray[np.float64] = total[np.arange(len(others)), lengths, len(array)]
    return distances


def _speakers(folder: Path, part: str) -> Data:
    file = folder / f"ae.{part}"
    text = (
        file.read_text(encoding="utf-8") if file.exists() else gzip.decompress(Path(f"{file}.gz").read_bytes()).decode()
    )
    X = [np.array([line.split() for line in block.splitlines()], dtype=float) for block in text.strip().split("\n\n")]
    return Data(X, np.array((folder / f"labels.{part}").read_text(encoding="utf-8").split(), dtype=int))


def _adding(rows: int, seed: int) -> Data:
    drawn = read_synthetic(f"synthetic:adding?T=30&n={rows}&seed={seed}", "regress")
    return Data(list(drawn.inputs), np.array(drawn.targets))


def _slopes(rows: int, seed: int) -> Data:
    """How fast a series of 15 to 39 steps rises, from any start and in noise; a second feature says nothing."""
    random = np.random.default_rng(seed)
    slopes, X = random.normal(size=rows), list[NDArray[np.float64]]()
    for slope in slopes:
        steps = int(random.integers(15, 40))
        line = slope * np.linspace(0, 1, steps) + random.normal()
        X.append(np.stack([line + 0.3 * random.normal(size=steps), random.normal(size=steps)], 1))
    return Data(X, slopes)
