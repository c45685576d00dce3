"""The figures of regression, each from its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from ricorda.tasks.regress.metrics import report

TABLES = st.tuples(st.integers(2, 12), st.integers(1, 3)).flatmap(
    lambda shape: st.tuples(*[arrays(np.float64, shape, elements=st.floats(-1e3, 1e3, width=32))] * 2)
)
EPS = np.finfo(np.float64).eps


@given(TABLES)
def test_figures_are_their_definitions_of_each_output_and_of_their_mean(tables: tuple[np.ndarray, np.ndarray]) -> None:
    truth, found = tables
    names = [f"y{number}" for number in range(truth.shape[1])]
    result = report(truth, found, names)
    assert result.examples == len(truth)
    assert [each.name for each in result.outputs] == names
    for column, each in enumerate(result.outputs):
        error = found[:, column] - truth[:, column]
        assert each.mae == pytest.approx(np.abs(error).mean(), rel=100 * EPS)
        assert each.rmse == pytest.approx(np.sqrt(np.square(error).mean()), rel=100 * EPS)
        if truth[:, column].std() > 1e-3:
            r2 = 1 - np.square(error).sum() / np.square(truth[:, column] - truth[:, column].mean()).sum()
            assert each.r2 == pytest.approx(r2, rel=1e-9, abs=1e-12)
    assert result.r2 == pytest.approx(r2_score(truth, found))
    assert result.mae == pytest.approx(mean_absolute_error(truth, found))
    roots = np.sqrt(mean_squared_error(truth, found, multioutput="raw_values"))
    assert result.rmse == pytest.approx(roots.mean())


def test_perfect_is_one_the_mean_is_nought_and_a_constant_truth_is_met_or_not() -> None:
    truth = np.array([[1.0], [2.0], [6.0]])
    assert report(truth, truth, ["y"]).r2 == 1
    assert report(truth, np.full((3, 1), 3.0), ["y"]).r2 == pytest.approx(0)
    constant = np.full((3, 1), 5.0)
    assert (report(constant, constant, ["y"]).r2, report(constant, truth, ["y"]).r2) == (1, 0)


def test_a_report_is_plain_data() -> None:
    result = report(np.array([[1.0, 0.0], [2.0, 1.0]]), np.array([[1.0, 0.0], [3.0, 1.0]]), ["a", "b"])
    assert result.to_json() == {
        "examples": 2,
        "r2": pytest.approx((-1 + 1) / 2),
        "mae": 0.25,
        "rmse": pytest.approx(np.sqrt(0.5) / 2),
        "outputs": (
            {"name": "a", "r2": -1.0, "mae": 0.5, "rmse": pytest.approx(np.sqrt(0.5))},
            {"name": "b", "r2": 1.0, "mae": 0.0, "rmse": 0.0},
        ),
    }
