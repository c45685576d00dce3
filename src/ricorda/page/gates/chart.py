"""The heat map of a gate, and the units on a text."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ricorda.insight.gates.result import HEATMAP_STEPS, Gates

Array = NDArray[Any]

MOST_AT_ONCE = 100_000
"""Values that are drawn at once; otherwise a chart is seen in pieces."""

COLOURS = ("#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#fde725")
"""Viridis, in which insight draws shares."""


def heat_map(gates: Gates, gate: str, order: str, first: int, words: dict[str, str], dark: bool) -> dict[str, Any]:
    """The chart's options: words from left to right, units from above to below.

    Parameters
    ----------
    first : the first step that is shown, from 0
    words : "unit" and "lasts", as the tab says them; "lasts" has `{steps}` in it
    """
    units = gates.order(order, gate)
    values = gates.values[gate][first : first + HEATMAP_STEPS]
    tokens = gates.tokens[first : first + HEATMAP_STEPS]
    lasting = next((times for times in gates.time_constants.values() if len(times) == len(units)), None)
    names = [
        f"{words['unit']} {unit}"
        + ("" if lasting is None else f" · {words['lasts'].format(steps=steps(lasting[unit]))}")
        for unit in units.tolist()
    ]
    ink = "#eceef2" if dark else "#16181d"
    data = [
        [step, row, round(float(values[step, unit]), 4)]
        for row, unit in enumerate(units.tolist())
        for step in range(len(values))
    ]
    shown = [token.replace("▁", "").replace("\n", "↵") or "·" for token in tokens]
    return {
        "animation": False,
        "textStyle": {"color": ink, "fontFamily": "Roboto, sans-serif"},
        "grid": {"left": 60, "right": 20, "top": 10, "bottom": 110},
        "tooltip": {"renderMode": "richText", "confine": True},  # Words of a text are never read as HTML.
        "xAxis": {
            "type": "category",
            "data": [f"{number}\n{token}" for number, token in enumerate(shown, first + 1)],
            "axisLabel": {
                "interval": 0 if len(shown) <= HEATMAP_STEPS else "auto",
                "rotate": 60 if len(shown) > 12 else 0,
                "color": ink,
                "fontSize": 14,
                ":formatter": "value => { const word = value.slice(value.indexOf('\\n') + 1); "
                "return word.length > 12 ? word.slice(0, 11) + '…' : word; }",
            },
        },
        "yAxis": {
            "type": "category",
            "data": names,
            "inverse": True,
            "axisLabel": {"color": ink, "fontSize": 13, ":formatter": "value => value.split(' ')[1]"},
        },
        "visualMap": {
            "min": 0,
            "max": 1,
            "calculable": False,
            "orient": "horizontal",
            "left": "center",
            "bottom": 0,
            "itemHeight": 220,
            "text": ["1", "0"],
            "textStyle": {"color": ink, "fontSize": 14},
            "inRange": {"color": list(COLOURS)},
        },
        "series": [{"type": "heatmap", "name": gate, "data": data, "progressive": MOST_AT_ONCE}],
    }


def steps(number: float) -> str:
    """A time constant, as it is shown."""
    return "∞" if not np.isfinite(number) else f"{number:.1f}"


def coloured(tokens: tuple[str, ...], activations: Array) -> str:
    """A text as HTML, each token coloured by one unit: orange above 0, blue below."""
    largest = float(np.abs(activations).max()) or 1.0
    parts = []
    for token, value in zip(tokens, activations.tolist(), strict=True):
        colour = "213, 94, 0" if value > 0 else "0, 114, 178"
        style = f"background: rgba({colour}, {0.75 * abs(value) / largest:.2f})"
        shown = escape(token.replace("▁", " ").replace("\n", "↵"))
        parts.append(f'<span class="word" style="{style}" title="{value:+.2f}">{shown}</span>')
    return " ".join(parts)
