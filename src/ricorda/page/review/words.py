"""The coloured words of a look, which show in the browser what is left of the word under the pointer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nicegui.element import Element

from ricorda.page.review.look import Span


class Words(Element, component="words.js"):
    """Words that are coloured by what they gave to the verdict; a click on one drops it, or takes it back.

    Parameters
    ----------
    labels : texts of the panel, and the names of a word's numbers
    on_toggle : called with the part of the text that was clicked
    """

    def __init__(self, labels: Mapping[str, str], on_toggle: Callable[[Span], None]) -> None:
        super().__init__()
        self._props.update(words=[], labels=dict(labels), before=False, after=False)
        self.on("toggle", lambda event: on_toggle((int(event.args[0]), int(event.args[1]))))

    def show(self, look: Mapping[str, Any]) -> None:
        """Show the words of a look."""
        self._props.update(words=look["words"], before=look["before"], after=look["after"])
        self.update()
