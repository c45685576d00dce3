"""A step as NumPy and torch compute it, stage by stage: the plainest printer, and what the others are held to."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ricorda.export.stages import Home, Product, Reduction, Step, Units
from ricorda.program.operations import OPERATIONS

Array = NDArray[Any]


class ByHand:
    """A step with its memory; `states` are the new ones after each call.

    What a stage must not read is NaN: scratch memory before a step, and what a stage has not written.
    """

    def __init__(self, step: Step) -> None:
        self.step = step
        self.states = {
            name: np.full(size, begin, np.float32)
            for (name, size), begin in zip(step.states.items(), step.begins, strict=True)
        }

    def __call__(self, inputs: Mapping[str, Array]) -> Array:
        step = self.step
        self.scratch = np.full(step.scratch, np.nan, np.float32)
        self.inputs = {name: np.asarray(inputs[name], np.float32).reshape(size) for name, size in step.inputs.items()}
        for stage in step.stages:
            if isinstance(stage, Product):
                sums = [m @ self.at(home) for m, home in zip(stage.matrices, stage.operands, strict=True)]
                self.at(stage.home)[:] = sum(sums, stage.bias)
            elif isinstance(stage, Reduction):
                self.at(stage.home)[:] = apply(stage.op, self.at(stage.operand))[:1]
            else:
                for unit in range(stage.size):  # One by one, so that a wrong order of reading and writing shows.
                    self.unit(stage, unit)
        return self.at(step.output).copy()

    def unit(self, stage: Units, unit: int) -> None:
        values: dict[int, Array] = {}

        def value(i: int) -> Array:
            line = self.step.lines[i]
            if i in values:
                return values[i]
            if line.op == "constant":
                return np.array([line.number], np.float32)
            assert line.home is not None
            return self.at(line.home)[unit if line.size > 1 else 0][None]

        for i in stage.lines:
            values[i] = apply(self.step.lines[i].op, *map(value, self.step.lines[i].args))
        for home, number in [(home, value(i)) for home, i in stage.stores]:
            self.at(home)[unit] = number[0]

    def at(self, home: Home) -> Array:
        """The numbers of a home, as a view."""
        if home.kind == "scratch":
            return self.scratch[home.offset : home.offset + home.size]
        of = {"input": self.inputs, "state": self.states, "weight": self.step.weights}
        return of[home.kind][home.name]


def apply(op: str, *args: Array) -> Array:
    """An operation, as the reference computes it."""
    result: Array = OPERATIONS[op].reference(torch, *map(torch.from_numpy, args)).numpy()
    return result
