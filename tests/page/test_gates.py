"""The tab *The gates*: its numbers are those of insight, and a browser sees its own models alone."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

import ricorda
from ricorda.insight import followers_of, gates_of

Say = Callable[..., str]

TEXTS = ["a warm and funny film", 'she said "dull" and slept']
ADDRESS = f"/gates?model=model&text={quote(chr(10).join(TEXTS))}"


def test_the_numbers_are_those_of_insight(story: Any, language: str, say: Say, trained: Path) -> None:
    model = ricorda.load(trained / "model")
    gates, followers = gates_of(model, *TEXTS), followers_of(model, TEXTS)
    gate = list(gates.values)[-1]
    page = story.open(f"{ADDRESS}&gate={gate}", language)
    page.wait_for_selector(".heat-map canvas")
    chart = page.locator(".heat-map").get_attribute("id").removeprefix("c")
    options = page.evaluate(f"() => getElement({chart}).chart.getOption()")
    order = gates.order("time", gate)
    drawn = {(step, int(order[row])): value for step, row, value in options["series"][0]["data"]}
    assert len(drawn) == gates.values[gate].size
    for (step, unit), value in drawn.items():
        assert value == pytest.approx(gates.values[gate][step, unit], abs=1e-4)
    assert [name.split("\n")[1] for name in options["xAxis"][0]["data"]] == list(gates.tokens)
    table = page.locator(".number-table").inner_text().split("\n")
    for name, values in gates.values.items():
        low, high = gates.saturated[name]
        start = table.index(name)
        assert table[start + 1 : start + 4] == [f"{number.mean():.2f}" for number in (values, low, high)]
    counts = [list(map(str, row)) for row in gates.counts().values()]
    shown = page.locator(".bars .tabular").all_inner_texts()
    assert shown == [count for row in counts for count in row]
    rows = page.locator(".property-table").inner_text().split("\n")
    for name in followers.correlations:
        for unit, correlation in followers.best(name):
            start = rows.index(say("gates", name))
            assert rows[start + 1 : start + 3] == [str(unit), f"{correlation:+.2f}".replace("-", "−")]
    with page.expect_download() as download:
        page.locator(".gates-map").get_by_role("button", name=say("frame", "numbers")).click()
    lines = download.value.path().read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + sum(values.size for values in gates.values.values())
    first = next(line for line in lines if line.split(",")[2:4] == [gate, "0"])
    assert float(first.split(",")[4]) == pytest.approx(float(gates.values[gate][0, 0]))


def test_it_follows_what_is_typed_and_chosen(story: Any, language: str, say: Say) -> None:
    page = story.open("/gates", language)
    page.wait_for_selector(".heat-map canvas")
    page.get_by_label(say("gates", "texts")).fill('<img src=x onerror="alert(1)"> funny')
    page.wait_for_function("() => document.querySelector('.coloured-text').textContent.includes('funny')")
    assert page.locator(".main img").count() == 0
    page.wait_for_url("**text=%3Cimg**")
    page.get_by_role("button", name=say("gates", "position"), exact=True).click()
    page.wait_for_url("**property=position**")
    page.locator("[aria-pressed=true]", has_text=say("gates", "position")).wait_for()


def test_a_browser_sees_its_own_models_alone_and_a_cell_without_gates_says_so(
    story: Any, language: str, trained: Path, tmp_path: Path
) -> None:
    from small_models import LABELS, TEXTS, small

    mine, other = story.open("/gates", language), story.open("/gates", language)
    name = next(one["value"] for one in mine.context.cookies() if one["name"] == "ricorda_browser")
    folder = story.server.folder / "cache" / "page" / hashlib.sha256(name.encode()).hexdigest()[:32]
    small(cell="rnn", epochs=1).fit(TEXTS, LABELS).save(tmp_path / "plain")
    shutil.copytree(tmp_path / "plain", folder / "models" / "plain")
    mine.goto(f"{story.server.address}/gates?model=plain")
    alert = mine.get_by_role("alert")
    alert.wait_for()
    assert "cell rnn has no gate" in alert.inner_text()
    other.goto(f"{story.server.address}/gates?model=plain")
    other.wait_for_selector(".heat-map canvas")  # It has no such model, and shows its first.
    assert other.get_by_role("alert").count() == 0
    shutil.rmtree(folder / "models" / "plain")


def test_the_heat_map_of_a_long_text_is_a_window() -> None:
    from ricorda.insight.gates.result import HEATMAP_STEPS, Gates
    from ricorda.page.gates.chart import coloured, heat_map

    T = HEATMAP_STEPS + 7
    values = np.linspace(0, 1, T * 3).reshape(T, 3)
    gates = Gates("lstm", tuple("abcdefg" * T)[:T], (0,), {"f": values}, {"f": values}, {"c": values})
    chart = heat_map(gates, "f", "time", 10, {"unit": "unit", "lasts": "lasts {steps} steps"}, False)
    assert len(chart["xAxis"]["data"]) == T - 10
    assert chart["series"][0]["data"][0] == [0, 0, round(values[10, gates.order()[0]], 4)]
    assert chart["tooltip"]["renderMode"] == "richText"
    html = coloured(("<b>", "x"), np.array([0.5, -1.0]))
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
