"""Calls of a whole stack of layers: what all calls of a shape have in common is made once.

In short calls Python takes most of the time. Without a gradient the arguments and buffers of a shape are kept and used
again, by one thread at a time. A second thread that calls meanwhile goes layer by layer.
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

from ricorda.engines import Request, StackRun
from ricorda.engines.cpu.kernels.kernels import Kernels, kernels_for
from ricorda.engines.cpu.run.autograd import LoopFunction
from ricorda.engines.cpu.run.call import Call, shape_in, team_of, template_for, threads_now
from ricorda.engines.cpu.run.forward import template
from ricorda.engines.cpu.run.memory import Arguments
from ricorda.engines.cpu.run.of_parameters import outside_of_stack
from ricorda.engines.cpu.run.processor import processor_for
from ricorda.engines.cpu.run.repeated import repeats
from ricorda.engines.cpu.run.steps import CHUNK_ROWS, full
from ricorda.engines.cpu.words.target import Target
from ricorda.program.stack import Stack

MOST_BYTES = 4 << 20
"""The most that is kept for a stack: calls that need more are long anyway."""

FEW_A_THREAD = 4
"""Rows for each thread below which it is faster to give each direction one thread with all rows."""


def run_stack(stack: Stack, request: Request) -> StackRun | None:
    """Serve a request for a whole stack; None if it must go layer by layer, where wrong shapes are reported too."""
    x, states = request.x, request.states
    weights: Sequence[Tensor] = list(request.parameters.values())
    T, B, I = x.shape
    if not T or not B or stack.input_size != I or not stack.uniform or torch.is_autocast_enabled("cpu"):
        return None
    grad_enabled = torch.is_grad_enabled()
    grad = grad_enabled and x.requires_grad
    for weight, shape in zip(weights, stack.shapes.values(), strict=True):
        if weight.shape != shape:
            return None
        grad = grad or (grad_enabled and weight.requires_grad)
    if states:
        if len(states) != len(stack.states):
            return None
        for state, (entries, size) in zip(states, stack.states, strict=True):
            if state.shape != (entries, B, size):
                return None
            grad = grad or (grad_enabled and state.requires_grad)
    processor = processor_for(x, request.manner.factors)
    stack, weights = outside_of_stack(stack, weights)
    if grad:
        with_gradient = calls_with_gradient(stack, T, B, processor)
        return None if with_gradient is None else with_gradient(x, states, weights)
    for weight in weights:
        if not weight.is_contiguous():
            return None
    without = calls_without_gradient(stack, T, B, processor, threads_now())
    return None if without is None else without(x, states, weights)


class CallsWithGradient:
    """Calls of one shape with a gradient, in which all rows have all steps; each layer is an operation of autograd.

    Parameters
    ----------
    kernels : for training, of a program without masks
    """

    def __init__(self, stack: Stack, kernels: Kernels, T: int, B: int) -> None:
        backward = (False, True)[: stack.directions]
        self.calls = [Call(kernels, full(T, B, reverse), stack.names, (), (), 0, reverse) for reverse in backward]
        self.alone = stack.num_layers * stack.directions == 1
        rows = (1, B) if self.alone else (B,)
        with torch.inference_mode(False):  # Later calls outside of inference mode use these tensors too.
            self.zeros = [torch.zeros(*rows, size, dtype=kernels.dtype, device="cpu") for _, size in stack.states]

    def __call__(self, x: Tensor, states: Sequence[Tensor], weights: Sequence[Tensor]) -> StackRun:
        """Output [T, B, directions * P] and final states [layers * directions, B, size].

        Parameters
        ----------
        x : [T, B, I]
        states : initial ones, () for zeros
        weights : by layer, direction and name
        """
        names, count = len(self.calls[0].parameters), len(self.zeros)
        if self.alone:  # Its states keep the caller's shape, since views of them would take time.
            output, *ends = LoopFunction.apply(self.calls[0], x, *(states or self.zeros), *weights)  # type: ignore[no-untyped-call]
            return output, ends[:count]
        finals: list[Sequence[Tensor]] = []
        y = x
        while len(finals) * names < len(weights):
            outputs = []
            for call in self.calls:
                number = len(finals)
                initial = [state[number] for state in states] or self.zeros
                own = weights[number * names : (number + 1) * names]
                output, *ends = LoopFunction.apply(call, y, *initial, *own)  # type: ignore[no-untyped-call]
                outputs.append(output)
                finals.append(ends[:count])
            y = torch.cat(outputs, 2) if len(outputs) > 1 else outputs[0]
        return y, [torch.stack(of_all) for of_all in zip(*finals, strict=True)]


@lru_cache(maxsize=64)
def calls_with_gradient(stack: Stack, T: int, B: int, processor: Target) -> CallsWithGradient | None:
    """What is kept for the calls of a shape; None for cells with masks, or whose input products torch computes."""
    if repeats(stack.program):
        return None
    kernels = kernels_for(stack.program, stack.names, processor, training=True)
    if not kernels.multiplies_input or stack.program.masks:
        return None
    return CallsWithGradient(stack, kernels, T, B)


@dataclass(slots=True, eq=False)
class _Entry:
    """One layer in one direction.

    Parameters
    ----------
    number : its number in the order of layers and directions
    arguments : the kernel's arguments
    block : their block, which each call completes
    weights : slot, number among the stack's weights, and byte offset
    team : number of threads
    last : byte at which the step that it ends with begins in the output
    output : [T, B, P], kept between calls; in the last layer of one direction each call makes its own
    """

    number: int
    arguments: Arguments
    block: Any
    weights: list[tuple[int, int, int]]
    team: int
    last: int
    output: Tensor


class CallsWithoutGradient:
    """Calls of one shape without a gradient, in which all rows have all steps.

    Parameters
    ----------
    threads : the number of threads, see `threads_now`
    """

    def __init__(self, stack: Stack, kernels: Kernels, T: int, B: int, threads: int) -> None:
        self.stack, self.kernels, self.T, self.B = stack, kernels, T, B
        self.directions = stack.directions
        self.lock = threading.Lock()
        first, *others = stack.program.states
        self.states = [(entries, B, size) for entries, size in stack.states]
        self.output = (T, B, self.states[0][2])
        self.strides = [rows * numbers * kernels.dtype.itemsize for _, rows, numbers in self.states]
        shapes = [shape_in(sizes) for sizes in stack.sizes]
        shared = any(team_of(kernels, full(T, B, False), shape)[0] > 1 for shape in shapes)
        self.pairs = self.directions == 2 and shared and FEW_A_THREAD * threads > B
        kernel = kernels.run_forward()
        assert kernel.run_pair is not None  # Forward kernels have it.
        self.run, self.run_pair = kernel.run, kernel.run_pair
        self.x, self.sequence = kernel.slots["x"], kernel.slots[f"sequence {first.name}"]
        self.initial = kernel.slots.get(f"initial {first.name}")
        self.places = [kernel.slots.get(f"place {state.name}") for state in others]
        both = self.directions == 2
        with torch.inference_mode(False):  # Later calls outside of inference mode use these tensors too.
            self.zeros = torch.zeros(self.states[0], dtype=kernels.dtype, device="cpu")
            wide = (T, B, 2 * self.output[2])
            self.between = [torch.empty(wide, dtype=kernels.dtype, device="cpu") for _ in shapes[1:] if both]
            self.layers = [
                [self._entry(level, direction, shape) for direction in range(self.directions)]
                for level, shape in enumerate(shapes)
            ]
        for level, layer in enumerate(self.layers[1:]):
            below = self.between[level] if both else self.layers[level][0].output
            for entry in layer:
                entry.block[self.x] = below.data_ptr()

    def _entry(self, level: int, direction: int, shape: tuple[int, int, int]) -> _Entry:
        steps = full(self.T, self.B, direction == 1)
        team = (1, False) if self.pairs else team_of(self.kernels, steps, shape)
        own = template_for(template, self.kernels, steps, shape, team)
        number = level * self.directions + direction
        names = self.stack.names
        weights = [(slot, number * len(names) + names.index(name), at) for slot, name, at in own.parameters]
        arguments = Arguments(own)
        output = torch.empty(self.output, dtype=self.kernels.dtype, device="cpu")
        block = arguments.block
        block[self.sequence] = output.data_ptr()
        last = 0 if direction else (self.T - 1) * self.strides[0]
        return _Entry(number, arguments, block, weights, team[0], last, output)

    def __call__(self, x: Tensor, states: Sequence[Tensor], weights: Sequence[Tensor]) -> StackRun | None:
        """Output [T, B, directions * P] and final states [layers * directions, B, size]; None if another thread calls.

        Parameters
        ----------
        x : [T, B, I]
        states : initial ones, () for zeros
        weights : by layer, direction and name, all contiguous
        """
        if not self.lock.acquire(blocking=False):
            return None
        try:
            if not states:
                initial, others = self.zeros, [x.new_zeros(shape) for shape in self.states[1:]]
            else:
                initial = states[0].contiguous()
                others = [state.clone(memory_format=torch.contiguous_format) for state in states[1:]]
            x = x.contiguous()
            begins = [state.data_ptr() for state in (initial, *others)]
            for entry in self.layers[0]:
                entry.block[self.x] = x.data_ptr()
            final = x.new_empty(self.states[0])
            ends = final.data_ptr()
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
                    end = entry.block[self.sequence] + entry.last
                    memmove(ends + entry.number * self.strides[0], end, self.strides[0])
            return output, [final, *others]
        finally:
            self.lock.release()

    def _complete(self, entry: _Entry, begins: Sequence[int], weights: Sequence[Tensor]) -> None:
        """Set the arguments that change from call to call; `begins` are the addresses of the states."""
        block, number = entry.block, entry.number
        for slot, weight, offset in entry.weights:
            block[slot] = weights[weight].data_ptr() + offset
        if self.initial is not None:
            block[self.initial] = begins[0] + number * self.strides[0]
        for place, begin, stride in zip(self.places, begins[1:], self.strides[1:], strict=True):
            if place is not None:
                block[place] = begin + number * stride

    def _both(self, layer: Sequence[_Entry], out: Tensor | None) -> Tensor:
        """Run both directions of a layer and return their outputs side by side."""
        forward, backward = layer
        if self.pairs:
            self.run_pair(forward.block, backward.block)
        else:
            for entry in layer:
                self.run(entry.block, entry.team)
        return torch.cat((forward.output, backward.output), 2, out=out)


@lru_cache(maxsize=16)
def calls_without_gradient(
    stack: Stack, T: int, B: int, processor: Target, threads: int
) -> CallsWithoutGradient | None:
    """What is kept for the calls of a shape; None if it would be more than MOST_BYTES, and for cells that need more."""
    program = stack.program
    if repeats(program) or program.output:
        return None
    kernels = kernels_for(program, stack.names, processor)
    first = program.states[0].name
    plan = kernels.forward
    simple = kernels.multiplies_input and set(plan.schedule.whole_states) <= {first}
    if not simple or program.masks or [name for name, _ in plan.loop.stored] != [first]:
        return None
    rows = min(T * B, CHUNK_ROWS + B)
    shapes = [shape_in(sizes) for sizes in stack.sizes]
    numbers = sum((rows + I + P) * len(kernels.inputs) * H + T * B * P for I, H, P in shapes) * stack.directions
    if numbers * kernels.dtype.itemsize > MOST_BYTES:
        return None
    return CallsWithoutGradient(stack, kernels, T, B, threads)
