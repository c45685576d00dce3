"""A headless Chromium for the tests of pages; it notes every request and every error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Opened:
    """A page that was opened from disk, with what it asked for and what went wrong in it."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.page = browser.new_page(**options)
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.url = path.resolve().as_uri()
        self.page.goto(self.url)

    def check(self) -> None:
        """Nothing was asked for but the file itself, and nothing went wrong."""
        assert self.requests == [self.url]
        assert not self.errors

    def frames(self, count: int = 2) -> None:
        """Let it paint."""
        self.page.evaluate(
            "n => new Promise(done => { const go = () => (n-- ? requestAnimationFrame(go) : done()); go(); })", count
        )

    def wait(self, expression: str) -> None:
        """Wait until an expression holds; playwright's own waiting evaluates texts in the page, which forbids that."""
        for _ in range(1000):
            if self.page.evaluate(expression):
                return
            self.page.wait_for_timeout(20)
        raise TimeoutError(f"{expression} did not become true")


def script(*names: str) -> str:
    """Scripts of the pages, for a test that calls their functions."""
    folder = files("ricorda.export.to_page")
    return "\n".join(folder.joinpath(name).read_text("utf-8") for name in names)
