"""`Memory`: what `memory_of` returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ricorda.insight.memory.remains import Remains
from ricorda.insight.memory.verdict import Verdict
from ricorda.shown import Shown

if TYPE_CHECKING:
    import polars
    from matplotlib.figure import Figure

Array = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Memory(Shown):
    """What a model kept of a text.

    Parameters
    ----------
    tokens : tuple of str
        The tokens of the window.
    texts : tuple of str
        The tokens as they stand in a line: with a space before each word.
    start, steps : int
        The window's first step, from 0, and the number of steps of the whole sequence.
    layer : int
        The layer that was examined, from 1.
    remains : tuple of Remains
        What became of what the steps wrote, for each direction; empty if the cell has no additive state.
    verdict : Verdict, optional
        The verdict of a classifier or regressor.
    notes : tuple of str
        Sentences that say why something is missing.
    """

    tokens: tuple[str, ...]
    texts: tuple[str, ...]
    start: int
    steps: int
    layer: int
    remains: tuple[Remains, ...]
    verdict: Verdict | None
    notes: tuple[str, ...]

    @property
    def thing(self) -> str:
        """What a token is: a word of a text, or a step of numbers, which has no name but its number."""
        numbers = map(str, range(self.start + 1, self.start + 1 + len(self.tokens)))
        return "step" if self.tokens == tuple(numbers) else "word"

    @property
    def written(self) -> Array | None:
        """The norm of what each step wrote, over all directions, [W]."""
        return _together([direction.written for direction in self.remains])

    @property
    def left(self) -> Array | None:
        """The norm of what is left of it after the last step of each direction, over all directions, [W]."""
        return _together([direction.left for direction in self.remains])

    @property
    def kept(self) -> Array | None:
        """The share of what step w wrote that is still there after step v, [W, W].

        Values above the diagonal are those of the first direction, values below it those of the second, which reads
        from the end.
        """
        if not self.remains:
            return None
        shares = [
            direction.held / np.where(direction.written > 0, direction.written, 1.0)[:, None]
            for direction in self.remains
        ]
        kept: Array = np.triu(shares[0])
        return kept if len(shares) == 1 else kept + np.tril(shares[1], -1)

    def columns(self) -> dict[str, Array]:
        """The numbers of each step, by name, as far as there are any, [W] each."""
        verdict = self.verdict
        columns = {
            "written": self.written,
            "left": self.left,
            "verdict": None if verdict is None else verdict.decomposed,
            "wide": None if verdict is None or verdict.wide is None else verdict.of(verdict.wide),
            "integrated_gradients": None if verdict is None else verdict.integrated.values,
            "erasure": None if verdict is None else verdict.erasure,
        }
        return {name: column for name, column in columns.items() if column is not None}

    def to_frame(self) -> polars.DataFrame:
        """A row for each step: its number from 1, its token, and `columns`."""
        import polars

        steps = range(self.start + 1, self.start + 1 + len(self.tokens))
        return polars.DataFrame({"step": list(steps), "token": list(self.tokens), **self.columns()})

    def plot(self) -> Figure:
        """What each token gave to the verdict, and how much of what it wrote each later step still holds."""
        from ricorda.insight.memory.picture import draw

        return draw(self)

    def to_html(self) -> str:
        """One self-contained HTML page: the coloured text, and for each word its numbers and what still holds it."""
        from ricorda.insight.memory.words import html_page

        return html_page(self)


def _together(norms: Sequence[Array]) -> Array | None:
    """The norm of the vectors of several directions, side by side."""
    return np.sqrt(np.sum(np.square(norms), axis=0)) if len(norms) else None
