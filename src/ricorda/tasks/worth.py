"""What a model is worth: the obvious alternatives on the same examples, and sentences that compare them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ricorda.data.baseline import COUNTS, Baseline, by_linear
from ricorda.tasks.scores import LEAST_TO_CHOOSE, is_share, more_is_better, score_text

ALTERNATIVES = "alternatives"
"""Where in a summary they are: the name of the measure, and of each alternative its value."""

IN_TURNS = "in_turns"
"""Where in a summary stands what parts of the training examples have, each judged by a model of the others."""

TEMPERATURE, FACTORS = "temperature", "factors"
"""Where in a summary it is: what the scores were divided by after the training, or each part multiplied by."""

_NEAR = 0.05
"""How well a share of the validation part must be known for it to be called large enough."""


def alternatives(measure: str, values: Mapping[str, float]) -> dict[str, Any]:
    """A part of a summary, or of an evaluation's figures: what each alternative has by one of its numbers."""
    return {ALTERNATIVES: {"measure": measure, "values": dict(values)}}


def of_classes(
    baseline: Baseline, known: NDArray[Any], sequences: Sequence[Tensor], truth: NDArray[Any], most: str = "class"
) -> dict[str, Any]:
    """The accuracy of the class that is most frequent in `known`, and of a linear model where there is one."""
    values = {f"always saying the most frequent {most}": float((truth == np.bincount(known).argmax()).mean())}
    if baseline:
        said = by_linear(baseline, sequences).argmax(1)
        values[f"a logistic regression on {_read_by(baseline)}"] = float((said == truth).mean())
    return alternatives("accuracy", values)


def of_numbers(
    baseline: Baseline, known: NDArray[Any], sequences: Sequence[Tensor], truth: NDArray[Any]
) -> dict[str, Any]:
    """The mean absolute error of the mean of `known`, and of a linear model where there is one."""
    values = {"always saying the mean": float(np.abs(truth - known.mean(0)).mean())}
    if baseline:
        said = by_linear(baseline, sequences)
        values[f"a ridge regression on {_read_by(baseline)}"] = float(np.abs(truth - said).mean())
    return alternatives("mae", values)


def mean_of(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What alternatives have on several parts of the same size, on average."""
    told: list[dict[str, Any]] = [part[ALTERNATIVES] for part in parts]
    names = [name for name in told[0]["values"] if all(name in one["values"] for one in told)]
    return alternatives(
        told[0]["measure"], {name: sum(one["values"][name] for one in told) / len(told) for name in names}
    )


def of_frequencies(measure: str, counts: Baseline, ids: Any) -> dict[str, Any]:
    """What the frequencies of ids in the training come to: the share of the most frequent one, or nats an id."""
    known, truth = counts[COUNTS].double().numpy(), np.asarray(ids).ravel()
    if is_share(measure):
        return alternatives(measure, {"always saying the most frequent one": float((truth == known.argmax()).mean())})
    nats = -np.log((known + 1) / (known + 1).sum())[truth]
    return alternatives(measure, {"going by the frequencies alone": float(nats.mean())})


def compared(told: Mapping[str, Any], value: float, name: str, count: int) -> str:
    """A sentence on a model beside its alternatives.

    Parameters
    ----------
    told : mapping
        What `alternatives` said.
    value : float
        What the model has by the same measure.
    name : str
        The measure, for readers.
    count : int
        The examples that it was measured on.
    """
    measure, values = told[ALTERNATIVES]["measure"], told[ALTERNATIVES]["values"]
    others = ", ".join(f"{words} {score_text(measure, other)}" for words, other in values.items())
    more = more_is_better(measure)
    strongest = (max if more else min)(values, key=values.__getitem__)
    ahead = value - values[strongest] if more else values[strongest] - value
    all_of_them = "these" if len(values) > 1 else "that"
    better = f"better than {all_of_them}" if ahead > _within(measure, count) else f"not clearly better than {strongest}"
    verdict = better if ahead > 0 else f"no better than {strongest}"
    return f"By {name}, the model has {score_text(measure, value)}, {others}: it is {verdict}."


def sentences(summary: Mapping[str, Any], scores: Mapping[str, str], folder: str = "FOLDER") -> list[str]:
    """What a summary says of a model's worth, a sentence each.

    Parameters
    ----------
    summary : mapping
        Of the training.
    scores : mapping
        The names of the validation's numbers.
    folder : str
        The model's folder.
    """
    best, count = summary["best"], summary["validation_examples"]
    if IN_TURNS in summary:
        measure = summary[ALTERNATIVES]["measure"]
        name = scores.get(measure, measure.replace("_", " "))
        sentence = compared(summary, summary[IN_TURNS], name, summary["examples"])
        return [
            f"{sentence} So it is by turns: each third of the examples was judged by a model of the other two.",
            *_weighed(summary),
        ]
    if not count:
        return [
            "Nothing was held out, so nothing says yet what the model is worth. On examples that it has not seen, with "
            f"their answers, `ricorda evaluate {folder} DATA` says it."
        ]
    said = []
    if "score" not in best:
        said.append(
            f"The validation part has fewer than {LEAST_TO_CHOOSE} examples, too few to choose an epoch by: "
            "the weights are those of the last one."
        )
    if ALTERNATIVES in summary:
        measure = summary[ALTERNATIVES]["measure"]
        said.append(compared(summary, best[measure], scores.get(measure, measure.replace("_", " ")), count))
    within = _within("accuracy", count) if "accuracy" in best else 0.0
    if within > _NEAR and "score" in best:
        said.append(
            f"The validation part is small: {count:,} examples tell an accuracy within {100 * within:.0f} points."
        )
    return said + _weighed(summary)


def _weighed(summary: Mapping[str, Any]) -> list[str]:
    if TEMPERATURE in summary:
        return [
            f"The probabilities are calibrated: the scores are divided by {summary[TEMPERATURE]:.2f}, the temperature "
            "that fits the validation part."
        ]
    if FACTORS in summary:
        deep, wide = summary[FACTORS]["deep"], summary[FACTORS]["wide"]
        return [
            f"The scores of the recurrent layers count {deep:.2f} times, those of the tokens and pairs beside them "
            f"{wide:.2f} times: so they fit examples best that neither learned from."
        ]
    return []


def _within(measure: str, count: int) -> float:
    """How well so many examples tell an accuracy: the normal distribution's 95 %; of other measures 0."""
    return 1.96 * math.sqrt(0.25 / count) if measure == "accuracy" else 0.0


def _read_by(baseline: Baseline) -> str:
    return "a bag of tokens" if "tokens" in baseline else "steps evenly apart"
