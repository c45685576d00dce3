"""Write browser_data.png and browser_compare.png beside this file: the page's tabs that train, in Chromium."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
OPTIONS = "data=sample&tokenizer=word&min_frequency=2&hidden_size=32"
MINUTES = 60_000  # milliseconds


@contextmanager
def page_of_ricorda() -> Iterator[str]:
    """The address of a page that knows nothing yet."""
    with TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "ricorda", "page", "--no-open", "--port", "0"],
            env={**os.environ, "RICORDA_CACHE": folder},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        address = re.search(r"http://\S+?(?=/cell)", process.stdout.readline())
        assert address is not None
        try:
            yield address[0]
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def save(page: Any, name: str, **options: Any) -> None:
    """A picture with few colours, which is a small file."""
    with Image.open(io.BytesIO(page.screenshot(**options))) as picture:
        picture.convert("RGB").quantize(64).save(HERE / name, optimize=True)


def main() -> None:
    """Train, compare, take pictures."""
    with page_of_ricorda() as address, sync_playwright() as started:
        browser = started.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 860}, locale="en", color_scheme="light")
        page.goto(f"{address}/data?{OPTIONS}&wide=no&epochs=6")
        page.locator("[data-mark=start]").click()
        page.get_by_text("Epoch 5 of 6").wait_for(timeout=30 * MINUTES)
        save(page, "browser_data.png")
        page.get_by_text("Finished", exact=True).wait_for(timeout=30 * MINUTES)
        page.goto(f"{address}/compare?{OPTIONS}&epochs=4&seeds=2")
        page.locator("[data-mark=start]").click()
        page.locator("[data-mark=report]").wait_for(timeout=60 * MINUTES)
        page.locator("img.picture").scroll_into_view_if_needed()
        page.wait_for_timeout(1_000)
        save(page.locator("[data-mark=results]"), "browser_compare.png")
        browser.close()


if __name__ == "__main__":
    main()
