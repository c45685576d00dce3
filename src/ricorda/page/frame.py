"""What stands around every tab: the header with the tabs, the language, light and dark."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from urllib.parse import urlencode

from nicegui import ui

from ricorda.page.tabs import TABS, Tab
from ricorda.page.visit import LANGUAGES, LOOK, WISH, Visit

STYLE = files("ricorda.page").joinpath("page.css").read_text("utf-8")

_HEAD = """
<script>
document.documentElement.lang = {language};
document.documentElement.classList.toggle("dark", {dark});
(() => {{
  const wish = matchMedia("(prefers-color-scheme: dark)");
  const keep = () => {{
    document.cookie = "{cookie}=" + (wish.matches ? "dark" : "light") + ";path=/;max-age=31536000;samesite=lax";
    return document.cookie.includes("{cookie}=");
  }};
  const follow = () => {{ if (keep() && !{chosen} && wish.matches !== {dark}) location.reload(); }};
  wish.addEventListener("change", follow);
  follow();
}})();
</script>
"""
"""The server draws for the look that the browser was set to at its last visit; where that has changed, once more."""


@contextmanager
def frame(visit: Visit, tab: Tab) -> Iterator[None]:
    """The page around a tab, whose content is made within."""
    script = _HEAD.format(
        language=json.dumps(visit.language),
        dark=json.dumps(visit.dark),
        chosen=json.dumps(visit.chosen_look is not None),
        cookie=WISH,
    )
    ui.add_head_html(f"{script}<style>{STYLE}</style>")
    ui.page_title(f"{visit.text('title')} - ricorda")
    ui.dark_mode(visit.dark)
    ui.colors(primary="#7cc0f5" if visit.dark else "#0b62a8")
    main = ui.element("div").classes("main")  # NiceGUI makes the element main around it.
    with ui.header().classes("bar"), ui.element("div").classes("bar-inner"):
        ui.label("ricorda").classes("brand")
        with ui.element("nav").classes("tabs").props(f'aria-label="{visit.text("tabs")}"'):
            for other in TABS:
                title = other.texts["title"][LANGUAGES.index(visit.language)]
                link = ui.link(title, f"/{other.name}").classes("tab")
                if other == tab:
                    link.classes("here").props('aria-current="page"')
        _choices(visit)
    ui.skip_link(visit.text("skip"), target=main)  # It goes before the header, which must be there.
    with main:
        yield


def trouble(sentence: object) -> ui.label:
    """A mistake in one sentence, where it was made; readers of the screen are told."""
    return ui.label(str(sentence)).classes("trouble").props('role="alert"')


def _choices(visit: Visit) -> None:
    """The other language, and the other look."""
    other = LANGUAGES[1 - LANGUAGES.index(visit.language)]
    with ui.element("div").classes("choices"):
        ui.link(visit.text("other_language"), f"?{urlencode({**visit.query, 'lang': other})}").classes("choice").props(
            f'lang="{other}" hreflang="{other}" data-choice="language"'
        )
        look = "light" if visit.dark else "dark"
        change = f'document.cookie = "{LOOK}={look};path=/;max-age=31536000;samesite=lax"; location.reload();'
        button = ui.element("button").classes("choice").props('type="button" data-choice="look"')
        button.on("click", js_handler=f"() => {{ {change} }}")
        with button:
            ui.label(visit.text(look))
