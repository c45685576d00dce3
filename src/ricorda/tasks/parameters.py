"""The checks of an estimator's parameters: each is named with its value and what it may be.

How large those of the training may be is checked by `ricorda.training.TrainingOptions`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ricorda.data.tokenization import KINDS as TOKENIZERS
from ricorda.errors import ArgumentError


@dataclass(frozen=True)
class Rule:
    """What a parameter may be, as a test and in words."""

    holds: Callable[[Any], bool]
    words: str
    optional: bool = False


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a value is a finite number."""
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return number and math.isfinite(value)


def one_of(*choices: str) -> Rule:
    """One of some words."""
    return Rule(lambda value: isinstance(value, str) and value in choices, f"one of {', '.join(choices)}")


def _is_seed(value: Any) -> bool:
    return isinstance(value, np.random.RandomState) or (_is_whole(value) and 0 <= value < 2**32)


COUNT = Rule(lambda value: _is_whole(value) and value >= 1, "a whole number of at least 1")
OPTIONAL_COUNT = Rule(COUNT.holds, f"{COUNT.words}, or leave it out", optional=True)
NUMBER = Rule(is_number, "a number")
SHARE = Rule(lambda value: is_number(value) and 0 <= value < 1, "a number from 0 to less than 1")
FLAG = Rule(lambda value: isinstance(value, bool), "True or False")

SHARED: Mapping[str, Rule] = {
    "hidden_size": COUNT,
    "num_layers": COUNT,
    "bidirectional": FLAG,
    "memory": Rule(
        lambda value: _is_whole(value) and value >= 2, "a whole number of at least 2, or leave it out", True
    ),
    "embedding_size": COUNT,
    "dropout": SHARE,
    "word_dropout": SHARE,
    "tokenizer": one_of(*TOKENIZERS),
    "vocab_size": COUNT,
    "min_frequency": COUNT,
    "lowercase": FLAG,
    "max_length": OPTIONAL_COUNT,
    "learning_rate": NUMBER,
    "weight_decay": NUMBER,
    "warmup": NUMBER,
    "clip_norm": Rule(NUMBER.holds, NUMBER.words, optional=True),
    "validation_fraction": SHARE,
    "device": Rule(lambda value: isinstance(value, str), "auto, cpu, cuda or cuda:N"),
    "random_state": Rule(_is_seed, "a whole number from 0 to 4294967295", optional=True),
}
"""The rules of parameters that several tasks have."""


def check_parameters(estimator: Any, rules: Mapping[str, Rule]) -> None:
    """Hold an estimator's parameters to rules.

    Raises
    ------
    ArgumentError
        If one does not keep its rule.
    """
    for name, value in estimator.get_params(deep=False).items():
        rule = rules.get(name)
        if rule is None or (rule.optional and value is None):
            continue
        if not rule.holds(value):
            raise ArgumentError(f"{name} is {value!r}: give {rule.words}")
