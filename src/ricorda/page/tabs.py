"""The page's tabs in the course's order, a row each."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from ricorda.page.texts import Texts

if TYPE_CHECKING:
    from ricorda.page.visit import Visit


@dataclass(frozen=True)
class Tab:
    """A tab: the package of this name, and its address `/name`.

    Its `texts.py` has `TEXTS`, with "title" as it stands in the header; its `tab.py` has `build(visit)`.
    """

    name: str

    @property
    def texts(self) -> Texts:
        """All that the tab says."""
        texts: Texts = import_module(f"ricorda.page.{self.name}.texts").TEXTS
        return texts

    def load(self) -> ModuleType:
        """The module that fills the tab; at first it is imported, with all that it needs."""
        return import_module(f"ricorda.page.{self.name}.tab")

    def build(self, visit: Visit) -> None:
        """Fill the tab for one browser."""
        self.load().build(visit)


TABS = (Tab("cell"), Tab("gradient"), Tab("review"), Tab("gates"), Tab("data"), Tab("compare"))
"""A tab more is a package and a row."""
