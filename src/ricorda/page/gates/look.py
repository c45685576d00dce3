"""One look at the gates of a model: what insight says of some texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ricorda.insight.gates.properties import followers_of
from ricorda.insight.gates.result import Gates
from ricorda.insight.gates.units_result import Followers
from ricorda.insight.gates.view import gates_of, passages_of
from ricorda.page.models import lent

LONGEST = 5_000
"""Characters of the texts together."""


@dataclass(frozen=True)
class Look:
    """The gates on the texts, the units that follow properties, and what else can be looked at."""

    gates: Gates
    followers: Followers
    layers: int
    directions: int


def look(folder: Path, texts: Sequence[str], layer: int | None, backward: bool) -> Look:
    """Look into a model while it reads. Not for the event loop: it takes its time.

    Raises
    ------
    CellError
        If its cell has no gates.
    RicordaError
        If there is no model, no such layer or direction, or the model reads no texts.
    """
    with lent(folder) as model:
        passages = passages_of(model, *texts)
        recurrent = passages[0].layer
        layer = None if layer is None else min(layer, recurrent.num_layers)
        backward = backward and recurrent.bidirectional
        gates = gates_of(passages, layer=layer, backward=backward)
        followers = followers_of(model, texts, layer=layer, backward=backward)
    return Look(gates, followers, recurrent.num_layers, 1 + recurrent.bidirectional)
