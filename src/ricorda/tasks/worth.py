"""What a model is worth: the obvious alternatives on the same validation part, and sentences that compare them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from torch import Tensor

from ricorda.tasks.scores import LEAST_TO_CHOOSE, is_share, score_text

ALTERNATIVES = "alternatives"
"""Where in a summary they are: the name of the measure, and of each alternative its value."""

TEMPERATURE = "temperature"
"""Where in a summary it is: what the network's scores were divided by, after the training."""

_MOST_TEXTS = 20_000
"""Texts that the bag of words learns from at most, so that it costs about a second."""

_NEAR = 0.05
"""How well a share of the validation part must be known for it to be called large enough."""


def alternatives(measure: str, values: Mapping[str, float]) -> dict[str, Any]:
    """A part of a summary: what each alternative has by one of the validation's numbers."""
    return {ALTERNATIVES: {"measure": measure, "values": dict(values)}}


def of_classes(
    training: tuple[Sequence[Tensor], NDArray[Any]], held_out: tuple[Sequence[Tensor], NDArray[Any]]
) -> dict[str, Any]:
    """The accuracy of the most frequent class, and of a bag of words where token ids are read."""
    (sequences, targets), (others, truth) = training, held_out
    values = {"always saying the most frequent class": float((truth == np.bincount(targets).argmax()).mean())}
    if not sequences[0].is_floating_point() and len(np.unique(targets[:_MOST_TEXTS])) > 1:
        bag = _bag(LogisticRegression(max_iter=1_000), sequences, targets)
        values["a logistic regression on a bag of tokens"] = float(bag.score(others, truth))
    return alternatives("accuracy", values)


def of_numbers(
    training: tuple[Sequence[Tensor], NDArray[Any]], held_out: tuple[Sequence[Tensor], NDArray[Any]]
) -> dict[str, Any]:
    """The mean absolute error of the mean, and of a bag of words where token ids are read."""
    (sequences, targets), (others, truth) = training, held_out
    values = {"always saying the mean": float(np.abs(truth - targets.mean(0)).mean())}
    if not sequences[0].is_floating_point():
        said = _bag(Ridge(), sequences, targets).predict(others)
        values["a ridge regression on a bag of tokens"] = float(np.abs(truth - said.reshape(truth.shape)).mean())
    return alternatives("mae", values)


def of_tokens(measure: str, training: Any, held_out: Any) -> dict[str, Any]:
    """What the frequencies of ids in training come to: the share of the most frequent one, or nats an id."""
    known, truth = np.asarray(training).ravel(), np.asarray(held_out).ravel()
    counts = np.bincount(known, minlength=int(truth.max()) + 1)
    if is_share(measure):
        return alternatives(measure, {"always saying the most frequent one": float((truth == counts.argmax()).mean())})
    nats = -np.log((counts + 1) / (counts + 1).sum())[truth]
    return alternatives(measure, {"going by the frequencies alone": float(nats.mean())})


def sentences(summary: Mapping[str, Any], scores: Mapping[str, str]) -> list[str]:
    """What a summary says of a model's worth, a sentence each.

    Parameters
    ----------
    summary : mapping
        Of the training.
    scores : mapping
        The names of the validation's numbers.
    """
    best, count = summary["best"], summary["validation_examples"]
    if not count:
        return [
            "Nothing was held out, so nothing says yet what the model is worth: evaluate it on other examples "
            "(ricorda evaluate)."
        ]
    said = []
    if "score" not in best:
        said.append(
            f"The validation part has fewer than {LEAST_TO_CHOOSE} examples, too few to choose an epoch by: "
            "the weights are those of the last one."
        )
    within = 1.96 * math.sqrt(0.25 / count) if "accuracy" in best else 0.0  # The normal distribution's 95 %.
    if ALTERNATIVES in summary:
        measure, values = summary[ALTERNATIVES]["measure"], summary[ALTERNATIVES]["values"]
        others = ", ".join(f"{name} {score_text(measure, value)}" for name, value in values.items())
        strongest = (max if is_share(measure) else min)(values, key=values.__getitem__)
        ahead = best[measure] - values[strongest] if is_share(measure) else values[strongest] - best[measure]
        doubt = within if measure == "accuracy" else 0.0
        better = "better than these" if ahead > doubt else f"not clearly better than {strongest}"
        verdict = better if ahead > 0 else f"no better than {strongest}"
        name = scores.get(measure, measure.replace("_", " "))
        said.append(f"By {name}, the model has {score_text(measure, best[measure])}, {others}: it is {verdict}.")
    if within > _NEAR and "score" in best:
        said.append(
            f"The validation part is small: {count:,} examples tell an accuracy within {100 * within:.0f} points."
        )
    if TEMPERATURE in summary:
        said.append(
            f"The probabilities are calibrated: the scores are divided by {summary[TEMPERATURE]:.2f}, the temperature "
            "that fits the validation part."
        )
    return said


def _bag(model: Any, sequences: Sequence[Tensor], targets: NDArray[Any]) -> Any:
    bag = make_pipeline(TfidfVectorizer(analyzer=Tensor.tolist), model)
    return bag.fit(sequences[:_MOST_TEXTS], targets[:_MOST_TEXTS])
