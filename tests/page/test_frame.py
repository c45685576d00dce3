"""The frame of the page: its tabs, languages and looks."""

import ast
import re
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ricorda.page
from ricorda.page.tabs import TABS, Tab
from ricorda.page.texts import TEXTS

Say = Callable[..., str]


def _visit(query: dict[str, str], cookies: dict[str, str] | None = None, accepted: str = "") -> Any:
    """A visit outside a server."""
    pytest.importorskip("nicegui", reason="nicegui is not installed")
    from ricorda.page.settings import Settings
    from ricorda.page.visit import Visit

    return Visit(
        Settings({}, "127.0.0.1"), TEXTS, query, cookies=cookies or {}, accepted=accepted, browser="0" * 32, client=None
    )


@pytest.mark.parametrize("texts", [TEXTS, *(tab.texts for tab in TABS)], ids=["all", *(tab.name for tab in TABS)])
def test_both_languages_have_the_same_places_for_values(texts: dict[str, tuple[str, str]]) -> None:
    def places(text: str) -> list[str]:
        return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)

    for key, (english, italian) in texts.items():
        assert english, key
        assert italian, key
        assert places(english) == places(italian), key


def test_no_key_of_a_tab_hides_one_of_all_tabs() -> None:
    for tab in TABS:
        assert set(tab.texts) & set(TEXTS) == set()


def test_the_tabs_stand_in_the_courses_order_in_the_browsers_language(story: Any, language: str, say: Say) -> None:
    page = story.open("/", language)
    assert page.locator("nav a").all_inner_texts() == [say(tab.name, "title") for tab in TABS]
    assert re.search("/cell$", page.url)
    for tab in TABS:
        page.get_by_role("link", name=say(tab.name, "title"), exact=True).click()
        page.wait_for_url(f"**/{tab.name}")
        assert page.locator("nav [aria-current=page]").inner_text() == say(tab.name, "title")


@pytest.mark.parametrize(
    ("accepted", "query", "cookies", "language"),
    [
        ("it-IT,it;q=0.9,en;q=0.8", {}, {}, "it"),
        ("en-GB", {}, {}, "en"),
        ("de,it;q=0.5,en;q=0.7", {}, {}, "en"),
        ("de, fr", {}, {}, "en"),
        ("it;q=nothing,,", {}, {}, "en"),
        ("en", {"lang": "it"}, {}, "it"),
        ("en", {}, {"ricorda_lang": "it"}, "it"),
        ("en", {"lang": "en"}, {"ricorda_lang": "it"}, "en"),
        ("it", {"lang": "<script>"}, {"ricorda_lang": "xx"}, "it"),
    ],
)
def test_the_language_is_the_addresss_or_the_chosen_or_the_browsers(
    accepted: str, query: dict[str, str], cookies: dict[str, str], language: str
) -> None:
    assert _visit(query, cookies, accepted).language == language


def test_settings_of_an_address_are_checked() -> None:
    visit = _visit({"n": "7", "bad": "many", "far": "1e9", "not": "nan", "cell": "lstm", "long": "a" * 30_000})
    assert visit.whole("n", 1, 10, 3) == 7
    assert visit.whole("bad", 1, 10, 3) == 3
    assert visit.whole("far", 1, 10, 3) == 10
    assert visit.number("not", 0, 1, 0.5) == 0.5
    assert visit.choice("cell", ["rnn", "lstm"], "rnn") == "lstm"
    assert visit.choice("cell", ["rnn", "gru"], "rnn") == "rnn"
    assert visit.words("long", "short") == "short"


def test_the_chosen_language_and_look_stay(story: Any, language: str, say: Say) -> None:
    first = story.open("/cell?cell=gru", "en" if language == "it" else "it")
    first.locator("[data-choice=language]").click()
    first.wait_for_url(f"**/cell?cell=gru&lang={language}")
    assert first.locator("html").get_attribute("lang") == language
    first.get_by_role("button", name=say("frame", "dark"), exact=True).click()
    first.wait_for_selector("html.dark body.body--dark")
    second = story.open("/review", context=first.context)
    assert second.locator("nav [aria-current=page]").inner_text() == say("review", "title")
    assert second.locator("html.dark").count() == 1


def test_dark_is_the_browsers_wish(story: Any) -> None:
    page = story.open("/cell", color_scheme="dark")
    page.wait_for_selector("html.dark body.body--dark")
    page.emulate_media(color_scheme="light")
    page.wait_for_selector("html:not(.dark) body:not(.body--dark)")


def test_the_first_stop_of_the_keyboard_leads_to_the_content(story: Any, language: str, say: Say) -> None:
    page = story.open("/compare", language)
    page.wait_for_selector(".nicegui-skip-link", state="attached")
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == say("frame", "skip")
    page.keyboard.press("Enter")
    page.wait_for_selector(".main:focus")
    for _ in range(2):
        page.keyboard.press("Shift+Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


@pytest.mark.parametrize("tab", TABS, ids=[tab.name for tab in TABS])
def test_no_tab_is_wider_than_a_window_of_900_pixels(story: Any, tab: Tab) -> None:
    page = story.open(f"/{tab.name}", "it", viewport={"width": 900, "height": 700})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= 900
    nav = page.locator("nav").evaluate("nav => [nav.scrollWidth, nav.clientWidth]")
    assert nav[0] <= nav[1]


ELEMENTS = {"label", "button", "link", "checkbox", "input", "textarea", "number", "expansion", "notify", "page_title"}
METHODS = {"tooltip", "set_text"}
SAID = {"label", "placeholder", "text", "title"}


def written_out(code: str) -> list[str]:
    """What code says to people in words of its own: texts that are handed to elements, with a letter in them."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        keywords = [keyword.value for keyword in node.keywords if keyword.arg in SAID]
        is_element = isinstance(node.func.value, ast.Name) and node.func.value.id == "ui"
        says = node.args[:1] if node.func.attr in (ELEMENTS if is_element else METHODS) else []
        for value in [*says, *(keywords if is_element else [])]:
            parts = value.values if isinstance(value, ast.JoinedStr) else [value]
            texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
            found += [text for text in texts if any(letter.isalpha() for letter in text)]
    return found


def test_no_sentence_of_the_interface_stands_outside_of_texts() -> None:
    own = {"ricorda", " - ricorda"}  # Its name is no sentence.
    for path in sorted(Path(ricorda.page.__file__).parent.rglob("*.py")):
        assert set(written_out(path.read_text("utf-8"))) <= own, path


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ('ui.label("Hello")', ["Hello"]),
        ('ui.label(f"{n} words")', [" words"]),
        ('ui.select(options, label="Cell")', ["Cell"]),
        ('ui.label(visit.text("hello"))', []),
        ('ui.label("→")', []),
        ('button.tooltip("Go on")', ["Go on"]),
    ],
)
def test_the_check_of_sentences_tells_right_from_wrong(code: str, said: list[str]) -> None:
    assert written_out(code) == said
