"""The tab *The vanishing gradient*: its numbers, its charts, and the stories of a visitor."""

import asyncio
import json
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

pytest.importorskip("nicegui", reason="nicegui is not installed")

from ricorda.insight import SideBySide
from ricorda.page.gradient import live
from ricorda.page.gradient.chart import BELOW, FLOOR, ZERO, error_chart, gradient_chart, short
from ricorda.page.gradient.tables import error_figure, error_rows, flow_figure, flow_rows
from ricorda.page.gradient.texts import TEXTS
from ricorda.page.gradient.training import look, main

Say = Callable[..., str]

VISIT: Any = SimpleNamespace(dark=False, text=lambda key, **values: TEXTS[key][0].format(**values))


def made(**states: list[float | None]) -> dict[str, Any]:
    """A look at one cell whose states have these logarithms of norms."""
    steps = len(next(iter(states.values())))
    flow = {"steps": steps, "states": {name: {"log10_norm": logs} for name, logs in states.items()}}
    numbers = {"mean_squared_error": 0.2, "share_wrong": 0.5}
    return {"step": 25, "of": 100, "lost": 1e-4, "cells": {"lstm": {"flow": flow, "numbers": numbers}}}


def drawn(options: dict[str, Any], name: str) -> list[dict[str, Any]]:
    (points,) = (series["data"] for series in options["series"] if series["name"] == name)
    return list(points)


def test_what_is_below_the_axis_and_what_is_zero_have_places_of_their_own() -> None:
    points = drawn(gradient_chart(VISIT, made(h=[0.0, FLOOR - 0.5, -400.0, None])), "LSTM h")
    assert [point["value"][:2] for point in points] == [[0, 0.0], [1, BELOW], [2, BELOW], [3, ZERO]]
    assert [point["value"][2] for point in points] == ["1", "3.2·10⁻²¹", "1·10⁻⁴⁰⁰", "0"]
    assert [point.get("symbol") for point in points] == [None, "triangle", "triangle", "diamond"]


def test_the_state_that_carries_is_drawn_thick_and_the_others_dashed() -> None:
    series = gradient_chart(VISIT, made(h=[0.0, -3.0], c=[0.0, -1.0]))["series"]
    assert [(line["name"], line["lineStyle"]["type"]) for line in series[:2]] == [
        ("LSTM c", "solid"),
        ("LSTM h", "dashed"),
    ]


@pytest.mark.parametrize(
    ("number", "text"), [(1.0, "1"), (0.1663, "0.17"), (0.0042, "0.0042"), (3.14e-7, "3.1·10⁻⁷"), (9.96e-5, "1·10⁻⁴")]
)
def test_numbers_are_short(number: float, text: str) -> None:
    assert short(number) == text


def test_the_charts_numbers_are_those_of_insight_and_the_tables_have_them_all() -> None:
    cells = SideBySide(steps=12, memory=12)
    seen, flows = look(cells), cells.flows()
    options = gradient_chart(VISIT, seen)
    for cell, flow in flows.items():
        for name, state in flow.states.items():
            ours = [point["value"][1] for point in drawn(options, f"{cell.upper()} {name}")]
            assert ours == pytest.approx(state.mean_log / 2.302585092994046, abs=6e-4)
    rows = flow_rows(seen)
    assert rows.columns == ["training_step", "cell", "state", "distance", "log10_norm"]
    assert len(rows) == 12 * 4  # The LSTM has two states.
    errors = error_rows([seen])
    measured = cells.measured()
    assert dict(zip(errors["cell"], errors["mean_squared_error"], strict=True)) == {
        cell: numbers["mean_squared_error"] for cell, numbers in measured.items()
    }
    assert flow_figure(VISIT, seen).axes[0].get_lines()
    assert error_figure(VISIT, [seen]).axes[0].get_lines()
    assert drawn(error_chart(VISIT, [seen]), "GRU")[0][0] == 0


