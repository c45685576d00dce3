"""Calls without a gradient, of a whole stack of layers: what the calls of a shape have in common is made once.

For short calls the time of Python counts. The arguments and buffers of a shape are kept and used again, by one thread
at a time; a second one takes the usual way.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from ctypes import memmove
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ricorda.engines.cpu.kernels.kernels import Kernels, kernels_for
from ricorda.engines.cpu.run.call import sizes_of, team_of
from ricorda.engines.cpu.run.forward import prepare
from ricorda.engines.cpu.run.memory import Arguments
from ricorda.engines.cpu.run.steps import CHUNK_ROWS, full
from ricorda.engines.cpu.words.target import Target
from ricorda.program.ir import Program

MOST_BYTES = 4 << 20
"""What a stack may keep, beyond which its calls are long."""

FEW_A_THREAD = 4
"""Rows for each thread below which two directions had better have a thread each, with all rows."""


@dataclass(slots=True, eq=False)
class _Entry:
    """One layer in one direction.

    Parameters
    ----------
    number : among all
    arguments : the kernel's, whose `block` this module completes
    weights : slot, number among the stack's weights and place in bytes
    team : threads
    last : the first byte of the output of the step that it ends with
    output : [T, B, P], kept between calls; in the last layer of one direction each call makes its own
    """

    number: int
    arguments: Arguments
    block: Any
    weights: list[tuple[int, int, int]]
    team: int
    last: int
    output: Tensor


class Stack:
    """Layers of a program for calls of one shape, all of whose rows have all steps.

    Parameters
    ----------
    names : of the parameters of a layer and direction
    sizes : I, H and P of each layer; P is H where there is no projection
    threads : of the calls, `threads_now`
    """

    def __init__(
        self,
        which: Kernels,
        names: Sequence[str],
        sizes: Sequence[tuple[int, int, int]],
        directions: int,
        T: int,
        B: int,
        threads: int,
    ) -> None:
        self.which, self.T, self.B = which, T, B
        self.directions = directions
        self.lock = threading.Lock()
        first, *others = which.program.states
        self.states = [(len(sizes) * directions, B, sizes_of(sizes[0])[state.size]) for state in which.program.states]
        self.output = (T, B, self.states[0][2])
        self.strides = [rows * numbers * which.dtype.itemsize for _, rows, numbers in self.states]
        shared = any(team_of(which, full(T, B, False), shape)[0] > 1 for shape in sizes)
        self.pairs = directions == 2 and shared and FEW_A_THREAD * threads > B
        kernel = which.run_forward()
        assert kernel.run_pair is not None  # a forward kernel
        self.run, self.run_pair = kernel.run, kernel.run_pair
        self.x, self.sequence = kernel.slots["x"], kernel.slots[f"sequence {first.name}"]
        self.initial = kernel.slots.get(f"initial {first.name}")
        self.places = [kernel.slots.get(f"place {state.name}") for state in others]
        with torch.inference_mode(False):  # what is kept serves calls in every mode
            self.zeros = torch.zeros(self.states[0], dtype=which.dtype, device="cpu")
            wide = (T, B, 2 * self.output[2])
            self.between = [torch.empty(wide, dtype=which.dtype, device="cpu") for _ in sizes[1:] if directions == 2]
            self.layers = [
                [self._entry(names, level, direction, sizes[level]) for direction in range(directions)]
                for level in range(len(sizes))
            ]
        for level, layer in enumerate(self.layers[1:]):
            below = self.between[level] if directions == 2 else self.layers[level][0].output
            for entry in layer:
                entry.block[self.x] = below.data_ptr()

    def _entry(self, names: Sequence[str], level: int, direction: int, shape: tuple[int, int, int]) -> _Entry:
        steps = full(self.T, self.B, direction == 1)
        team = (1, False) if self.pairs else team_of(self.which, steps, shape)
        prepared = prepare(self.which, steps, shape, team)
        number = level * self.directions + direction
        weights = [(slot, number * len(names) + names.index(name), at) for slot, name, at in prepared.parameters]
        arguments = prepared.arguments()
        output = torch.empty(self.output, dtype=self.which.dtype, device="cpu")
        block = arguments.block
        block[self.sequence] = output.data_ptr()
        last = 0 if direction else (self.T - 1) * self.strides[0]
        return _Entry(number, arguments, block, weights, team[0], last, output)

    def __call__(
        self, x: Tensor, states: Sequence[Tensor] | None, weights: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor]] | None:
        """Output [T, B, directions * P] and final states [layers * directions, B, size]; None if a thread is at it.

        Parameters
        ----------
        x : [T, B, I]
        states : initial ones, None for zeros
        weights : by layer, direction and name, each in one piece of memory
        """
        if not self.lock.acquire(blocking=False):
            return None
        try:
            if states is None:
                initial, others = self.zeros, [x.new_zeros(shape) for shape in self.states[1:]]
            else:
                initial = states[0].contiguous()
                others = [state.clone(memory_format=torch.contiguous_format) for state in states[1:]]
            x = x.contiguous()
            begins = [initial.data_ptr(), *(state.data_ptr() for state in others)]
            for entry in self.layers[0]:
                entry.block[self.x] = x.data_ptr()
            final = x.new_empty(self.states[0])
            for level, layer in enumerate(self.layers):
                last = level == len(self.layers) - 1
                for entry in layer:
                    self._complete(entry, begins, weights)
                if self.directions == 1:
                    (entry,) = layer
                    output = x.new_empty(self.output) if last else entry.output
                    entry.block[self.sequence] = output.data_ptr()
                    self.run(entry.block, entry.team)
                else:
                    output = self._both(layer, None if last else self.between[level])
                for entry in layer:
                    to = final.data_ptr() + entry.number * self.strides[0]
                    memmove(to, entry.block[self.sequence] + entry.last, self.strides[0])
            return output, [final, *others]
        finally:
            self.lock.release()

    def _complete(self, entry: _Entry, begins: Sequence[int], weights: Sequence[Tensor]) -> None:
        """Give a kernel what is each call's own; `begins` are the addresses of the states."""
        block, number = entry.block, entry.number
        for slot, weight, offset in entry.weights:
            block[slot] = weights[weight].data_ptr() + offset
        if self.initial is not None:
            block[self.initial] = begins[0] + number * self.strides[0]
        for place, begin, stride in zip(self.places, begins[1:], self.strides[1:], strict=True):
            if place is not None:
                block[place] = begin + number * stride

    def _both(self, layer: Sequence[_Entry], out: Tensor | None) -> Tensor:
        """Run both directions of a layer; their outputs beside each other."""
        forward, backward = layer
        if self.pairs:
            self.run_pair(forward.block, backward.block)
        else:
            for entry in layer:
                self.run(entry.block, entry.team)
        return torch.cat((forward.output, backward.output), 2, out=out)


@lru_cache(maxsize=16)
def stack(
    program: Program,
    names: tuple[str, ...],
    sizes: tuple[tuple[int, int, int], ...],
    directions: int,
    T: int,
    B: int,
    target: Target,
    threads: int,
) -> Stack | None:
    """The kept stack of a shape; None for some cells, and where there would be much to keep: such calls are long."""
    which = kernels_for(program, names, target)
    first = program.states[0].name
    plan = which.forward
    simple = which.input_is_ours and set(plan.schedule.whole_states) <= {first}
    if not simple or [name for name, _ in plan.loop.stored] != [first]:
        return None
    rows = min(T * B, CHUNK_ROWS + B)
    numbers = sum(directions * ((rows + I + P) * len(which.inputs) * H + T * B * P) for I, H, P in sizes)
    if numbers * which.dtype.itemsize > MOST_BYTES:
        return None
    return Stack(which, names, sizes, directions, T, B, threads)
