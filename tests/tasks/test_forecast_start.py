"""A forecaster begins at the better baseline and what least squares correct of it."""

import numpy as np
import pytest
import torch

from ricorda import Forecaster


def _airline_like(steps: int = 96) -> np.ndarray:
    month = np.arange(steps)
    noise = np.random.default_rng(0).normal(0, 0.5, steps)
    return 10 + 0.3 * month + 5 * np.sin(2 * np.pi * month / 12) + noise


@pytest.mark.parametrize("normalize", ["window", "series", None])
@pytest.mark.parametrize("horizon", [1, 7])
def test_an_untrained_forecaster_is_better_than_the_baselines(normalize: str | None, horizon: int) -> None:
    model = Forecaster(horizon=horizon, season=12, context=24, normalize=normalize, random_state=0)
    task, _, _ = model.begin(_airline_like(), None, None)
    task.module.eval()
    with torch.no_grad():
        numbers = task.validate()
    assert numbers["mae"] < min(numbers["repeat_last_mae"], numbers["repeat_season_mae"])


def test_without_the_map_and_with_many_windows_nothing_is_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Forecaster(context=12, autoregression=False, random_state=0)
    task, _, _ = model.begin(_airline_like(), None, None)
    assert task.module.autoregression is None
    monkeypatch.setattr("ricorda.tasks.forecast.start.MOST", 10)
    task, _, _ = Forecaster(context=12, random_state=0).begin(_airline_like(), None, None)
    assert task.module.autoregression.weight[0].tolist() == [0.0] * 11 + [1.0]
