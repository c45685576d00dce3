"""The parameters of a classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ricorda.tasks.parameters import TRAINING, ManyToOneParameters, parameter
from ricorda.tasks.rules import AUTO, SHARE, Rule, is_number, one_of, or_auto


def _is_weighting(value: Any) -> bool:
    if isinstance(value, dict):
        return all(is_number(weight) and weight >= 0 for weight in value.values())
    return isinstance(value, str) and value == "balanced"


@dataclass(repr=False, eq=False, kw_only=True)
class ClassifyParameters(ManyToOneParameters):
    """The parameters of `SequenceClassifier`."""

    pooling: str = "max"
    dropout: float | str = parameter(  # type: ignore[assignment]  # Only here it may be left to the data.
        AUTO,
        help="Share of numbers dropped in training; auto: by what is read.",
        more="They enter or leave the recurrent layers. With auto 0.5 where tokens are read, and 0.2 of arrays.",
        **or_auto(SHARE),
    )
    word_dropout: float = 0.2
    weight_decay: float = 0.05
    class_weight: str | dict[Any, float] | None = parameter(
        None,
        Rule(_is_weighting, "'balanced', or a weight of at least 0 for each class", optional=True),
        "`balanced`: examples of rare classes count more.",
        "In Python also a dict of weights by class.",
        panel=TRAINING,
    )
    scoring: str = parameter(
        "accuracy", one_of("accuracy", "macro_f1"), "What chooses the best epoch: accuracy or macro_f1.", panel=TRAINING
    )
