"""A number with a slider below it, which move together."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from nicegui import ui

REACH = 3.0
"""A slider goes from minus this to this, or farther where its number is."""


def knob(label: str, value: float, change: Callable[[float], None]) -> None:
    """Make one.

    Parameters
    ----------
    label : what readers of the screen are told
    change : called with the new number
    """
    reach = max(REACH, float(math.ceil(abs(value))))
    with ui.element("div").classes("knob"):
        number = ui.number(value=value, step=0.05).props("dense borderless").classes("knob-number")
        number.props["aria-label"] = label
        slider = ui.slider(min=-reach, max=reach, step=0.05, value=min(max(value, -reach), reach)).props("dense")
        slider.props["aria-label"] = label

    moved = [value]

    def follow(new: Any, other: Any) -> None:
        """One was moved: the other goes along, whose own event then finds nothing new."""
        if not isinstance(new, int | float) or not math.isfinite(new) or new == moved[0]:
            return
        moved[0] = float(new)
        other.set_value(min(max(moved[0], -reach), reach) if other is slider else moved[0])
        change(moved[0])

    number.on_value_change(lambda event: follow(event.value, slider))
    slider.on_value_change(lambda event: follow(round(float(event.value), 2), number))
