"""The page as a browser sees it: how soon tabs are there, what a look at a review takes, what 200 visits leave behind.

It starts `ricorda page` with a small classifier of the sample reviews, and looks at it in Chromium.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from ricorda.page.tabs import TABS

CHROMIUM = "/usr/bin/chromium"
THERE = {
    "cell": ".unrolled .box.now",
    "gradient": "canvas",
    "review": ".review-words .word",
    "gates": ".heat-map canvas",
    "data": "button",
    "compare": "button",
}
"""What has to be seen of a tab."""

REVIEW = (
    "The first half is slow and the jokes are awful, but the ending moved me to tears and the music stayed with me: "
    "a wonderful film after all, number"
)
"""With a number behind it, a review of 30 words."""

SHOWN = "last => [...document.querySelectorAll('.review-words .word')].some(one => one.textContent.includes(last))"
"""Whether the words on the page are those of a review that ends in a number."""


def main() -> None:
    """Start a page, look at it, print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, default=200)
    parser.add_argument("--looks", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as started:
        # The training has compiled the model's kernels, as on the machine of somebody who looks at what they trained.
        environment = {**os.environ, "RICORDA_CACHE": str(Path(folder) / "cache")}
        _train(Path(folder), environment)
        began = time.perf_counter()
        with _served(Path(folder), environment) as (address, process):
            print(f"the address is printed after {time.perf_counter() - began:.2f} s")
            browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            _views(browser, address)
            _looks(browser, address, arguments.looks)
            _visits(browser, address, process.pid, arguments.visits)
            browser.close()


def _views(browser: Browser, address: str) -> None:
    """The first view of each tab, by a browser that has never been there, and the next by the same browser."""
    print("seconds until a tab is there, at first and then again (asked of the first: 2)")
    for tab in TABS:
        context = browser.new_context()
        page = context.new_page()
        seconds = [_view(page, f"{address}/{tab.name}?model=model", THERE.get(tab.name, ".main")) for _ in range(3)]
        print(f"  {tab.name:10s} {seconds[0]:.2f}  {min(seconds[1:]):.2f}")
        context.close()


def _view(page: Page, address: str, there: str) -> float:
    began = time.perf_counter()
    page.goto(address)
    page.wait_for_selector(there, timeout=120_000)
    return time.perf_counter() - began


def _looks(browser: Browser, address: str, count: int) -> None:
    """From the last key to the words of a review of 30 words, and the look alone, without browser and typing pause."""
    page = browser.new_page()
    _view(page, f"{address}/review?model=model", THERE["review"])
    seconds = []
    for number in range(count):
        began = time.perf_counter()
        page.locator("textarea").first.fill(f"{REVIEW} {1000 + number}")
        page.wait_for_function(SHOWN, arg=str(1000 + number), polling=5)
        seconds.append(time.perf_counter() - began)
    median = 1000 * statistics.median(seconds)
    print(f"a review of 30 words is seen {median:.0f} ms after its last key, 150 of which it waits for another key")
    page.close()


def _visits(browser: Browser, address: str, pid: int, count: int) -> None:
    """What visits of all tabs leave behind; the first ones, which fill caches, do not count."""
    _visit(browser, address, 2 * len(TABS))
    time.sleep(15)  # NiceGUI forgets a page some seconds after its browser left.
    before = _memory(pid)
    _visit(browser, address, count)
    time.sleep(15)
    after = _memory(pid)
    print(f"memory of the server: {before:.0f} MB, after {count} visits {after:.0f} MB ({after - before:+.1f})")


def _visit(browser: Browser, address: str, count: int) -> None:
    for number in range(count):
        tab = TABS[number % len(TABS)]
        context = browser.new_context()
        _view(context.new_page(), f"{address}/{tab.name}?model=model", THERE.get(tab.name, ".main"))
        context.close()


def _memory(pid: int) -> float:
    """Resident megabytes of a process (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _train(folder: Path, environment: dict[str, str]) -> None:
    with as_file(files("ricorda.samples") / "reviews.csv") as reviews:
        options = ["--hidden-size", "32", "--tokenizer", "word", "--min-frequency", "2", "--epochs", "2"]
        command = [sys.executable, "-m", "ricorda", "train", "classify", str(reviews), *options, "--out", "model"]
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)


@contextmanager
def _served(folder: Path, environment: dict[str, str]) -> Iterator[tuple[str, Any]]:
    """The address of a page, and its process."""
    command = [sys.executable, "-m", "ricorda", "page", "model", "--port", "0", "--no-open"]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://[^/]+", process.stdout.readline())
        assert found is not None
        try:
            yield found[0], process
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
