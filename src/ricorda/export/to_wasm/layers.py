"""Recurrent layers in a module: their memory, and the code of their steps, each on the output of the one before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import llvmlite.ir as ir

from ricorda.export.stages import Step
from ricorda.export.to_wasm.code import StepCode, over
from ricorda.export.to_wasm.memory import Memory
from ricorda.export.to_wasm.words import Words


class Layers:
    """The layers of a module.

    Attributes
    ----------
    states : list of dict of str to int
        Addresses of each layer's states.
    read : dict of str to int
        Addresses of what the first layer reads.
    output, width : int
        Address and size of what the last layer gives.
    """

    def __init__(self, steps: Sequence[Step], memory: Memory) -> None:
        self.steps, self.memory = steps, memory
        self.states = [{name: memory.take(size) for name, size in step.states.items()} for step in steps]
        self.output, self.width = self.states[-1][steps[-1].output.name], steps[-1].output.size

    def place(self) -> None:
        """Give a place to what does not last from step to step, and to the weights."""
        take = self.memory.take
        self.read = {name: take(size) for name, size in self.steps[0].inputs.items()}
        scratch = take(max(step.scratch for step in self.steps))
        self.codes = []
        for level, step in enumerate(self.steps):
            places = {("state", name): address for name, address in self.states[level].items()}
            places |= {("input", name): self.read[name] for name in step.inputs}
            if level:
                below = self.states[level - 1][self.steps[level - 1].output.name]
                places["input", next(iter(step.inputs))] = below
            places["scratch", ""] = scratch
            self.codes.append(StepCode(step, self.memory, places))

    def write(self, e: Words) -> None:
        """One step of all layers."""
        for code in self.codes:
            code.write(e)

    def begin(self, e: Words, *, zeros: bool = True) -> None:
        """Set the states to what they begin with; zeros may be there already."""
        for step, places in zip(self.steps, self.states, strict=True):
            for (name, count), begin in zip(step.states.items(), step.begins, strict=True):
                if begin or zeros:
                    fill(e, e.address(places[name]), count, begin)

    def about(self) -> list[dict[str, Any]]:
        """Where the states lie, as a module tells it."""
        return [
            {"layer": level, "name": name, "size": self.steps[level].states[name], "at": address}
            for level, places in enumerate(self.states)
            for name, address in places.items()
        ]


def fill(e: Words, target: ir.Value, size: int, number: float) -> None:
    """Set numbers."""
    over(e, size, lambda i, count: e.put(e.constant(number), e.at(target, i), count))
