"""Write browser_cell.png and browser_gates.png beside this file: the page's tabs that look into a cell, in Chromium."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from ricorda import SequenceClassifier
from ricorda.data.read import read_examples
from ricorda.page.cell.examples import EXAMPLES

HERE = Path(__file__).parent
COMPANY = "&".join(f"{name}={value}" for name, value in EXAMPLES["company_b"].items())


def main() -> None:
    """Train a model, start a page with it, take a picture of each tab."""
    with as_file(files("ricorda.samples") / "reviews.csv") as path:
        reviews = read_examples(str(path), text="text", label="label")
    model = SequenceClassifier(
        cell="lstm", hidden_size=24, bidirectional=False, tokenizer="word", min_frequency=2, epochs=6, random_state=0
    ).fit(reviews, reviews.labels)
    with TemporaryDirectory() as folder, sync_playwright() as started:
        model.save(Path(folder) / "reviews-lstm")
        process = subprocess.Popen(
            [sys.executable, "-m", "ricorda", "page", f"{folder}/reviews-lstm", "--no-open", "--port", "0"],
            env={**os.environ, "RICORDA_CACHE": folder},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            address = re.search(r"http://\S+?(?=/cell)", process.stdout.readline())
            assert address is not None
            browser = started.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 840}, locale="en-GB", color_scheme="light")
            _take(page, f"{address[0]}/cell?{COMPANY}", ".unrolled .box.now", "browser_cell.png")
            _take(page, f"{address[0]}/gates?order=cluster&gate=f", ".heat-map canvas", "browser_gates.png")
            browser.close()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def _take(page: Any, address: str, there: str, name: str) -> None:
    page.goto(address)
    page.wait_for_selector(there, timeout=300_000)
    page.wait_for_timeout(2_000)  # Fonts and charts settle.
    with Image.open(io.BytesIO(page.screenshot())) as picture:  # With few colours it is a small file.
        picture.convert("RGB").quantize(160).save(HERE / name, optimize=True)


if __name__ == "__main__":
    main()
