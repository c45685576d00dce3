"""What the first visitor of a tab would wait for, done while the page has just begun: imports, kernels, models."""

from __future__ import annotations

import threading
from contextlib import suppress

from ricorda.errors import RicordaError
from ricorda.page import sample
from ricorda.page.settings import Settings
from ricorda.page.tabs import TABS

MOST = 2
"""Models that are looked into: the first ones are those that a tab shows by itself."""


def warm(settings: Settings) -> threading.Thread:
    """Begin with it in a thread, which nobody need wait for: it ends with the page."""
    thread = threading.Thread(target=_warm, args=(settings,), name="warming", daemon=True)
    thread.start()
    return thread


def _warm(settings: Settings) -> None:
    for tab in TABS:
        tab.load()
    from ricorda.page.gates.look import look
    from ricorda.page.review.examples import EXAMPLES
    from ricorda.page.review.look import look_at

    trained = sample.ready(settings)
    text = EXAMPLES[0][2]
    for folder in [*settings.models.values(), *([trained] if trained else [])][:MOST]:
        with suppress(RicordaError):  # A model that reads no texts, or has no gates: its tab says so.
            look_at(folder, text)
            look(folder, [text], None, False)
