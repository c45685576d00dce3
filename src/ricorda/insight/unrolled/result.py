"""`Unrolled`: what `unroll` returns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ricorda.errors import ArgumentError
from ricorda.insight.gates.view import gate_names
from ricorda.program.ir import Program
from ricorda.shown import Shown

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

Array = NDArray[Any]

MOST_STEPS = 8
"""The most steps that one picture has room for."""


@dataclass(frozen=True, repr=False)
class Unrolled(Shown):
    """Consecutive steps of one layer and direction, in the order in which it reads them.

    Parameters
    ----------
    program : Program
        The cell.
    first : int
        The number of the first step, from 1.
    tokens : tuple of str [T]
        The name of each step.
    inputs : array [T, I]
        The input of the layer.
    initial : dict of array [size]
        The states before the first of these steps.
    values : dict of array [T, size]
        Each named value, in the order of computation. States are those after the step; `z_` and an affine's name stands
        for what the affine gives before an activation.
    kept : dict of array [T, size]
        For each state whose new value is `share * old + something`, that share.
    """

    program: Program
    first: int
    tokens: tuple[str, ...]
    inputs: Array
    initial: dict[str, Array]
    values: dict[str, Array]
    kept: dict[str, Array]

    def __len__(self) -> int:
        return len(self.tokens)

    def brief(self, name: str, values: Array) -> Array:
        """One number for values [..., size] of a name: a single unit's value, a gate's mean, or else the norm."""
        if values.shape[-1] == 1:
            return values[..., 0]
        return np.asarray(values.mean(-1) if name in gate_names(self.program) else np.linalg.norm(values, axis=-1))

    def to_frame(self) -> pl.DataFrame:
        """Every number: step (from 1), token, name (the input's first), unit (from 0), value."""
        import polars as pl

        T = len(self)
        steps = np.arange(self.first, self.first + T)
        parts = []
        for name, values in {self.program.values[0].name: self.inputs, **self.values}.items():
            size = values.shape[1]
            columns = {"step": np.repeat(steps, size), "unit": np.tile(np.arange(size), T), "value": values.ravel()}
            parts.append(pl.DataFrame(columns).with_columns(pl.lit(name).alias("name")))
        tokens = pl.DataFrame({"step": steps, "token": list(self.tokens)})
        frame = pl.concat(parts).join(tokens, on="step", how="left", maintain_order="left")
        return frame.select("step", "token", "name", "unit", "value").sort("step", maintain_order=True)

    def unit(self, number: int) -> Unrolled:
        """The same steps with a single unit, from 0.

        Raises
        ------
        ArgumentError
            If a value has no such unit.
        """
        size = min(values.shape[1] for values in self.values.values())
        if not 0 <= number < size:
            raise ArgumentError(f"unit is {number}, and there are {size}: give 0 to {size - 1}")
        initial = {name: state[[number]] for name, state in self.initial.items()}
        values, kept = (
            {name: units[:, [number]] for name, units in every.items()} for every in (self.values, self.kept)
        )
        return replace(self, initial=initial, values=values, kept=kept)

    def __getitem__(self, steps: slice) -> Unrolled:
        """A slice of the steps, from 0.

        Raises
        ------
        ArgumentError
            If the slice has no steps or leaves some out.
        """
        start, stop, stride = steps.indices(len(self))
        if start >= stop or stride != 1:
            raise ArgumentError(f"steps {start} to {stop} are none, and there are {len(self):,}: give some that follow")
        cut = slice(start, stop)
        before = {name: self.values[name][start - 1] for name in self.initial} if start else self.initial
        values, kept = ({name: steps[cut] for name, steps in every.items()} for every in (self.values, self.kept))
        tokens, inputs, first = self.tokens[cut], self.inputs[cut], self.first + start
        return replace(self, first=first, tokens=tokens, inputs=inputs, initial=before, values=values, kept=kept)

    def plot(self) -> Figure:
        """The textbook's picture with these numbers: a box a step, states from left to right, inputs from below.

        Raises
        ------
        ArgumentError
            If there are more than 8 steps.
        """
        if len(self) > MOST_STEPS:
            raise ArgumentError(
                f"there are {len(self):,} steps, and a picture has room for {MOST_STEPS}: draw some, as [:{MOST_STEPS}]"
            )
        from ricorda.insight.unrolled.picture import draw_unrolled

        return draw_unrolled(self)
