"""What all pictures share: colours, figures to bytes and files, numbers and tokens as labels."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from ricorda.errors import ArgumentError
from ricorda.files import write_atomically
from ricorda.tasks.pictures import BLUE, DPI, GREEN, GREY, ORANGE, PINK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = (BLUE, ORANGE, GREEN, PINK, GREY)  # apart for colour-blind eyes too (Okabe, Ito 2008)
DASHES = ("-", "--", "-.", ":", (0, (3, 1, 1, 1)))  # and without colour
DIVERGING, SEQUENTIAL = "RdBu_r", "viridis"
"""Colour maps: red for what speaks for, blue against; and for shares from 0 to 1."""

SUFFIXES = (".png", ".svg", ".pdf")


def as_bytes(figure: Figure, kind: str = "png") -> bytes:
    """A figure as "png", "svg" or "pdf"."""
    import matplotlib as mpl

    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "ricorda"}):  # the same picture, the same bytes
        figure.savefig(buffer, format=kind, dpi=DPI, metadata={"Date": None} if kind == "svg" else None)
    return buffer.getvalue()


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure to a file of one of `SUFFIXES`.

    Raises
    ------
    ArgumentError
        If its name ends otherwise.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ArgumentError(f"{path} is no picture's name: let it end in {', '.join(SUFFIXES)}")
    write_atomically(path, as_bytes(figure, path.suffix[1:].lower()))
    return path


def label(token: str) -> str:
    """A token as a label: a space and a line's end are seen, `$` is not taken for mathematics."""
    shown = token.replace("▁", "").replace("\n", "↵").replace("\t", "⇥").replace("$", r"\$")
    return shown if shown.strip() else "·"
