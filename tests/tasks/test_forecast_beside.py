"""Forecasters of cells that read which values were measured, and how long ago the last one was."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose
from torch import Tensor

import ricorda
from ricorda import ArgumentError, Forecaster, affine, cell, exp, tanh
from ricorda.data.beside import elapsed
from ricorda.data.series import read_series
from ricorda.program.cell import Cell
from ricorda.tasks.forecast.heads import Head
from ricorda.tasks.forecast.network import ForecastNetwork, Sizes

CONTEXT = 6


@cell(inputs={"mask": "I", "gap": 1})
def told(x, mask, gap, h):
    """A cell that shows what it was told."""
    return tanh(affine("h", mask * x, h, mask)) + exp(-gap) * h


def network(told: Cell, *, independent: bool, patch: int = 1, variables: int = 2) -> ForecastNetwork:
    torch.manual_seed(0)
    sizes = Sizes(variables, 1, tuple(range(variables)), CONTEXT, 2, patch, 3, 1)
    options = {"window": True, "affine": False, "autoregression": False, "dropout": 0.0}
    return ForecastNetwork(told.program, sizes, Head("point", "mse", (0.5,)), independent=independent, **options)


def seen_by(model: ForecastNetwork, past: Tensor, seen: Tensor | None) -> dict[str, Tensor]:
    """The second inputs with which the layers of a network are called."""
    calls: list[Any] = []
    handle = model.layers.register_forward_pre_hook(lambda *call: calls.append(call[2]["inputs"]), with_kwargs=True)
    model(past, torch.zeros(len(past), 1, CONTEXT), torch.zeros(len(past), 1, 2), seen)
    handle.remove()
    return calls[0]


SEEN = torch.tensor([[[1, 0, 0, 1, 1, 0], [0, 0, 1, 1, 0, 1]]]).float()


def test_each_variable_has_its_own_mask_and_gap_where_it_is_read_alone() -> None:
    inputs = seen_by(network(told, independent=True), torch.randn(1, 2, CONTEXT), SEEN)
    assert inputs["mask"].shape == (CONTEXT, 2, 2)
    assert torch.equal(inputs["mask"][..., 0].T, SEEN[0])
    assert inputs["mask"][..., 1].eq(1).all()  # Covariates are always known.
    assert inputs["gap"][..., 0].T.tolist() == [[1, 1, 2, 3, 1, 1], [1, 2, 3, 1, 1, 2]]


def test_variables_that_are_read_together_share_the_gap() -> None:
    inputs = seen_by(network(told, independent=False), torch.randn(1, 2, CONTEXT), SEEN)
    assert torch.equal(inputs["mask"][:, 0, :2].T, SEEN[0])
    assert inputs["gap"][:, 0, 0].tolist() == [1, 1, 2, 1, 1, 1]


def test_a_step_of_a_patch_has_seen_what_one_of_its_steps_has() -> None:
    inputs = seen_by(network(told, independent=True, patch=3), torch.randn(1, 2, CONTEXT), SEEN * 0 + SEEN[:, :1])
    assert inputs["mask"].shape == (2, 2, 6)
    assert inputs["mask"][:, 0, :3].tolist() == [[1, 0, 0], [1, 1, 0]]
    assert inputs["gap"][:, 0, 0].tolist() == [1, 1]
    assert seen_by(network(told, independent=True), torch.randn(1, 2, CONTEXT), None)["mask"].eq(1).all()
    assert elapsed(torch.zeros(3, 1, dtype=torch.bool))[:, 0, 0].tolist() == [1, 2, 3]


def test_what_was_not_measured_moves_no_forecast() -> None:
    model = network(told, independent=True)
    past = torch.randn(1, 2, CONTEXT)
    other = torch.where(SEEN > 0, past, 100.0)
    covariates = torch.zeros(1, 1, CONTEXT), torch.zeros(1, 1, 2)
    assert_allclose(*(model(values, *covariates, SEEN).detach() for values in (past, other)), rtol=1e-6)
    assert model(past, *covariates, SEEN * 0).isfinite().all()


def data(tmp_path: Path) -> Path:
    """A wave of which a quarter is missing, with some rows that are missing altogether."""
    random = np.random.default_rng(0)
    values = np.sin(np.arange(120) / 3) + 5
    days = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 4, 29), eager=True)
    values[random.random(120) < 0.25] = np.nan
    table = pl.DataFrame({"day": days, "value": values}).fill_nan(None)
    file = tmp_path / "wave.csv"
    table.filter(~pl.int_range(pl.len()).is_in([40, 41, 60])).write_csv(file)
    return file


@pytest.mark.parametrize("cell", ["gru_d", told], ids=["gru_d", "own"])
def test_a_model_is_trained_saved_and_forecasts_from_what_was_measured(cell: Any, tmp_path: Path) -> None:
    series = read_series(data(tmp_path), time="day")
    model = Forecaster(cell, horizon=2, context=8, hidden_size=4, epochs=2, random_state=0, device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(series)
    model.save(tmp_path / "model")
    again = ricorda.load(tmp_path / "model")
    assert_allclose(again.predict(), model.predict())
    assert_allclose(model.predict(series), model.predict(), rtol=1e-5)
    assert model.network_.end_seen.tolist() == series.observed[-8:].tolist()
    assert np.isfinite(model.backtest(series).forecast).all()


def test_other_second_inputs_are_refused() -> None:
    @cell(inputs={"weather": 1})
    def outside(x, weather, h):
        return tanh(affine("h", x, h)) * weather

    with pytest.raises(ArgumentError, match="reads weather beside its input, and estimators know mask and gap"):
        Forecaster(outside, context=8, device="cpu").fit(np.sin(np.arange(60)))


def test_plain_arrays_may_lack_numbers_where_the_cell_takes_a_mask() -> None:
    wave = np.sin(np.arange(80) / 3) + 5
    wave[[4, 30, 31, 77]] = np.nan
    options = {"horizon": 2, "context": 8, "hidden_size": 4, "epochs": 1, "random_state": 0, "device": "cpu"}
    model = Forecaster("gru_d", **options).fit(wave, validation=wave)
    assert model.network_.end_seen[:, 0].tolist() == [1, 1, 1, 1, 1, 0, 1, 1]
    assert np.isfinite(model.predict()).all()
    assert_allclose(model.predict(wave), model.predict(), rtol=1e-5)
    assert np.isfinite(model.backtest(wave).forecast).all()
    with pytest.raises(ricorda.DataError, match=r"X has NaN at \[4, 0\].* a cell that takes a mask, such as gru_d"):
        Forecaster("gru", **options).fit(wave)
    wave[0] = np.nan
    with pytest.raises(ricorda.DataError, match=r"X has NaN at \[0, 0\], and nothing before it"):
        model.fit(wave)
    wave[0] = np.inf
    with pytest.raises(ricorda.DataError, match=r"X has inf at \[0, 0\]"):
        model.fit(wave)
