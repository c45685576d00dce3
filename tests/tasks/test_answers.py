"""Answers as plain data, and predictions that do not depend on what is predicted beside them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from ricorda import SequenceClassifier, SequenceRegressor, SequenceTagger
from ricorda.errors import ArgumentError
from ricorda.tasks.estimator import SequenceEstimator
from ricorda.tasks.evaluating import added_up

RANDOM = np.random.default_rng(0)
SENTENCES = [[f"w{n}" for n in RANDOM.integers(60, size=length)] for length in RANDOM.integers(1, 30, size=40)]
WALKS = [RANDOM.normal(size=(length, 3)) for length in RANDOM.integers(1, 30, size=40)]
TINY: dict[str, Any] = {"hidden_size": 20, "epochs": 1, "random_state": 0, "device": "cpu", "validation_fraction": 0.0}


def _classifier(**parameters: Any) -> SequenceEstimator:
    labels = [str(len(sentence) % 2) for sentence in SENTENCES]
    return SequenceClassifier(**TINY, **parameters).fit([" ".join(words) for words in SENTENCES], labels)


def _tagger(**parameters: Any) -> SequenceEstimator:
    tags = [[word[1] for word in words] for words in SENTENCES]
    return SequenceTagger(**TINY, **parameters).fit(SENTENCES, tags)


def _regressor(**parameters: Any) -> SequenceEstimator:
    return SequenceRegressor(**TINY, **parameters).fit(WALKS, [walk.sum() for walk in WALKS])


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        *((_classifier, {"pooling": pooling}) for pooling in ("last", "mean", "max", "attention")),
        (_classifier, {"cell": "gru", "bidirectional": False, "tokenizer": "char"}),
        (_tagger, {}),
        (_tagger, {"crf": True, "cell": "gru"}),
        (_regressor, {"pooling": "mean"}),
    ],
)
def test_an_answer_does_not_depend_on_what_stands_beside_it(
    make: Callable[..., SequenceEstimator], parameters: dict[str, Any]
) -> None:
    model = make(**parameters)
    examples: list[Any] = WALKS
    if make is not _regressor:
        examples = SENTENCES if make is _tagger else [" ".join(words) for words in SENTENCES]
    alone = [answer for example in examples for answer in model.answers([example])]
    for size in (2, 7, len(examples)):
        together = [
            answer
            for first in range(0, len(examples), size)
            for answer in model.answers(examples[first : first + size])
        ]
        assert together == alone


def test_zeros_behind_change_no_bit_of_a_sum() -> None:
    parts = torch.randn(37, 5, 3)
    longer = torch.cat([parts, torch.zeros(91, 5, 3)])
    assert torch.equal(added_up(parts), added_up(longer))
    torch.testing.assert_close(added_up(parts), parts.sum(0))


def test_a_tagger_of_numbers_has_no_answers() -> None:
    model = SequenceTagger(**TINY).fit(WALKS, [walk[:, :1] for walk in WALKS])
    with pytest.raises(ArgumentError, match="reads or gives numbers"):
        list(model.answers(WALKS))