def test_a_process_of_its_own_tells_what_there_is_to_see_until_it_is_stopped() -> None:
    async def story() -> tuple[list[int], bool]:
        training, steps = live.Live(), []
        async for seen in training.looks({"steps": 3}):
            steps.append(seen["step"])
            if len(steps) == 2:
                training.stop()
        return steps, training.running

    assert asyncio.run(story()) == ([0, 25], False)


def test_a_setting_that_is_refused_is_said_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    main('{"steps": 1}')
    assert json.loads(capsys.readouterr().out)["error"].startswith("T=1 of synthetic:adding is out of bounds")


def test_no_more_trainings_than_the_machine_can_bear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_AT_ONCE", 0)

    async def story() -> None:
        async for _ in live.Live().looks({"steps": 3}):
            pass

    with pytest.raises(live.BusyError):
        asyncio.run(story())


def read(text: str) -> float:
    """A number as the page writes it."""
    digits, _, exponent = text.partition("·10")
    return float(digits) * 10 ** int(exponent.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")) or 0)


def arrives(page: Any, cell: str) -> float:
    return read(page.locator(f"[data-cell={cell}] .arrives").inner_text())


def ready(page: Any, text: str) -> None:
    page.locator("[role=status]", has_text=re.compile(re.escape(text))).wait_for()


def written(page: Any, setting: str) -> None:
    """Wait until a setting stands in the address, which is written a little later."""
    page.wait_for_function("setting => location.search.includes(setting)", arg=setting)


def test_with_memory_the_rnns_gradient_is_below_a_ten_billionth_of_the_lstms(
    story: Any, language: str, say: Say
) -> None:
    page = story.open("/gradient?T=100&gates=memory&memory=100", language)
    ready(page, say("gradient", "untrained"))
    assert arrives(page, "rnn") < 1e-10 * arrives(page, "lstm")
    assert arrives(page, "lstm") > 0.01 < arrives(page, "gru")
    assert say("gradient", "sound") in page.locator("[data-cell=lstm]").inner_text()
    page.get_by_text(say("gradient", "drawn"), exact=True).click()  # Gates alone do not keep.
    page.wait_for_function("document.querySelector('[data-cell=lstm] .arrives').innerText.includes('·10')")
    assert arrives(page, "lstm") < 1e-10
    written(page, "gates=drawn")
    slider = page.locator(".slider-steps [tabindex='0']")
    slider.focus()
    for _ in range(3):
        slider.press("ArrowLeft")
    ready_at = say("gradient", "arrives", distance=96, state="h")
    page.locator("[data-cell=rnn]", has_text=ready_at).wait_for()
    written(page, "T=97")
    again = story.open(page.url.removeprefix(story.server.address), language)  # The address leads back.
    again.locator("[data-cell=rnn]", has_text=ready_at).wait_for()
    assert arrives(again, "lstm") == arrives(page, "lstm")


def test_they_train_before_ones_eyes_and_stop(story: Any, language: str, say: Say) -> None:
    page = story.open("/gradient?T=10&gates=memory&memory=10", language)
    ready(page, say("gradient", "untrained"))
    before = arrives(page, "lstm")
    page.get_by_role("button", name=say("gradient", "start")).click()
    told = "() => Number((document.querySelector('[role=status]').innerText.match(/[0-9]+/) ?? [0])[0])"
    page.wait_for_function(f"({told})() >= 50", timeout=120_000)  # The cells are compiled before.
    assert page.locator("[role=status]").inner_text().startswith(say("gradient", "progress", step="", of="")[:8])
    assert arrives(page, "lstm") != before
    assert page.locator("[data-cell=gru] .numbers").inner_text()
    page.get_by_role("button", name=say("gradient", "stop")).click()
    page.get_by_role("button", name=say("gradient", "start")).wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name=say("frame", "numbers")).last.click()
    table = pl.read_csv(download.value.path())
    assert set(table["cell"]) == {"rnn", "lstm", "gru"}
    assert table["training_step"].max() >= 50
