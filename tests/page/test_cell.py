"""The tab *The cell*: the worked examples, one's own equations, and addresses that lead back."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from ricorda.catalogue import CELLS
from ricorda.errors import ArgumentError, CellError
from ricorda.insight import unroll
from ricorda.page.cell.examples import EXAMPLES
from ricorda.page.cell.network import Network, cell_named
from ricorda.page.cell.picture import cells_of, shown
from ricorda.page.equations import typeset

Say = Callable[..., str]

OWN = """def mine(x, h):
    f = sigmoid(affine("f", h, x))
    return f * h + (1 - f) * {}(affine("g", x))
"""


def _story_of(name: str) -> str:
    return "&".join(f"{key}={value}" for key, value in EXAMPLES[name].items())


@pytest.mark.parametrize(("company", "output"), [("company_a", "0.0"), ("company_b", "1.0")])
def test_the_worked_example_is_read_off_the_page(
    story: Any, language: str, say: Say, company: str, output: str
) -> None:
    page = story.open("/cell", language)
    page.get_by_role("button", name=say("cell", company), exact=True).click()
    verdict = page.locator(".verdict")
    page.wait_for_function("n => document.querySelector('.verdict b').textContent === n", arg=output)
    assert say("cell", "rounded", number=output) in verdict.inner_text()
    page.wait_for_url(f"**{EXAMPLES[company]['w']}**".replace(",", "%2C"))


def test_the_numbers_follow_inputs_weights_and_the_arrow_keys(story: Any, language: str, say: Say) -> None:
    page = story.open(f"/cell?{_story_of('company_a')}", language)
    unrolled = page.locator(".unrolled")
    unrolled.get_by_label(say("cell", "input_label", name="x", step=1)).locator("visible=true").first.fill("1")
    page.wait_for_function("() => document.querySelector('.verdict b').textContent === '1.0'")
    page.get_by_role("group", name=say("cell", "picture_label")).focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("() => document.querySelector('.verdict').textContent.includes('0.61')")  # h of day 2
    page.wait_for_url("**s=2**")
    weights = {
        "weight_ih_l0": [[1.65], [1.63], [0.89], [-0.19]],
        "weight_hh_l0": [[2.0], [2.7], [1.41], [4.38]],
        "bias_ih_l0": [0.62, 1.62, -0.32, 0.59],
    }
    candidate = shown(unroll("lstm", [1, 0.5, 0.25, 1], weights).values["g"][1, 0])
    assert candidate not in unrolled.inner_text()
    slider = page.get_by_role("slider", name=say("cell", "weight_label", name="g x"))
    slider.locator("[tabindex]").focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("n => document.querySelector('.unrolled').textContent.includes(n)", arg=candidate)
    page.wait_for_url("**0.89**")


def test_ones_own_cell_and_its_mistake_with_the_line(story: Any, language: str, say: Say) -> None:
    page = story.open("/cell?cell=rnn", language)
    page.get_by_role("button", name=say("cell", "own"), exact=True).click()
    editor = page.locator(".cm-content")
    editor.wait_for()
    assert "def rnn(x, h" in editor.inner_text()
    editor.fill(OWN.format("tanhh"))
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "line 3" in alert.inner_text()
    assert "there is no function tanhh" in alert.inner_text()
    mistake = page.locator(".cm-line .mistake")
    assert "tanhh" in "".join(mistake.all_inner_texts())
    assert page.get_by_role("heading", name="rnn", exact=True).count() == 1  # as it was before
    editor.fill(OWN.format("tanh"))
    page.get_by_role("heading", name="mine", exact=True).wait_for()
    assert page.get_by_role("alert").count() == 0
    page.wait_for_url("**text=def**")
    again = story.open(re.sub(r"^https?://[^/]+", "", page.url), language)
    again.get_by_role("heading", name="mine", exact=True).wait_for()
    assert again.locator(".unrolled").inner_text() == page.locator(".unrolled").inner_text()


def test_an_address_leads_back_to_what_is_seen(story: Any, language: str) -> None:
    address = "/cell?cell=gru_d&i=2&h=2&x=1,0,1,1,2;0.5,1,1,0,3&s=1"
    page = story.open(address, language)
    page.wait_for_selector(".unrolled .box.now")
    first = page.locator(".unrolled").inner_text()
    page.get_by_label("x_2").locator("visible=true").first.fill("0.75")
    page.wait_for_url("**0.75**")
    page.wait_for_function("old => document.querySelector('.unrolled').innerText !== old", arg=first)
    again = story.open(re.sub(r"^https?://[^/]+", "", page.url), language)
    again.wait_for_selector(".unrolled .box.now")
    assert again.locator(".unrolled").inner_text() == page.locator(".unrolled").inner_text()
    assert again.locator(".unrolled .later").count() > 0


def test_numbers_and_pictures_leave(story: Any, language: str, say: Say) -> None:
    page = story.open(f"/cell?{_story_of('company_b')}", language)
    with page.expect_download() as download:
        page.get_by_role("button", name=say("frame", "numbers")).click()
    assert download.value.suggested_filename == "lstm-unrolled.csv"
    lines = download.value.path().read_text(encoding="utf-8").splitlines()
    assert lines[0] == "step,token,name,unit,value"
    last = float(next(line for line in lines if line.startswith("4,4,h,0,")).split(",")[-1])
    assert round(last, 2) == 0.97
    with page.expect_download() as download:
        page.get_by_role("button", name=say("frame", "picture", form="SVG")).click()
    assert download.value.path().read_text(encoding="utf-8").startswith("<?xml")


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("size", [1, 2])
def test_every_cell_of_the_catalogue_is_unrolled(name: str, size: int) -> None:
    network = Network(CELLS[name], size, size)
    unrolled = network.unrolled()
    assert len(unrolled) == 4
    html = cells_of(unrolled, 3, {"before": "before", "step": "step"})
    assert html.count('class="box') == 4 * html.count('class="label')
    assert all(shown(float(value)) in html for value in unrolled.values[unrolled.program.output_name][-1])
    if name == "lmu":  # One of its states has 32 numbers.
        assert f"‖·‖ = {shown(float(np.linalg.norm(unrolled.values['m'][-1])))}" in html
    if network.weights:  # The first weight does something to what it is named after.
        before = unrolled.values
        for weight in network.weights:
            network.set_weight(weight, network.weight(weight) + 0.5)
        after = network.unrolled().values
        assert any(not np.array_equal(before[key], after[key]) for key in before)


def test_equations_are_well_formed_and_escaped() -> None:
    for cell in CELLS.values():
        for line in typeset(cell.program):
            parser = _Balanced()
            parser.feed(line)
            assert parser.open == []
            assert "\\" not in parser.text
            assert "{" not in parser.text
    assert "σ(<i>W</i><sub><i>i</i></sub>" in typeset(CELLS["lstm"].program)[0]


class _Balanced(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_options_of_an_address_have_the_types_of_the_defaults() -> None:
    assert cell_named("rhn", {"depth": "2"}).options["depth"] == 2
    assert cell_named("rhn", {"depth": "3", "nothing": "1"}) == CELLS["rhn"]
    with pytest.raises(ArgumentError, match="option depth of cell rhn is 'deep'"):
        cell_named("rhn", {"depth": "deep"})


def test_a_cell_with_states_of_any_size_is_not_made() -> None:
    from ricorda.program.text import read_cell

    vast = read_cell(
        '@cell(sizes={"m": 1000000000})\ndef vast(x, h, m):\n    return tanh(affine("h", h, x, m)), m * 0.5\n'
    )
    with pytest.raises((ArgumentError, CellError), match="numbers a step"):
        Network(vast, 1, 1)
