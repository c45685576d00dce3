"""What a cell reads beside an example's numbers: which of them were measured, and how long ago the last step was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ricorda.data.inputs import KINDS, Kind
from ricorda.errors import ArgumentError
from ricorda.program.ir import Program

MASK, GAP = "mask", "gap"


@dataclass(frozen=True)
class Beside:
    """The second inputs of an estimator's cell.

    Parameters
    ----------
    mask : bool
        Whether the cell takes a mask, so that numbers may be missing.
    gap : bool
        Whether it takes the time since the step before.
    column : int, optional
        The feature that holds that time, from 0; without it all steps are equally far apart.
    """

    mask: bool = False
    gap: bool = False
    column: int | None = None

    @classmethod
    def of(cls, program: Program, column: int | None = None) -> Beside:
        """The second inputs that a program takes.

        Raises
        ------
        ArgumentError
            If it takes others than mask and gap, or a column of times is given and it takes no gap.
        """
        names = [value.name for value in program.inputs[1:]]
        unknown = [name for name in names if name not in (MASK, GAP)]
        if unknown:
            raise ArgumentError(
                f"cell {program.name} reads {', '.join(unknown)} beside its input, and estimators know {MASK} and "
                f"{GAP}: name it so, or take the cell in a ricorda.nn.Recurrent, whose calls have inputs="
            )
        if column is not None and GAP not in names:
            raise ArgumentError(
                f"gap={column} is the feature of elapsed times, and cell {program.name} takes no {GAP}: leave it out, "
                "or choose a cell that does"
            )
        return cls(MASK in names, GAP in names, column)

    def for_kind(self, kind: Kind, program: Program) -> Beside:
        """The same, where the examples are numbers.

        Raises
        ------
        ArgumentError
            If the cell reads something beside its input and the examples are texts or tokens.
        """
        if kind != "numbers" and (self.mask or self.gap):
            reads = " and ".join(value.name for value in program.inputs[1:])
            raise ArgumentError(
                f"cell {program.name} reads {reads} beside numbers, and X has {KINDS[kind]}: choose a cell of one input"
            )
        return self

    def features(self, count: int) -> int:
        """Numbers a step that are the cell's first input, of `count` in the data."""
        return count - (self.column is not None)

    def width(self, count: int) -> int:
        """Numbers a step of an encoded sequence, of `count` in the data."""
        return count * (2 if self.mask else 1)

    def encoded(self, numbers: NDArray[np.float32]) -> Tensor:
        """Numbers [T, F] that may be NaN, as a sequence without NaN: [T, 2 F] with a mask behind them."""
        values = torch.from_numpy(numbers)
        if not self.mask:
            return values
        known = ~values.isnan()
        return torch.cat([values.nan_to_num(nan=0.0), known.to(values.dtype)], dim=1)

    def trouble(self, numbers: NDArray[np.float32]) -> str:
        """What is wrong with the elapsed times of numbers [T, F], as the end of a sentence; "" if nothing is."""
        if self.column is None:
            return ""
        if self.column >= numbers.shape[1]:
            return (
                f"has {numbers.shape[1]} features a step, and gap={self.column} counts them from 0: give a smaller one"
            )
        if numbers.shape[1] == 1:
            return "has nothing but elapsed times: give at least one more feature a step"
        times = numbers[:, self.column]
        bad = np.flatnonzero(~(times >= 0))
        if not len(bad):
            return ""
        return (
            f"has {str(times[bad[0]]).replace('nan', 'no number')} as the elapsed time of step {bad[0] + 1}: give 0 or "
            "more, the time since the step before"
        )

    def read(self, sequence: Tensor, mean: Tensor, scale: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The inputs of a cell, from encoded sequences [T, B, width] and the moments [F] of the training.

        Returns
        -------
        x : Tensor [T, B, features]
            In deviations from the mean; 0 where a number is missing.
        inputs : dict of Tensor [T, B, ...]
            The mask, 1 where a number is known, and the elapsed times in units of their mean.
        """
        count = len(mean)
        numbers, known = sequence[..., :count], sequence[..., count:]
        x = (numbers - mean) / scale
        inputs: dict[str, Tensor] = {}
        if self.mask:
            x = x * known
            inputs[MASK] = self._others(known)
        if self.gap:
            times = numbers.new_ones(*numbers.shape[:-1], 1)
            if self.column is not None:
                of_mean = mean[self.column]
                times = numbers[..., self.column, None] / torch.where(of_mean > 0, of_mean, torch.ones_like(of_mean))
            inputs[GAP] = times
        return self._others(x), inputs

    def _others(self, values: Tensor) -> Tensor:
        """All features but that of the times."""
        if self.column is None:
            return values
        return torch.cat([values[..., : self.column], values[..., self.column + 1 :]], dim=-1)

    def measure(self, sequences: Sequence[Tensor], mean: Tensor, scale: Tensor) -> None:
        """Set mean and scale [F] to those of the known numbers of encoded sequences; a constant feature has scale 1."""
        count = len(mean)
        steps = torch.cat(list(sequences)).double()
        numbers, known = steps[:, :count], steps[:, count:]
        total = known.sum(0).clamp(min=1)
        mean.copy_((numbers * known).sum(0) / total)
        spread = ((numbers - mean).square() * known).sum(0).div(total).sqrt()
        scale.copy_(torch.where(spread > 0, spread, 1.0))


def elapsed(seen: Tensor) -> Tensor:
    """The steps since something was seen before, float32 [T, B, 1], of what was seen at each step, bool [T, B].

    A step right after one with something to see has 1, and so has the first.
    """
    steps = torch.arange(len(seen), device=seen.device)[:, None]
    last = torch.where(seen, steps, -1).cummax(0).values
    before = torch.cat([last.new_full((1, seen.shape[1]), -1), last[:-1]])
    return (steps - before).float()[..., None]


NOTHING = Beside()
"""Of a cell of one input."""
