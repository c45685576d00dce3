"""`Forecaster`: forecasts from the past alone, back-tests, horizons, covariates, missing values, several series."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ricorda
from ricorda import Forecaster
from ricorda.data.clock import Clock
from ricorda.data.series import Series
from ricorda.errors import ArgumentError, DataError
from ricorda.tasks.forecast.backtest import MODEL
from ricorda.tasks.forecast.baselines import REPEAT_LAST, REPEAT_SEASON

HOUR = 3_600_000_000
HOURLY = Clock(datetime(2024, 1, 1), "microsecond", HOUR)


def small(**parameters: Any) -> Forecaster:
    sizes = {"hidden_size": 5, "epochs": 2, "context": 8, "horizon": 3, "batch_size": 16, "device": "cpu"}
    return Forecaster(**{**sizes, "random_state": 0, **parameters})


def waves(length: int = 90, variables: int = 2) -> np.ndarray:
    random = np.random.default_rng(0)
    steps = np.arange(length)[:, None]
    return np.sin(steps / (2 + np.arange(variables))) * 4 + 10 + random.normal(size=(length, variables)) / 4


def series(values: np.ndarray, observed: Any = None, **others: Any) -> Series:
    seen = np.ones(values.shape, np.bool_) if observed is None else observed
    names = tuple("abcdefg"[: values.shape[1]])
    given = {"targets": names, "covariates": np.empty((len(values), 0)), "clock": HOURLY, "source": "X", **others}
    return Series(values, seen, names, **given)


@pytest.fixture(scope="module")
def model() -> Forecaster:
    """Trained on 90 steps of two variables; not to be changed."""
    return small(head="quantile").fit(waves())


# No leakage


@pytest.mark.parametrize("strategy", ["direct", "recursive"])
@pytest.mark.parametrize("independent", [True, False])
def test_a_forecast_is_made_from_what_lies_before_it_alone(strategy: str, independent: bool) -> None:
    given = waves()
    model = small(strategy=strategy, independent=independent).fit(given)
    before = model.backtest(given, stride=5)
    changed = given.copy()
    changed[50:] += 100
    after = model.backtest(changed, stride=5)
    same = before.origins <= 50
    assert 0 < same.sum() < len(same)
    np.testing.assert_array_equal(before.forecast[same], after.forecast[same])
    assert (before.forecast[~same] != after.forecast[~same]).any((1, 2)).all()
    for name in (REPEAT_LAST, REPEAT_SEASON):
        np.testing.assert_array_equal(before.baselines[name][same], after.baselines[name][same])


def test_what_is_held_out_changes_no_weight_but_by_the_choice_of_an_epoch() -> None:
    given = waves()
    changed = given.copy()
    changed[-20:] = changed[-20:] * 3 - 50
    found = [small(epochs=1, validation_fraction=20 / 90).fit(each) for each in (given, changed)]
    first, second = ([weight.tolist() for weight in each.network_.parameters()] for each in found)
    assert first == second
    scalings = [each.facts_.scaling.variables.mean.tolist() for each in found]
    assert scalings[0] == scalings[1] == pytest.approx(given[:70].mean(0).tolist())
    assert found[1].facts_.deviations.tolist() == pytest.approx(given[:70].std(0).tolist())


# Back-tests


@pytest.mark.parametrize("head", ["point", "quantile", "gaussian"])
def test_a_back_test_is_a_loop_of_forecasts(head: str) -> None:
    given = waves()
    model = small(head=head).fit(given)
    found = model.backtest(given, stride=7)
    assert found.origins.tolist() == list(range(8, 88, 7))
    for row, origin in enumerate(found.origins):
        alone = model.forecast(given[:origin])
        np.testing.assert_allclose(found.forecast[row], alone.values, rtol=1e-6)
        assert found.truth[row].tolist() == given[origin : origin + 3].tolist()
        if alone.quantiles is not None:
            assert found.quantiles is not None
            np.testing.assert_allclose(found.quantiles[row], alone.quantiles, rtol=1e-6)
            assert (np.diff(alone.quantiles) >= 0).all()
            np.testing.assert_allclose(alone.quantiles[..., 1], alone.values, rtol=1e-12)
    assert (found.quantiles is None) == (head == "point")


def test_figures_are_in_deviations_of_the_training_and_of_each_variable_in_its_own_units() -> None:
    given = waves() * [1.0, 1000.0]
    model = small(validation_fraction=0.0).fit(given)
    found = model.backtest(given)
    deviations = given.std(0)
    errors = np.abs(found.truth - found.forecast)
    assert found.overall[MODEL].mae == pytest.approx((errors / deviations).mean())
    assert found.overall[MODEL].mse == pytest.approx(((errors / deviations) ** 2).mean())
    assert found.variables["y2"][MODEL].mae == pytest.approx(errors[..., 1].mean())
    units = np.abs(np.diff(given, axis=0)).mean(0)
    assert found.overall[MODEL].mase == pytest.approx((errors / units).mean())
    assert found.variables["y1"][MODEL].mase == pytest.approx(errors[..., 0].mean() / units[0])
    steps = found.steps
    assert [each[MODEL].mae for each in steps if each] == pytest.approx((errors / deviations).mean((0, 2)).tolist())
    last = np.abs(found.truth - np.repeat(given[found.origins - 1][:, None], 3, 1))
    assert found.variables["y1"][REPEAT_LAST].mae == pytest.approx(last[..., 0].mean())
    told = found.to_json()
    assert json.loads(json.dumps(told)) == told
    assert list(told["overall"]) == ["model", "repeat_last", "repeat_season"]
    assert set(told["overall"]["model"]) == {"mae", "mse", "rmse", "mase", "pinball", "coverage"}


def test_the_errors_of_the_validation_stand_beside_the_baselines() -> None:
    given = series(waves())
    model = small(season=6, strategy="recursive", validation_fraction=0.2).fit(given)
    found = model.backtest(given.part(90 - 18 - 8, 90)).to_json()
    assert model.summary_["validation_errors"] == found["overall"]
    assert found["season"] == 6
    alone = small(validation_fraction=0.0).fit(given)
    assert "validation_errors" not in alone.summary_


# Horizons


def test_a_recursive_forecast_feeds_itself() -> None:
    given = waves()
    model = small(strategy="recursive").fit(given)
    history = given.copy()
    for _ in range(3):
        (step,) = model.predict(history, horizon=1)
        history = np.vstack([history, step])
    np.testing.assert_allclose(model.predict(given), history[-3:], rtol=1e-5)
    np.testing.assert_array_equal(model.predict(given, horizon=5)[:3], model.predict(given))


def test_a_recursive_forecast_and_its_covariates_go_on_together() -> None:
    given = waves()
    model = small(strategy="recursive", epochs=10, learning_rate=0.02).fit(given, covariates=known(90))
    history = given.copy()
    for _ in range(3):
        (step,) = model.predict(history, horizon=1, covariates=known()[: len(history) + 1])
        history = np.vstack([history, step])
    np.testing.assert_allclose(model.predict(given, covariates=known()), history[-3:], rtol=1e-5)


def test_a_direct_forecast_goes_on_from_itself_where_it_may(model: Forecaster) -> None:
    given = waves()
    points = small().fit(given)
    first = points.predict(given)
    second = points.predict(np.vstack([given, first]))
    np.testing.assert_allclose(points.predict(given, horizon=5), np.vstack([first, second])[:5], rtol=1e-5)
    np.testing.assert_array_equal(points.predict(given, horizon=2), first[:2])
    with pytest.raises(ArgumentError, match=r"horizon is 4, and the model gives 3 steps, .* has bands: train one with"):
        model.predict(given, horizon=4)
    others = small(independent=False).fit(given, targets=[0])
    with pytest.raises(ArgumentError, match="as it reads more than its targets: train one with that horizon"):
        others.predict(given, horizon=4)
    assert others.predict(given).shape == (3, 1)


def test_it_goes_on_where_the_training_s_series_ends(model: Forecaster, tmp_path: Path) -> None:
    given = series(waves())
    here = small().fit(given)
    forecast, again = here.forecast(), here.forecast(given)
    np.testing.assert_array_equal(forecast.values, again.values)
    assert forecast.times == again.times == ("2024-01-04 18:00:00", "2024-01-04 19:00:00", "2024-01-04 20:00:00")
    np.testing.assert_allclose(forecast.history, given.values[-8:], rtol=1e-6)
    here.save(tmp_path)
    opened = ricorda.load(tmp_path).forecast()
    assert (opened.times, opened.values.tolist()) == (forecast.times, forecast.values.tolist())
    assert model.forecast().times == ("91", "92", "93")


# Covariates


def known(length: int = 93) -> np.ndarray:
    """Steps of 20 more: at random, and at the first and the last of those to come."""
    found = (np.random.default_rng(5).random((93, 1)) < 0.3).astype(float)
    found[90:, 0] = [1, 0, 1]
    return found[:length]


@pytest.mark.parametrize("independent", [True, False])
def test_what_is_known_beforehand_is_used(independent: bool, tmp_path: Path) -> None:
    given = waves() + 20 * known(90)
    model = small(independent=independent, epochs=15, hidden_size=12, learning_rate=0.04, dropout=0.0).fit(
        given, covariates=known()
    )
    forecast = model.predict()  # the future was given to the training
    np.testing.assert_array_equal(model.predict(given, covariates=known()), forecast)
    np.testing.assert_array_equal(model.predict(covariates=known()[90:]), forecast)
    other = model.predict(covariates=1 - known()[90:])
    assert ((other - forecast) * (1 - 2 * known()[90:]) > 5).all()  # 20 are to be learned, up or down
    model.save(tmp_path)
    np.testing.assert_array_equal(ricorda.load(tmp_path).predict(), forecast)
    blind = small(independent=independent, epochs=15, learning_rate=0.04).fit(given)
    assert model.backtest(given, covariates=known()).overall[MODEL].mse < blind.backtest(given).overall[MODEL].mse / 2


def test_covariates_of_the_steps_to_come_are_asked_for() -> None:
    model = small().fit(waves(), covariates=known(90))
    ahead = "{} has {} steps of covariates after its end, and a forecast needs 3 of x1: add them"
    for forecast, sentence in (
        (model.predict, ahead.format("the series of the training", 0)),
        (lambda: model.predict(covariates=known(2)), ahead.format("the series of the training", 2)),
        (lambda: model.predict(waves(), covariates=known(91)), ahead.format("X", 1)),
        (lambda: model.predict(waves()), "X has 0 covariates, and the model was trained with 1 (x1): give the same"),
    ):
        with pytest.raises(DataError) as caught:
            forecast()
        assert str(caught.value) == sentence
    with pytest.raises(DataError, match=r"covariates has 2 columns, and the model was trained with 1 \(x1\): give the"):
        model.predict(covariates=np.zeros((3, 2)))


# Missing values


def test_missing_values_count_in_no_figure() -> None:
    values, seen = waves(), np.ones((90, 2), np.bool_)
    seen[[20, 21, 22, 40, 70, 71], [0, 0, 0, 1, 1, 1]] = False
    model = small(validation_fraction=0.0).fit(series(values, seen))
    found = model.backtest(series(values, seen))
    assert found.overall[MODEL].mae == pytest.approx(
        (np.abs(found.truth - found.forecast) / model.facts_.deviations)[found.observed].mean()
    )
    assert not found.observed.all()
    np.testing.assert_allclose(model.facts_.deviations, [values[seen[:, n], n].std() for n in (0, 1)])
    both = seen[1:] & seen[:-1]
    expected = [np.abs(np.diff(values, axis=0))[both[:, n], n].mean() for n in (0, 1)]
    np.testing.assert_allclose(
        small(season=1, validation_fraction=0.0).fit(series(values, seen)).facts_.units, expected
    )


def test_a_step_that_was_never_measured_has_no_figure() -> None:
    values, seen = waves(11), np.ones((11, 2), np.bool_)
    seen[9] = False  # the second step of the only forecast
    model = small().fit(waves())
    found = model.backtest(series(values, seen, clock=Clock()))
    assert [each is None for each in found.steps] == [False, True, False]
    assert found.to_json()["steps"][1] is None
    seen[8:, 1] = False
    with pytest.raises(DataError, match="X has no value of 'y2' to compare a forecast with: give a longer series"):
        model.backtest(series(values, seen, clock=Clock()))


def test_a_part_to_validate_by_without_a_value_is_refused() -> None:
    seen = np.ones((90, 2), np.bool_)
    seen[75:, 1] = False
    with pytest.raises(
        DataError, match="no value of 'b' in the steps to choose the best epoch by: give a validation_f"
    ):
        small().fit(series(waves(), seen))
    model = small(validation_fraction=0.0).fit(series(waves(), seen))
    assert np.isfinite(model.predict()).all()


# What cannot be


@pytest.mark.parametrize(
    ("given", "parameters", "sentence"),
    [
        (
            waves(10),
            {},
            "X has 10 steps, too few for a context of 8 and the 3 after it: give a longer series, or a smaller context "
            "or horizon",
        ),
        (
            waves(13),
            {},
            "validation_fraction=0.1 takes 3 of the 13 steps of X, which leaves too few for a context of 8 and the 3 "
            "after it: give a longer series, a smaller context or horizon, or 0",
        ),
        (waves(2), {"context": None}, "X has 2 steps, too few for a context of 1 and the 3 after it: give a longer"),
        (np.ones(50), {}, "X, variable 'y', is 1 in all steps to train on: leave it out, or give steps in which it"),
        (waves(), {"season": 50}, "season is 50, and there are 90 steps: give a longer series or none"),
        (waves(), {"patch": 3}, "context is 8: give a multiple of the patch, 3"),
        (waves(), {"strategy": "recursive", "head": "quantile"}, "head is 'quantile', and the bands of a step cannot"),
        (waves(), {"affine": True, "normalize": "series"}, "affine is a part of normalize='window', which is 'series'"),
        (waves(), {"quantiles": (0.1, 0.9)}, "quantiles is (0.1, 0.9): give rising numbers between 0 and 1, with 0.5"),
        ([waves(), waves()[:, :1]], {}, "X[1] has the names y, and X[0] y1, y2: give all series the same"),
        (
            [series(waves()), series(waves(), clock=Clock(datetime(2024, 1, 1), "month"))],
            {},
            "X[1] has steps of 1 month, and X[0] of 1 hour: give series of the same",
        ),
    ],
)
def test_what_cannot_be_learned_from_is_one_sentence(given: Any, parameters: dict[str, Any], sentence: str) -> None:
    with pytest.raises((ArgumentError, DataError)) as caught:
        small(**parameters).fit(given)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def test_a_series_that_does_not_fit_the_model_is_one_sentence(model: Forecaster) -> None:
    hourly = small().fit(series(waves()))
    for call, sentence in (
        (lambda: model.predict(waves(7)), "X has 7 steps, and a forecast is made from 8: give a longer series"),
        (lambda: model.backtest(waves(10)), "X has 10 steps, too few to read 8 and forecast 3: give more"),
        (lambda: model.backtest(waves(), stride=0), "stride is 0: give a whole number of at least 1"),
        (lambda: model.predict(waves(), horizon=0), "horizon is 0: give a whole number of at least 1"),
        (
            lambda: model.predict(waves(90, 3)),
            "X has the variables y1, y2, y3, and the model was trained on y1, y2: give the same",
        ),
        (
            lambda: hourly.predict(series(waves(90, 1))),
            "X has the variables a, and the model was trained on a, b: give",
        ),
        (
            lambda: hourly.predict(series(waves(), clock=Clock(datetime(2024, 1, 1), "weekday"))),
            "X has steps of 1 weekday, and the model was trained on steps of 1 hour: give a series of these",
        ),
        (lambda: small().fit(waves(), validation=waves(10)), "validation has 10 steps, too few for a context of 8"),
        (lambda: small().fit(waves(), validation=waves(90, 3)), "validation has the variables y1, y2, y3, and the"),
        (lambda: small().fit(waves(), np.ones(90)), "y was given, but a forecast is of X itself: leave it out"),
        (
            lambda: small(strategy="recursive", independent=False).fit(waves(), targets=[0]),
            "strategy='recursive' feeds all variables back, and not all are targets: choose direct or independent",
        ),
    ):
        with pytest.raises((ArgumentError, DataError)) as caught:
            call()
        assert str(caught.value).startswith(sentence)


# Several series, choices


def test_several_series_are_learned_from_together() -> None:
    first, second = waves(40), waves(30) + 5
    model = small(validation_fraction=0.0).fit([first, second])
    assert model.summary_["examples"] == (40 - 8 - 3 + 1) + (30 - 8 - 3 + 1)
    both = model.predict([first, second])
    np.testing.assert_allclose(both[1], model.predict(second), rtol=1e-6)
    with pytest.raises(ArgumentError, match="the model was trained on several series, so give the one to go on from"):
        model.predict()
    held = small(validation_fraction=0.2).fit([first, second])
    assert held.summary_["validation_examples"] == (8 - 3 + 1) + (6 - 3 + 1)
    assert held.summary_["validation_errors"]["model"]["mae"] > 0


@pytest.mark.parametrize(
    ("clock", "length", "season", "context"),
    [(HOURLY, 400, 24, 96), (HOURLY, 60, 24, 15), (HOURLY, 40, 1, 10), (Clock(), 200, 1, 12)],
)
def test_season_and_context_are_chosen_by_the_calendar_and_the_length(
    clock: Clock, length: int, season: int, context: int
) -> None:
    facts = small(context=None, epochs=1, validation_fraction=0.0).fit(series(waves(length), clock=clock)).facts_
    assert (facts.season, facts.context) == (season, context)


def test_variables_are_known_by_their_names() -> None:
    values = waves(60)
    model = small().fit(series(values, targets=("b",)))
    swapped = Series(
        values[:, ::-1], np.ones((60, 2), np.bool_), ("b", "a"), ("b", "a"), np.empty((60, 0)), clock=HOURLY
    )
    np.testing.assert_array_equal(model.predict(swapped), model.predict(series(values)))
    assert (model.facts_.inputs, model.facts_.targets) == (("b",), ("b",))
    np.testing.assert_array_equal(model.predict(values), model.predict(series(values)))  # an array's by their places
