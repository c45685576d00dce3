"""Adding T 50, learned live on the page: by LSTM and GRU and not by the RNN, within 90 s of the click.

    python benchmarks/page_adding.py [--seconds 90] [--steps 50]

Starts `ricorda page` with an empty cache, so that compiling the cells counts, clicks in a headless Chromium and reads
the page. It prints the seconds after which each cell counts as solved, and leaves with 1 if they are not as above.
Needs playwright and Chromium, and two cores on which nothing else runs.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any

CHROMIUM = "/usr/bin/chromium"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--steps", type=int, default=50)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "ricorda", "page", "--port", "0", "--no-open"],
            env={**os.environ, "RICORDA_CACHE": folder},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        address = re.search(r"http\S+(?=/cell)", process.stdout.readline())
        assert address is not None
        try:
            solved, last = watch(
                f"{address[0]}/gradient?T={arguments.steps}&gates=memory&memory={arguments.steps}", arguments
            )
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()
    for cell in ("rnn", "lstm", "gru"):
        at = f"solved after {solved[cell]:.1f} s" if cell in solved else "not solved"
        print(f"{cell:>5}: {at}; {last[cell]}")
    right = set(solved) == {"lstm", "gru"}
    print("as it should be" if right else "NOT as it should be", f"(T {arguments.steps}, {arguments.seconds:g} s)")
    return 0 if right else 1


def watch(address: str, arguments: Any) -> tuple[dict[str, float], dict[str, str]]:
    """Seconds from the click to each solved cell, and what the page says of each in the end."""
    from playwright.sync_api import sync_playwright

    solved: dict[str, float] = {}
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(locale="en-GB")
        page.set_default_timeout(60_000)
        page.goto(address)
        page.locator("button.start").first.click()
        clicked = time.monotonic()
        page.locator("[data-cell] .stage.guesses").first.wait_for()  # The training has begun.
        while (now := time.monotonic() - clicked) < arguments.seconds:
            for card in page.locator("[data-cell]").all():
                cell = str(card.get_attribute("data-cell"))
                if cell not in solved and card.locator(".stage.learned").count():
                    solved[cell] = now
            if "have learned" in page.locator("[role=status]").first.inner_text():
                break
            time.sleep(0.2)
        last = {
            str(card.get_attribute("data-cell")): " ".join(card.inner_text().split("\n")[1:])
            for card in page.locator("[data-cell]").all()
        }
        print(page.locator("[role=status]").first.inner_text())
        browser.close()
    return solved, last


if __name__ == "__main__":
    sys.exit(main())
