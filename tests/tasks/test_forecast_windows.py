"""Windows hold what they should, in their order, and nothing of what comes after them."""

import numpy as np
import pytest
import torch

from ricorda.data.series import Series, as_series
from ricorda.errors import DataError
from ricorda.tasks.forecast.windows import SeriesScaling, Windows


def series(length: int, first: float = 0.0, known: int = 0) -> Series:
    values = np.arange(first, first + length)
    return as_series(np.column_stack([values, -values]), covariates=np.full((length + known, 1), first))


def as_it_is(parts: list[Series]) -> SeriesScaling:
    return SeriesScaling.of(parts, standardise=False)


def test_a_window_is_some_steps_and_those_after_them() -> None:
    parts = [series(6)]
    windows = Windows(parts, as_it_is(parts), 3, 2)
    assert (len(windows), windows.origins.tolist()) == (2, [3, 4])
    batch = windows.take(np.array([1, 0]))
    assert batch.past[:, 0].tolist() == [[1, 2, 3], [0, 1, 2]]
    assert batch.truth[:, 0].tolist() == [[4, 5], [3, 4]]
    assert batch.truth[:, 1].tolist() == [[-4, -5], [-3, -4]]
    assert batch.past_covariates.shape == (2, 1, 3)
    assert batch.future_covariates.shape == (2, 1, 2)
    assert batch.observed is None


def test_a_window_lies_in_one_series() -> None:
    parts = [series(5), series(4, 100, known=3), series(7, 200)]
    windows = Windows(parts, as_it_is(parts), 3, 1)
    batch = windows.take(np.arange(len(windows)))
    whole = torch.cat([batch.past, batch.truth], -1)[:, 0]
    assert whole[:, 0].tolist() == [0, 1, 100, 200, 201, 202, 203]
    assert (whole.diff(dim=1) == 1).all()
    assert Windows(parts, as_it_is(parts), 3, 1, stride=2).origins.tolist() == [3, 8, 12, 14]
    assert Windows(parts, as_it_is(parts), 3, 1, first=4).origins.tolist() == [4, 13, 14, 15]


def test_the_scaling_is_that_of_the_steps_given_and_comes_back() -> None:
    given = series(9)
    scaling = SeriesScaling.of([given])
    values = scaling.values(given.values)
    np.testing.assert_allclose(values.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(values.std(0, correction=0), 1, rtol=1e-6)
    np.testing.assert_allclose(
        values.numpy() * scaling.variables.scale + scaling.variables.mean, given.values, atol=1e-6
    )
    assert scaling.covariates(given.covariates).abs().max() == 0  # a covariate that is always the same


@pytest.mark.parametrize("value", [0.0, 7.25, 1e99, -1e-300, 0.1])
def test_a_constant_series_is_refused(value: float) -> None:
    with pytest.raises(DataError, match=r"X, variable 'y', is .* in all steps to train on: leave it out, or give"):
        SeriesScaling.of([as_series(np.full(10, value))])


def test_numbers_that_cannot_be_squared_are_refused() -> None:
    with pytest.raises(DataError, match=r"X, 'y', has numbers above 1e\+100: give it in larger units"):
        SeriesScaling.of([as_series([1.0, -1e200])])
