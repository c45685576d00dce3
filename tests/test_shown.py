"""What results look like at a prompt and in a notebook."""

import base64
import io
import re
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread
from small_models import LABELS, TEXTS

from ricorda import Forecaster, SequenceClassifier
from ricorda.insight import gates_of, gradient_flow, memory_of, unroll


@pytest.fixture(scope="module")
def results(fitted: SequenceClassifier) -> dict[str, Any]:
    text = " ".join(TEXTS[:3] * 20)
    walk = np.random.default_rng(0).normal(size=(60, 2)).cumsum(0)
    forecaster = Forecaster(
        hidden_size=4, epochs=1, context=4, horizon=3, head="quantile", random_state=0, device="cpu"
    )
    every = [
        memory_of(fitted, text),
        gates_of(fitted, text),
        unroll(fitted, text),
        gradient_flow(fitted, [text], steps=8),
        fitted.evaluate(TEXTS, LABELS),
        forecaster.fit(walk).forecast(),
    ]
    return {type(result).__name__: result for result in every}


@pytest.mark.parametrize("name", ["Memory", "Gates", "Unrolled", "GradientFlow", "Report", "Forecast"])
def test_a_result_is_a_line_and_in_a_notebook_a_picture_and_numbers(results: dict[str, Any], name: str) -> None:
    result = results[name]
    assert re.fullmatch(rf"{name}\(\w+=.*\)", repr(result))
    assert len(repr(result)) < 600
    page, picture = result._repr_html_(), result._repr_png_()
    assert "<table" in page
    if name == "Unrolled":  # It has a picture of 8 steps at most.
        assert picture is None
        assert "<img" not in page
    else:
        assert base64.b64encode(picture).decode() in page
        assert imread(io.BytesIO(picture)).shape[1] > 500
    if name == "Unrolled":
        assert result[:8]._repr_png_().startswith(b"\x89PNG")


def test_names_and_single_values_stand_in_the_line_and_arrays_as_their_sizes(results: dict[str, Any]) -> None:
    forecast = results["Forecast"]
    assert "values=<array 3×2>" in repr(forecast)
    assert "quantiles=<array 3×2×" in repr(forecast)
    report = results["Report"]
    assert f"Report(examples=30, accuracy={report.accuracy:.4g}, " in repr(report)
    assert f"<th>accuracy</th><td>{report.accuracy:.4g}</td>" in report._repr_html_()


def test_the_frame_of_a_forecast(results: dict[str, Any]) -> None:
    forecast = results["Forecast"]
    frame = forecast.to_frame()
    levels = [f"{level:g}" for level in forecast.levels]
    assert frame.columns == ["time", "variable", "value", *levels]
    for row, (step, variable) in zip(frame.iter_rows(), np.ndindex(3, 2), strict=True):
        assert row[:2] == (forecast.times[step], forecast.names[variable])
        np.testing.assert_array_equal(row[2:], [forecast.values[step, variable], *forecast.quantiles[step, variable]])
