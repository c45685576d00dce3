"""The checks of an estimator's parameters: each is named with its value and what it may be.

How large those of the training may be is checked by `ricorda.training.TrainingOptions`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ricorda.data.tokenization import KINDS as TOKENIZERS
from ricorda.errors import ArgumentError
from ricorda.tasks.pooling import POOLINGS


@dataclass(frozen=True)
class Rule:
    """What a parameter may be, as a test and in words."""

    holds: Callable[[Any], bool]
    words: str
    optional: bool = False


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return number and math.isfinite(value)


def _one_of(*choices: str) -> Rule:
    return Rule(lambda value: isinstance(value, str) and value in choices, f"one of {', '.join(choices)}")


def _is_seed(value: Any) -> bool:
    return isinstance(value, np.random.RandomState) or (_is_whole(value) and 0 <= value < 2**32)


def _is_weighting(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_number(weight) and weight >= 0 for weight in value.values())
    return isinstance(value, str) and value == "balanced"


COUNT = Rule(lambda value: _is_whole(value) and value >= 1, "a whole number of at least 1")
OPTIONAL_COUNT = Rule(COUNT.holds, f"{COUNT.words}, or leave it out", optional=True)
NUMBER = Rule(_is_number, "a number")
SHARE = Rule(lambda value: _is_number(value) and 0 <= value < 1, "a number from 0 to less than 1")
FLAG = Rule(lambda value: isinstance(value, bool), "True or False")

RULES: dict[str, Rule] = {
    "hidden_size": COUNT,
    "num_layers": COUNT,
    "bidirectional": FLAG,
    "embedding_size": COUNT,
    "pooling": _one_of(*POOLINGS),
    "dropout": SHARE,
    "word_dropout": SHARE,
    "tokenizer": _one_of(*TOKENIZERS),
    "vocab_size": COUNT,
    "min_frequency": COUNT,
    "lowercase": FLAG,
    "max_length": OPTIONAL_COUNT,
    "learning_rate": NUMBER,
    "weight_decay": NUMBER,
    "warmup": NUMBER,
    "clip_norm": Rule(NUMBER.holds, NUMBER.words, optional=True),
    "class_weight": Rule(_is_weighting, "'balanced', or a weight of at least 0 for each class", optional=True),
    "validation_fraction": SHARE,
    "scoring": _one_of("accuracy", "macro_f1"),
    "device": Rule(lambda value: isinstance(value, str), "auto, cpu, cuda or cuda:N"),
    "random_state": Rule(_is_seed, "a whole number from 0 to 4294967295", optional=True),
}


def check_parameters(estimator: Any) -> None:
    """Hold an estimator's parameters to the rules.

    Raises
    ------
    ArgumentError
        If one does not keep its rule.
    """
    for name, value in estimator.get_params(deep=False).items():
        rule = RULES.get(name)
        if rule is None or (rule.optional and value is None):
            continue
        if not rule.holds(value):
            raise ArgumentError(f"{name} is {value!r}: give {rule.words}")
