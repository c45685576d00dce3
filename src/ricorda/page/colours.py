"""One table of colours for all tabs: an LSTM looks the same everywhere, and colour-blind readers tell it apart."""

from __future__ import annotations

_OF_CELLS = {
    "rnn": ("#D55E00", "#FF9A4D"),
    "lstm": ("#0072B2", "#56B4E9"),
    "gru": ("#007A5A", "#2FD0A2"),
}
_OTHERS = (("#A44A82", "#E79CC7"), ("#7A5C00", "#E6C229"), ("#5B616E", "#A6ADBA"))


def colour_of(cell: str, dark: bool, place: int = 0) -> str:
    """The colour of a cell, on light or dark; that of a further cell depends on its place among those shown."""
    return _OF_CELLS.get(cell, _OTHERS[place % len(_OTHERS)])[dark]
