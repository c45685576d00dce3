import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics

from ricorda.tasks.classify.metrics import calibration_error, reliability, report


def drawn(seed: int, rows: int, classes: int, present: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Truth that has only the first `present` classes, and probabilities."""
    random = np.random.default_rng(seed)
    return random.integers(0, present, rows), random.dirichlet(np.ones(classes), rows)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(2, 5), st.data())
def test_all_numbers_are_scikit_learns(seed: int, rows: int, classes: int, data: st.DataObject) -> None:
    truth, found = drawn(seed, rows, classes, data.draw(st.integers(1, classes)))
    result = report(truth, found, [f"class {i}" for i in range(classes)])
    verdict = found.argmax(1)
    assert result.examples == rows
    assert result.accuracy == metrics.accuracy_score(truth, verdict)
    assert result.macro_f1 == pytest.approx(metrics.f1_score(truth, verdict, average="macro", zero_division=0))
    assert result.log_loss == pytest.approx(metrics.log_loss(truth, found, labels=range(classes)))
    assert np.array_equal(result.confusion, metrics.confusion_matrix(truth, verdict, labels=range(classes)))
    for index, each in enumerate(result.classes):
        is_so, said_so = truth == index, verdict == index
        assert each.label == f"class {index}"
        assert each.examples == is_so.sum()
        assert each.precision == pytest.approx((is_so & said_so).sum() / max(1, said_so.sum()))
        assert each.recall == pytest.approx((is_so & said_so).sum() / max(1, is_so.sum()))
        assert each.f1 == pytest.approx(2 * (is_so & said_so).sum() / max(1, is_so.sum() + said_so.sum()))


def test_a_class_that_neither_occurs_nor_is_called_does_not_lower_macro_f1() -> None:
    truth = np.array([0, 0, 1, 1])
    found = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.3, 0.6, 0.1]])
    result = report(truth, found, ["a", "b", "never"])
    assert result.macro_f1 == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert result.confusion == ((1, 1, 0), (0, 2, 0), (0, 0, 0))
    assert (result.classes[2].examples, result.classes[2].f1) == (0, 0.0)


def test_calibration_error_by_hand() -> None:
    confidence = np.array([0.95, 0.92, 0.55, 0.51, 0.58, 1.0])
    right = np.array([True, True, True, False, False, False])
    # bin 0.5-0.6: 3 of 6, confidence 1.64 / 3, accuracy 1/3; bin 0.9-1, 1 included: 3 of 6, 2.87 / 3 and 2/3
    wanted = 0.5 * abs(1.64 / 3 - 1 / 3) + 0.5 * abs(2.87 / 3 - 2 / 3)
    assert calibration_error(confidence, right) == pytest.approx(wanted)
    # in two bins, below and above 0.5, all are in the upper one
    assert calibration_error(confidence, right, bins=2) == pytest.approx(abs(4.51 / 6 - 3 / 6))


def test_the_bins_of_reliability_by_hand() -> None:
    confidence = np.array([0.95, 0.92, 0.55, 0.51, 0.58, 1.0])
    right = np.array([True, True, True, False, False, False])
    low, high = reliability(confidence, right)
    assert (low.low, low.high, low.examples, high.low, high.high, high.examples) == (0.5, 0.6, 3, 0.9, 1.0, 3)
    assert (low.confidence, low.right) == (pytest.approx(1.64 / 3), pytest.approx(1 / 3))
    assert (high.confidence, high.right) == (pytest.approx(2.87 / 3), pytest.approx(2 / 3))


def test_the_reliability_diagram_has_a_bar_for_each_bin_beside_what_it_should_be() -> None:
    probabilities = np.array([[0.55, 0.45], [0.58, 0.42], [0.05, 0.95], [0.0, 1.0]])
    result = report(np.array([0, 1, 1, 1]), probabilities, ["a", "b"])
    upper, lower = result.plot().axes
    assert [bar.get_x() for bar in upper.patches] == pytest.approx([0.5, 0.9])
    assert [bar.get_height() for bar in upper.patches] == [0.5, 1.0]
    assert [bar.get_height() for bar in lower.patches] == [2, 2]
    (diagonal, sure) = upper.lines
    assert np.array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert list(sure.get_ydata()) == pytest.approx([0.565, 0.975])
    assert f"{result.calibration_error:.1%}" in upper.get_title()
    picture = result._repr_png_()
    assert picture is not None
    assert picture.startswith(b"\x89PNG")


def test_a_calibrated_verdict_has_no_calibration_error() -> None:
    assert calibration_error(np.full(4, 0.75), np.array([True, True, False, True])) == 0
    assert calibration_error(np.ones(3), np.array([True] * 3)) == 0
    assert calibration_error(np.ones(3), np.array([False] * 3)) == 1


def test_a_truth_called_impossible_has_a_finite_log_loss() -> None:
    result = report(np.array([1, 0]), np.array([[1.0, 0.0], [1.0, 0.0]]), ["a", "b"])
    assert np.isfinite(result.log_loss)
    assert result.log_loss > 300


def test_a_report_is_json_and_comes_back_whole() -> None:
    truth, found = drawn(0, 20, 3, 3)
    result = report(truth, found, [0, 1, 2])
    data = json.loads(json.dumps(result.to_json(), allow_nan=False))
    numbers = {"examples", "accuracy", "macro_f1", "calibration_error", "log_loss"}
    assert set(data) == {*numbers, "classes", "confusion", "reliability"}
    assert set(data["reliability"][0]) == {"low", "high", "examples", "confidence", "right"}
    assert data["accuracy"] == result.accuracy
    assert set(data["classes"][1]) == {"label", "precision", "recall", "f1", "examples"}
    assert data["classes"][1]["label"] == 1
    assert np.sum(data["confusion"]) == 20
