"""Write browser_gradient.png and browser_review.png beside this file: two tabs of the page, in Chromium."""

from __future__ import annotations

from playwright.sync_api import sync_playwright
from trainings import MINUTES, page_of_ricorda, save

MIXED = "Not even the cast"
"""The example review of the picture."""


def main() -> None:
    """Train, read a review, take pictures."""
    with page_of_ricorda() as address, sync_playwright() as started:
        browser = started.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 860}, locale="en-GB", color_scheme="light")
        page.set_default_timeout(20 * MINUTES)
        page.goto(f"{address}/gradient?T=50&gates=memory&memory=50")
        page.locator("button.start").first.click()
        page.get_by_text("Training step 900").wait_for()
        save(page, "browser_gradient.png", full_page=True)
        page.goto(f"{address}/review")
        page.locator(".review-words .word").first.wait_for()  # The sample model is trained by then.
        page.get_by_role("button", name=MIXED).click()
        page.locator(".review-words .word", has_text="trailer").click()
        page.locator(".review-words .dropped").wait_for()
        page.locator(".review-words .word", has_text="wonderful").hover()
        page.locator(".review-words .left").first.wait_for()
        save(page, "browser_review.png", full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
