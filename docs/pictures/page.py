"""Write page.png beside this file: the page of a classifier trained on the sample reviews, in Chromium."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from ricorda import SequenceClassifier, export
from ricorda.data.read import read_examples

REVIEW = "The first half is slow and the jokes are awful, but the ending moved me to tears: a wonderful film."


def main() -> None:
    """Train, export, type, take a picture."""
    with as_file(files("ricorda") / "samples" / "reviews.csv") as path:
        examples = read_examples(str(path), text="text", label="label")
    model = SequenceClassifier(hidden_size=32, epochs=5, dropout=0.3, random_state=0).fit(examples, examples.labels)
    with TemporaryDirectory() as folder, sync_playwright() as started:
        export.page(model, Path(folder) / "film.html")
        browser = started.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 860, "height": 700}, locale="en", color_scheme="light")
        page.goto((Path(folder) / "film.html").as_uri())
        page.fill("#text", REVIEW)
        page.hover("#words button:nth-child(10)")
        page.screenshot(path=Path(__file__).with_suffix(".png"), full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
