"""The temperature that calibrates a classifier's scores."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax  # type: ignore[import-untyped]

from ricorda.training.calibration import MOST, temperature


def drawn(count: int, classes: int) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Scores, and truths that are as probable as the scores say."""
    random = np.random.default_rng(count)
    scores = random.normal(0, 2, (count, classes))
    sure = softmax(scores, axis=1).cumsum(1)
    return scores, (random.random((count, 1)) > sure).sum(1).clip(max=classes - 1)


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_a_known_temperature_is_found(classes: int, true: float) -> None:
    scores, truth = drawn(20_000, classes)
    assert temperature(true * scores, truth) == pytest.approx(true, rel=0.03)


@pytest.mark.parametrize("seed", range(5))
def test_no_other_temperature_has_a_lower_loss(seed: int) -> None:
    random = np.random.default_rng(seed)
    scores, truth = random.normal(0, 3, (150, 3)), random.integers(0, 3, 150)
    scores[np.arange(150), truth] += 2
    targets = np.full((150, 3), 1 / 152 / 2)
    targets[np.arange(150), truth] = 151 / 152

    def loss(value: float) -> float:
        return -float((targets * log_softmax(scores / value, axis=1)).sum())

    best = temperature(scores, truth)
    assert 1 / MOST < best < MOST
    assert loss(best) <= min(loss(best * 0.99), loss(best * 1.01), loss(1.0))


def test_what_was_always_right_does_not_become_certain() -> None:
    truth = np.arange(100) % 2
    scores = np.eye(2)[truth]
    sure = softmax(scores / temperature(scores, truth), axis=1).max(1)
    assert sure == pytest.approx(np.full(100, 101 / 102))


def test_scores_that_are_worth_nothing_get_the_highest_temperature() -> None:
    truth = np.arange(100) % 2
    assert temperature(-5.0 * np.eye(2)[truth], truth) == MOST
    assert temperature(np.zeros((100, 2)), truth) == MOST  # where every temperature is as good
    assert temperature(1e-3 * np.eye(2)[truth], truth) == 1 / MOST
