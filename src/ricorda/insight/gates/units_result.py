"""`Followers`: what `followers_of` returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ricorda.errors import ArgumentError, DataError
from ricorda.insight.gates.result import window_of
from ricorda.shown import Shown

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

Array = NDArray[Any]

COLOURED_STEPS = 300
"""Steps of a text that are coloured by default."""


@dataclass(frozen=True, repr=False)
class Followers(Shown):
    """How well each unit of a value follows each property, and the units on one text.

    Parameters
    ----------
    value : str
        The named value that the units belong to.
    correlations : dict of array [H]
        For each property, Pearson's correlation with each unit over all steps (point-biserial if the property is yes or
        no); nan where the unit or the property never changes.
    steps : dict of int
        The number of steps behind each correlation.
    tokens : tuple of str [T]
        The text on which units are shown.
    activations : array [T, H]
        The units on this text.
    """

    value: str
    correlations: dict[str, Array]
    steps: dict[str, int]
    tokens: tuple[str, ...]
    activations: Array

    def best(self, name: str, count: int = 1) -> list[tuple[int, float]]:
        """The units that follow a property best, by absolute correlation: pairs of unit (from 0) and correlation.

        Raises
        ------
        ArgumentError
            If there is no such property.
        """
        if name not in self.correlations:
            raise ArgumentError(f"property is {name!r}, and there are {', '.join(self.correlations)}")
        strength = np.nan_to_num(np.abs(self.correlations[name]), nan=-1.0)
        units = np.argsort(-strength, kind="stable")[:count]
        return [(int(unit), float(self.correlations[name][unit])) for unit in units if strength[unit] >= 0]

    def to_frame(self) -> pl.DataFrame:
        """Property, unit (from 0), correlation, steps."""
        import polars as pl

        parts = [
            pl.DataFrame({"unit": np.arange(len(values)), "correlation": values}).select(
                pl.lit(name).alias("property"), pl.all(), pl.lit(self.steps[name]).alias("steps")
            )
            for name, values in self.correlations.items()
        ]
        return pl.concat(parts)

    def plot(self, *names: str, unit: int | None = None, window: tuple[int, int] | None = None) -> Figure:
        """The text coloured by the best unit of each property, or by one unit.

        Parameters
        ----------
        *names : str
            The properties; by default all that some unit follows.
        unit : int, optional
            The only unit to show, from 0.
        window : (int, int), optional
            The first step to show, from 0, and the step after the last; by default the first 300 steps.

        Raises
        ------
        ArgumentError
            If there is no such property, unit or window.
        DataError
            If no unit follows a property.
        """
        from ricorda.insight.gates.units_picture import draw_units

        if unit is None:
            best = [(name, best, r) for name in names or self.correlations for best, r in self.best(name)]
            titled = [(f"{name}: unit {unit} of {self.value}, correlation {r:+.2f}", unit) for name, unit, r in best]
        else:
            titled = [(f"unit {self.check_unit(unit)} of {self.value}", unit)]
        if not titled:
            raise DataError("no property changes within the texts: give longer ones, or more")
        return draw_units(self, titled, window_of(len(self.tokens), window, COLOURED_STEPS))

    def check_unit(self, unit: int) -> int:
        """The number of the unit, if there is such a unit.

        Raises
        ------
        ArgumentError
            If there is none.
        """
        count = self.activations.shape[1]
        if not 0 <= unit < count:
            raise ArgumentError(f"unit is {unit}, and {self.value} has {count}: give 0 to {count - 1}")
        return unit
