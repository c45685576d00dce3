"""Errors beside scikit-learn's and a computation by hand, the baselines, and what counts in no figure."""

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, mean_squared_error

from ricorda.tasks.forecast.baselines import repeat_season, seasonal_error
from ricorda.tasks.forecast.metrics import measure

LEVELS = (0.1, 0.5, 0.9)


def examples() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    truth = random.normal(size=(20, 4, 3)) * 5
    quantiles = np.sort(truth[..., None] + random.normal(size=(20, 4, 3, 3)) * 3, -1)
    return truth, quantiles[..., 1], quantiles


def test_errors_are_scikit_learn_s() -> None:
    truth, forecast, quantiles = examples()
    everything = np.ones(truth.shape, np.bool_)
    found = measure(truth, forecast, everything, np.ones(3), quantiles=quantiles, levels=LEVELS)
    flat, said = truth.ravel(), forecast.ravel()
    assert found.mae == pytest.approx(mean_absolute_error(flat, said), rel=1e-14)
    assert found.mse == pytest.approx(mean_squared_error(flat, said), rel=1e-14)
    assert found.rmse == pytest.approx(mean_squared_error(flat, said) ** 0.5, rel=1e-14)
    losses = [mean_pinball_loss(flat, quantiles[..., n].ravel(), alpha=level) for n, level in enumerate(LEVELS)]
    assert found.pinball == pytest.approx(np.mean(losses), rel=1e-14)
    within = [low <= value <= high for value, (low, _, high) in zip(flat, quantiles.reshape(-1, 3), strict=True)]
    assert found.coverage == pytest.approx(np.mean(within))
    assert 0 < np.mean(within) < 1


def test_one_number_stands_for_all_quantiles_where_it_is_all_that_was_said() -> None:
    truth, forecast, _ = examples()
    everything = np.ones(truth.shape, np.bool_)
    found = measure(truth, forecast, everything, np.ones(3), levels=LEVELS)
    assert found.pinball == pytest.approx(found.mae / 2, rel=1e-14)  # of levels that lie symmetrically
    assert found.coverage is None
    assert measure(truth, forecast, everything, np.ones(3)).pinball is None


def test_mase_is_the_error_in_units_of_that_of_the_season_before() -> None:
    # Season of 2; errors of repeating it in training: |3-1|, |2-5|, |7-3| of a, and 1, 1, 1 of b.
    training = np.array([[1.0, 0.0], [5.0, 0.0], [3.0, 1.0], [2.0, 1.0], [7.0, 2.0]])
    units = seasonal_error(training, np.ones(training.shape, np.bool_), 2)
    assert units.tolist() == [3.0, 1.0]
    truth, forecast = np.array([[[10.0, 10.0]]]), np.array([[[4.0, 10.5]]])
    assert measure(truth, forecast, np.ones((1, 1, 2), np.bool_), units).mase == pytest.approx((6 / 3 + 0.5 / 1) / 2)
    assert measure(truth, forecast, np.ones((1, 1, 2), np.bool_), np.array([3.0, 0.0])).mase is None


def test_what_was_filled_in_counts_in_no_figure() -> None:
    truth, forecast, quantiles = examples()
    seen = np.random.default_rng(1).random(truth.shape) < 0.6
    found = measure(truth, forecast, seen, np.ones(3), quantiles=quantiles, levels=LEVELS)
    changed = np.where(seen, truth, 1e6)
    assert measure(changed, forecast, seen, np.ones(3), quantiles=quantiles, levels=LEVELS) == found
    assert found.mae == pytest.approx(np.abs(truth - forecast)[seen].mean())
    values, there = np.array([[1.0], [1.0], [9.0], [4.0]]), np.array([[True], [False], [True], [True]])
    assert seasonal_error(values, there, 1).tolist() == [5.0]  # of 9 to 4 alone
    assert seasonal_error(values, ~there, 1).tolist() == [0.0]


def test_the_baselines_repeat_what_was_last() -> None:
    values = np.arange(10.0)[:, None] * [1, 10]
    origins = np.array([4, 9])
    assert repeat_season(values, origins, 3, 1)[..., 0].tolist() == [[3, 3, 3], [8, 8, 8]]
    assert repeat_season(values, origins, 5, 3)[..., 0].tolist() == [[1, 2, 3, 1, 2], [6, 7, 8, 6, 7]]
    assert repeat_season(values, origins, 2, 4)[..., 1].tolist() == [[0, 10], [50, 60]]
