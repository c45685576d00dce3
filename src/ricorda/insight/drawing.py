"""What all pictures share: colours, figures as bytes and files, numbers and tokens as labels."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ricorda.errors import ArgumentError
from ricorda.files import write_atomically
from ricorda.tasks.pictures import BLUE, DPI, GREEN, GREY, ORANGE, PINK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = (BLUE, ORANGE, GREEN, PINK, GREY)
"""Colours of curves, which colour-blind readers can tell apart (Okabe, Ito 2008)."""

OF_CELLS = {"rnn": ORANGE, "lstm": BLUE, "gru": GREEN}
"""Cells that look the same in every picture of several."""

DASHES = ("-", "--", "-.", ":", (0, (3, 1, 1, 1)))
"""Line styles of curves, for print without colour."""

DIVERGING, SEQUENTIAL = "RdBu_r", "viridis"
"""Colour maps: of signed values, red above zero and blue below; of shares from 0 to 1."""

SUFFIXES = (".png", ".svg", ".pdf")
"""File types that figures are written as."""


def colours_of(cells: Sequence[str]) -> list[str]:
    """A colour for each of several cells: its own, or one of those that are left."""
    own = [OF_CELLS.get(cell) for cell in cells]
    left = [colour for colour in COLOURS if colour not in own] or COLOURS
    others = (left[index % len(left)] for index in range(len(cells)))
    return [colour or next(others) for colour in own]


def as_bytes(figure: Figure, kind: str = "png") -> bytes:
    """A figure as "png", "svg" or "pdf"."""
    import matplotlib as mpl

    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "ricorda"}):  # The same picture gives the same bytes.
        figure.savefig(buffer, format=kind, dpi=DPI, metadata={"Date": None} if kind == "svg" else None)
    return buffer.getvalue()


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure to a file of one of `SUFFIXES`.

    Raises
    ------
    ArgumentError
        If the file name ends in something else.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ArgumentError(f"{path} is no picture's name: let it end in {', '.join(SUFFIXES)}")
    write_atomically(path, as_bytes(figure, path.suffix[1:].lower()))
    return path


def label(token: str) -> str:
    """A token as a label: spaces and line ends are made visible, `$` is escaped."""
    shown = token.replace("▁", "").replace("\n", "↵").replace("\t", "⇥").replace("$", r"\$")
    return shown if shown.strip() else "·"


def decimals(number: float) -> str:
    """A number with two decimals and a true minus sign; zero has no sign."""
    return f"{number:.2f}".replace("-0.00", "0.00").replace("-", "−")
