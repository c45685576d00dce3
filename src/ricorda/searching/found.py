"""What a search has found: the score, the trials, and trainings that were repeated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricorda.tasks.scores import is_share, score_text

Array = NDArray[np.float64]

BEST, DEFAULT = "best", "default"
"""The names of parameters that are trained again."""

TRAINED, STOPPED, REFUSED = "trained", "stopped early", "refused"
"""How trials end."""


@dataclass(frozen=True)
class Score:
    """The number of the validation that a search makes as good as it can.

    Attributes
    ----------
    name, label : str
        Its name among the numbers of a validation, and its name for readers.
    higher_is_better : bool
    """

    name: str
    label: str
    higher_is_better: bool

    @classmethod
    def of(cls, told: str, numbers: Mapping[str, float], labels: Mapping[str, str]) -> Score:
        """The number among those of a validation that is the score, or is the score with its sign turned.

        Parameters
        ----------
        told : str
            The task's format of a score, whose number is taken if several are equal.
        numbers : mapping
            The numbers of a validation.
        labels : mapping
            Names for readers.
        """
        score = numbers.get("score", -numbers["validation_loss"] if "validation_loss" in numbers else 0.0)
        names = [name for name in (*re.findall(r"\{(\w+)", told), *numbers) if name in numbers and name != "score"]
        for sign in (1, -1):
            for name in names:
                if numbers[name] == sign * score:
                    return cls(name, labels.get(name, name), sign == 1)
        return cls("score", "score", True)

    def number(self, score: float) -> float:
        """The number, of which a higher one may be worse, of a score, of which a higher one is better."""
        return score if self.higher_is_better else -score

    def text(self, score: float) -> str:
        """A score for people, as the number that it is made from."""
        return score_text(self.name, self.number(score))

    def gain_text(self, gain: float) -> str:
        """A difference of scores for people, above zero where it is better: of shares in percentage points."""
        return f"{100 * gain:+.1f} points" if is_share(self.name) else f"{gain:+.3f}"

    def deviation_text(self, deviation: float) -> str:
        """A deviation of scores for people."""
        return score_text(self.name, deviation)


@dataclass(frozen=True)
class Tried:
    """A trial that counts.

    Attributes
    ----------
    number : int
        Its number in the study.
    ended : {"trained", "stopped early", "refused"}
        How it ended.
    parameters : dict
        What was tried.
    score : float
        The score of its best epoch, the higher the better; of one that was stopped early, its last; nan if there is
        none.
    epochs : int
        Epochs that it was trained for.
    seconds : float
        Its time; nan if it was refused.
    why : str
        Why it was refused.
    """

    number: int
    ended: str
    parameters: dict[str, Any]
    score: float
    epochs: int
    seconds: float
    why: str = ""


@dataclass(frozen=True)
class Repeated:
    """Parameters that were trained with several seeds, none of which is the search's own.

    Attributes
    ----------
    parameters : dict
    scores : array [seeds]
        The score of the best epoch on the validation part, the higher the better.
    outcomes : array [seeds, N]
        The task's measure of each example of the test data or, without any, of the validation part.
    weights : array [N]
        Weight of each example in the mean.
    """

    parameters: dict[str, Any]
    scores: Array
    outcomes: Array
    weights: Array

    @cached_property
    def measured(self) -> Array:
        """The mean of the measure, [seeds]."""
        means: Array = self.outcomes @ self.weights / self.weights.sum()
        return means
