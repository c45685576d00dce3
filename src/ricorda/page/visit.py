"""`Visit`: one browser's look at a tab: its language, its settings, its models and its folder."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from nicegui import background_tasks, context, ui

from ricorda.page import sample
from ricorda.page.settings import Settings, folder_of
from ricorda.page.texts import Texts

LANGUAGES = ("en", "it")
"""In the order of the pairs in `TEXTS`."""

LANGUAGE, LOOK, WISH = "ricorda_lang", "ricorda_look", "ricorda_wish"
"""Cookies: the language that was chosen, light or dark as it was chosen, and as the browser is set."""

PAUSE = 0.25
"""Seconds between two changes of the address."""

LONGEST = 20_000
"""Characters of a setting in the address at most; a longer one is left out."""


class Visit:
    """One browser's look at a tab.

    Parameters
    ----------
    settings : what the page was started with
    texts : the tab's sentences, and those of all tabs
    query : the address's settings, as they came: use the methods, which check them
    cookies : what the browser has kept
    accepted : the languages that the browser asks for, as in the header Accept-Language
    browser : the random name that the browser was given
    client : NiceGUI's side of the browser's page
    """

    def __init__(
        self,
        settings: Settings,
        texts: Texts,
        query: Mapping[str, str],
        *,
        cookies: Mapping[str, str],
        accepted: str,
        browser: str,
        client: Any,
    ) -> None:
        self.settings, self.texts = settings, texts
        self.query = {name: value for name, value in query.items() if len(value) <= LONGEST}
        self.chosen_look = cookies.get(LOOK) if cookies.get(LOOK) in ("light", "dark") else None
        self.dark = (self.chosen_look or cookies.get(WISH)) == "dark"
        wanted = (self.query.get("lang"), cookies.get(LANGUAGE), _preferred(accepted))
        self.language = next(language for language in wanted if language in LANGUAGES)
        self._browser = browser
        self._writing = False
        self._client = client

    @property
    def folder(self) -> Path:
        """The folder of this browser alone, for uploads and trained models."""
        return folder_of(self.settings, self._browser)

    def models(self) -> dict[str, Path]:
        """The trained models that this browser may look at: name -> folder.

        Those of the command line come first, then those that this browser trained, and the sample, if it is trained.
        """
        models = dict(self.settings.models)
        for path in sorted((self.folder / "models").glob("*/config.json")):
            models.setdefault(path.parent.name, path.parent)
        if (shipped := sample.ready(self.settings)) is not None:
            models.setdefault(sample.NAME, shipped)
        return models

    def text(self, key: str, **values: object) -> str:
        """A sentence of the interface in this browser's language."""
        return self.texts[key][LANGUAGES.index(self.language)].format(**values)

    def choice(self, name: str, options: Collection[str], default: str) -> str:
        """A setting that is one of several words."""
        value = self.query.get(name, default)
        return value if value in options else default

    def number(self, name: str, low: float, high: float, default: float) -> float:
        """A setting that is a number from `low` to `high`."""
        try:
            value = float(self.query.get(name, default))
        except ValueError:
            return default
        return min(max(value, low), high) if math.isfinite(value) else default

    def whole(self, name: str, low: int, high: int, default: int) -> int:
        """A setting that is a whole number from `low` to `high`."""
        return round(self.number(name, low, high, default))

    def words(self, name: str, default: str = "") -> str:
        """A setting that is any text."""
        return self.query.get(name, default)

    def keep(self, **settings: object) -> None:
        """Write settings into the address, so that it leads back to what is seen; None takes one out."""
        for name, value in settings.items():
            if value is None:
                self.query.pop(name, None)
            else:
                self.query[name] = str(value)
        if not self._writing:
            self._writing = True
            background_tasks.create(self._write())

    async def _write(self) -> None:
        """Write the address a little later: browsers allow some changes a second, and a slider makes many."""
        await asyncio.sleep(PAUSE)
        self._writing = False
        with self._client:
            ui.navigate.history.replace(f"?{urlencode(self.query)}" if self.query else self.path)

    @property
    def path(self) -> str:
        """The tab's address, without its settings."""
        return str(self._client.request.url.path)


def visit_of(settings: Settings, texts: Texts, request: Any) -> Visit:
    """The visit that a request begins."""
    return Visit(
        settings,
        texts,
        dict(request.query_params),
        cookies=request.scope["ricorda.cookies"],
        accepted=request.headers.get("accept-language", ""),
        browser=request.scope["ricorda.browser"],
        client=context.client,
    )


def _preferred(accepted: str) -> str:
    """The first of our languages in a header such as `it-IT,it;q=0.9,en;q=0.8`."""
    weighed = []
    for part in accepted.split(","):
        language, _, weight = part.partition(";q=")
        try:
            weighed.append((-float(weight or 1), language.strip()[:2].lower()))
        except ValueError:
            continue
    weighed.sort(key=lambda pair: pair[0])
    return next((language for _, language in weighed if language in LANGUAGES), LANGUAGES[0])
