"""What each example comes to under a trained model: what the paired bootstrap draws from, a function a task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricorda.tasks.estimator import SequenceEstimator

Values = NDArray[np.float64]

PART = 100
"""Steps of a text, at most, that count as one example of a language model."""


@dataclass(frozen=True)
class Measure:
    """What a task's examples are measured by; its mean over them is the task's usual figure.

    Attributes
    ----------
    name : str
        Of the mean, with its unit.
    each : str
        What an example is, and what it comes to.
    higher_is_better : bool
    share : bool
        Whether it is written in per cent.
    """

    name: str
    each: str
    higher_is_better: bool
    share: bool = False


MEASURES = {
    "classify": Measure("accuracy", "an example: right (1) or wrong (0)", True, share=True),
    "regress": Measure("mean squared error", "an example: its squared error", False),
    "tag": Measure("accuracy", "a sequence: its share of right tags, each step weighing alike", True, share=True),
    "translate": Measure("mean chrF of a sentence (0 to 100)", "a sentence: chrF of its translation", True),
    "language": Measure("nats a token", f"{PART} tokens of text: nats a token", False),
    "forecast": Measure(
        "mean absolute error (deviations)", "a window, none of which overlap: its mean absolute error", False
    ),
}


def measure_of(model: SequenceEstimator) -> Measure:
    """The measure of a trained model's task; a tagger that gives numbers has its squared error."""
    if model.TASK == "tag" and model.classes_ is None:
        return Measure("mean squared error", "a sequence: its mean squared error, each step weighing alike", False)
    return MEASURES[model.TASK]


def outcomes(model: SequenceEstimator, X: Any, y: Any) -> tuple[Values, Values]:
    """What each example comes to, and how much it counts in the mean.

    Parameters
    ----------
    model : SequenceEstimator
        Trained.
    X, y
        Examples with their answers, as the task's `evaluate` takes them; for a forecaster a list of series with the
        network's variables, each beginning with `max(context, season)` steps to read.

    Returns
    -------
    values, weights : array [N]
    """
    values, weights = _OUTCOMES[model.TASK](model, X, y)
    return np.asarray(values, dtype=np.float64), np.asarray(weights, dtype=np.float64)


def _right(model: Any, X: Any, y: Any) -> tuple[Any, Any]:
    from ricorda.data.labels import read_labels

    found = model.predict(X)
    return found == read_labels(y, len(found)), np.ones(len(found))


def _squared(model: Any, X: Any, y: Any) -> tuple[Any, Any]:
    found = np.asarray(model.predict(X))
    errors = np.square(found - np.asarray(y, dtype=np.float64)).reshape(len(found), -1).mean(1)
    return errors, np.ones(len(errors))


def _right_tags(model: Any, X: Any, y: Any) -> tuple[Any, Any]:
    found = model.predict(X)
    if model.classes_ is None:
        pairs = (
            (each, np.asarray(right, dtype=np.float64).reshape(each.shape))
            for each, right in zip(found, y, strict=True)
        )
        return [np.square(each - right).mean() for each, right in pairs], [len(each) for each in found]
    shares = [np.mean([a == b for a, b in zip(each, right, strict=True)]) for each, right in zip(found, y, strict=True)]
    return shares, [len(each) for each in found]


def _chrf(model: Any, X: Any, y: Any) -> tuple[Any, Any]:
    """Of each different sentence, against all its references."""
    from sacrebleu.metrics.chrf import CHRF

    from ricorda.tasks.translate.metrics import grouped

    groups = grouped(list(getattr(X, "inputs", X)), list(y))
    chrf, found = CHRF(), model.predict(list(groups))
    scores = [chrf.sentence_score(said, right).score for said, right in zip(found, groups.values(), strict=True)]
    return scores, np.ones(len(scores))


def _nats(model: Any, X: Any, _y: Any) -> tuple[Any, Any]:
    """Of parts of a text, or of each document."""
    from ricorda.tasks.language.given import read_given
    from ricorda.tasks.language.scoring import losses_of

    sequences = model.reader_.sequences(read_given(X), "X")
    losses = np.concatenate([part.double().cpu().numpy() for part in losses_of(model.network_, sequences)])
    ends = np.cumsum(sequences.lengths)
    starts = [start for end, n in zip(ends, sequences.lengths, strict=True) for start in range(end - n, end, PART)]
    weights = np.diff([*starts, len(losses)])
    return np.add.reduceat(losses, starts) / weights, weights


def _window_errors(model: Any, X: Any, _y: Any) -> tuple[Any, Any]:
    """In the target's standard deviations of training; values that were filled in count for nothing."""
    from ricorda.tasks.forecast.inference import backtest

    horizon = int(model.horizon)
    found = backtest(model.network_, model.facts_, X, horizon, horizon)
    errors = np.abs(found.forecast - found.truth) / found.deviations * found.observed
    weights = found.observed.sum((1, 2))
    return errors.sum((1, 2)) / np.maximum(weights, 1), weights


_OUTCOMES: dict[str, Callable[[Any, Any, Any], tuple[Any, Any]]] = {
    "classify": _right,
    "regress": _squared,
    "tag": _right_tags,
    "translate": _chrf,
    "language": _nats,
    "forecast": _window_errors,
}
