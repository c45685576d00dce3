"""How the figures of a validation and of an evaluation are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricorda.shown import Shown


@dataclass(frozen=True, repr=False)
class Figures(Shown):
    """The base of evaluations, which are dataclasses.

    Attributes
    ----------
    alternatives
        What the obvious alternatives have on the same examples: "measure", one of the figures, and "values" by name.
    """

    alternatives: Mapping[str, Any] | None = field(default=None, kw_only=True)

    def to_json(self) -> dict[str, Any]:
        """The figures as numbers, strings, lists and dictionaries."""
        figures = asdict(self)
        told = figures.pop("alternatives")
        return {**figures, **({} if told is None else {"alternatives": told})}


def log_loss(probabilities: NDArray[np.floating]) -> float:
    """Mean of -ln of the probabilities [N] of the truth, in nats; a probability of 0 counts as the least float."""
    return float(-np.log(np.maximum(probabilities, np.finfo(probabilities.dtype).tiny)).mean())


LOSS = "validation_loss"
"""The number that is drawn beside the training's loss; all others are scores."""


LEAST_TO_CHOOSE = 10
"""Validation examples of one answer each by which an epoch is chosen: the score of fewer is chance."""


def scored(score: str, numbers: Mapping[str, float], examples: int) -> dict[str, float]:
    """The numbers of a validation, that of this name as the "score" too; without a score where examples are too few."""
    return {**({"score": numbers[score]} if examples >= LEAST_TO_CHOOSE else {}), **numbers}


def is_share(name: str) -> bool:
    """Whether a score is a share of the examples, which is written in per cent."""
    return name.endswith("accuracy")


def more_is_better(name: str) -> bool:
    """Whether a score is the better, the higher it is; of errors and losses the lower is."""
    return is_share(name) or name == "bleu"


def score_text(name: str, value: float) -> str:
    """A score for people: a share in per cent, other numbers with three decimals."""
    return f"{value:.1%}" if is_share(name) else f"{value:.3f}"
