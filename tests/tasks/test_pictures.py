"""The learning curve in a model's folder."""

import io
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from ricorda.tasks.classify.estimator import SequenceClassifier
from ricorda.tasks.forecast.estimator import Forecaster
from ricorda.tasks.pictures import ORANGE, as_png, learning_curve


@pytest.mark.parametrize("kind", [SequenceClassifier, Forecaster])
@pytest.mark.parametrize("epochs", [1, 80])
def test_nothing_of_a_learning_curve_is_cut_off_or_merged(kind: Any, epochs: int) -> None:
    history = [
        {"epoch": epoch, "loss": 1 / epoch, **dict.fromkeys(("score", *kind.SCORES), 1 - 1 / (1 + epoch))}
        for epoch in range(1, epochs + 1)
    ]
    picture = imread(io.BytesIO(as_png(learning_curve(history, kind.LOSS, kind.SCORES))))[..., :3]
    assert picture.shape[1] == 1200
    for edge in (picture[:2], picture[-2:], picture[:, :2], picture[:, -2:]):
        assert (edge == 1).all()
    orange = np.array([int(ORANGE[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    drawn = (abs(picture - orange) < 0.01).all(-1).sum()
    assert 100 < drawn < 7_000  # 80 markers of both panels would be a band
