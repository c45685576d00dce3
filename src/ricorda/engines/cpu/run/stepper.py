"""A stack of layers run one step at a time, over weights that are packed once."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ricorda.engines import Request
from ricorda.engines.cpu.kernels.kernels import Kernels, kernels_for
from ricorda.engines.cpu.run.call import shape_in
from ricorda.engines.cpu.run.forward import kernel_values
from ricorda.engines.cpu.run.inputs import input_parts
from ricorda.engines.cpu.run.memory import give_parameters, step_values
from ricorda.engines.cpu.run.processor import processor_for
from ricorda.engines.cpu.run.repeated import with_ones
from ricorda.engines.cpu.run.steps import full
from ricorda.engines.reference import values_of_inputs
from ricorda.program.differentiate import output_sequence
from ricorda.program.operations import OPERATIONS
from ricorda.program.sizes import INPUT_SIZE
from ricorda.program.stack import Stack

GIL_KEPT = 1e6
"""Floating-point operations (some 10 us) below which a step keeps Python's lock, and other threads wait: a thread that
gives it up may get it back only after another one's whole time slice."""

ONE_THREAD = ctypes.c_int64(1)
NO_INPUTS: Mapping[str, Tensor] = MappingProxyType({})


@dataclass(slots=True, eq=False)
class Turn:
    """One of the two steps that take turns.

    Parameters
    ----------
    block : arguments of the first layer's kernel; slot `Stepper.slot` is the address of the step [B, I] minus `shift`
    shift : bytes
    arguments : the arguments of each layer's kernel
    output : the last layer's output [*batch, size] after the step
    other : the turn after this one
    """

    block: ctypes.Array[ctypes.c_int64]
    shift: int
    arguments: tuple[Any, ...]
    output: np.ndarray
    other: Turn = field(init=False)


class Layers:
    """Layers of one program that keep their states; all states are zero at first.

    The memory is that of a run of two steps, which are repeated in turn: the new states of one are the old states of
    the other, so nothing is copied.

    Parameters
    ----------
    kernels : Kernels
        For inference, of a program without masks.
    layers : sequence of mappings
        The parameters of each layer by name; float32 or float64, contiguous, on the CPU.
    sizes : sequence of mappings
        The numbers behind "I", "H" and "P" in each layer.
    batch : tuple of int
        (B,), or () for one row without a batch dimension.
    """

    def __init__(
        self,
        kernels: Kernels,
        layers: Sequence[Mapping[str, Tensor]],
        sizes: Sequence[Mapping[str, int]],
        batch: tuple[int, ...],
    ) -> None:
        self._batch, self._rows = batch, math.prod(batch)
        self._layers: list[_Layer] = []
        for parameters, own in zip(layers, sizes, strict=True):
            below = self._layers[-1].output if self._layers else None
            self._layers.append(_Layer(kernels, parameters, own, self._rows, below))
        kernel = kernels.run_forward()
        work = 2.0 * self._rows * sum(weight.numel() for parameters in layers for weight in parameters.values())
        kind = ctypes.PYFUNCTYPE if work < GIL_KEPT else ctypes.CFUNCTYPE
        # It has no argtypes, since its arguments are ctypes objects already.
        self._run: Callable[[Any, ctypes.c_int64], None] = kind(None)(kernel.owner.get_function_address("run_packed"))
        self._kernel = kernel  # The code is freed with this object.

    def _next(self) -> int:
        """The next of the two steps, 0 or 1."""
        raise NotImplementedError

    def states(self) -> list[Tensor]:
        """The states as they are now, [layers, B, size] each."""
        last = 1 - self._next()
        return [torch.stack(states) for states in zip(*(layer.states[last] for layer in self._layers), strict=True)]

    def set_states(self, states: Sequence[Tensor] | None) -> None:
        """Go on from these states, [layers, B, size] each; None for zeros. The next step must be the first of two."""
        for number, layer in enumerate(self._layers):
            for position, place in enumerate(layer.states[1]):
                if states is None:
                    place.zero_()
                else:
                    place.copy_(states[position][number])


class Stepper(Layers):
    """Layers whose kernels multiply the input themselves.

    Attributes
    ----------
    turn : Turn
        The next step.
    slot : int
        Slot of the first layer's arguments for the address of the step.
    run : callable
        Runs a layer's step; takes one of `Turn.arguments`, and the number of threads, 1, as a c_int64.
    """

    def __init__(
        self,
        kernels: Kernels,
        layers: Sequence[Mapping[str, Tensor]],
        sizes: Sequence[Mapping[str, int]],
        batch: tuple[int, ...],
    ) -> None:
        super().__init__(kernels, layers, sizes, batch)
        B = self._rows
        self.slot, self.run = self._kernel.slots["x"], self._run
        step_bytes = B * sizes[0][INPUT_SIZE] * kernels.dtype.itemsize
        self.turn, other = (
            Turn(
                self._layers[0].blocks[turn],
                turn * step_bytes,
                tuple(ctypes.byref(layer.blocks[turn]) for layer in self._layers),
                self._layers[-1].output[turn * B : (turn + 1) * B].view(*batch, -1).numpy(),
            )
            for turn in (0, 1)
        )
        self.turn.other, other.other = other, self.turn
        self._first = self.turn

    def _next(self) -> int:
        return 0 if self.turn is self._first else 1

    def set_states(self, states: Sequence[Tensor] | None) -> None:
        """Go on from these states, [layers, B, size] each; None for zeros."""
        self.turn = self._first
        super().set_states(states)


class PartsStepper(Layers):
    """Layers whose loops read of the inputs what torch computes before each step, see `inputs.input_parts`.

    Parameters
    ----------
    layers : sequence of mappings
        Of the program of the kernels, which may have affines for repetitions, see `repeated`.
    """

    def __init__(
        self,
        kernels: Kernels,
        layers: Sequence[Mapping[str, Tensor]],
        sizes: Sequence[Mapping[str, int]],
        batch: tuple[int, ...],
    ) -> None:
        super().__init__(kernels, layers, sizes, batch)
        self._at = 0
        program = self._program = kernels.program
        self._kernels, self._parameters, self._sizes = kernels, layers, sizes
        self._constants = values_of_inputs(program, {}, next(iter(layers[0].values())))
        self._lines = [
            (index, OPERATIONS[program.values[index].op].reference, program.values[index].args)
            for index in sorted(program.of_input)
            if program.values[index].op != "input"
        ]
        self._blocks = [[ctypes.byref(block) for block in layer.blocks] for layer in self._layers]

    def step(self, x: Tensor, inputs: Mapping[str, Tensor] = NO_INPUTS) -> Tensor:
        """The last layer's output [*batch, size] after a step [*batch, I]; second inputs are [B, size]."""
        B = self._rows
        y = x.view(B, -1)
        with torch.inference_mode():
            for number, layer in enumerate(self._layers):
                values = {**self._constants, 0: y}
                values |= {index: inputs[value.name] for index, value in enumerate(self._program.inputs) if index}
                for index, function, args in self._lines:
                    values[index] = function(torch, *(values[arg] for arg in args))
                if layer.chunk is not None:
                    parts = input_parts(self._kernels, self._parameters[number], values, self._sizes[number])
                    layer.chunk[self._at * B : (self._at + 1) * B] = parts
                self._run(self._blocks[number][self._at], ONE_THREAD)
                y = layer.output[self._at * B : (self._at + 1) * B]
        self._at = 1 - self._at
        return y.clone().view(*self._batch, -1)

    def _next(self) -> int:
        return self._at

    def set_states(self, states: Sequence[Tensor] | None) -> None:
        """Go on from these states, [layers, B, size] each; None for zeros."""
        self._at = 0
        super().set_states(states)


def stepper(stack: Stack, request: Request, batch: tuple[int, ...]) -> Stepper | PartsStepper | None:
    """A stepper for a stack; None if it has random masks, layers with states of several sizes, or a wrong shape."""
    shapes = stack.shapes
    wrong = any(request.parameters[name].shape != shape for name, shape in shapes.items())
    if stack.program.masks or not stack.uniform or wrong:
        return None
    with torch.inference_mode(False):  # Steps outside of inference mode write the states too.
        weights = {name: request.parameters[name].detach().contiguous() for name in shapes}
        own = [{name: weights[name + suffix] for name in stack.names} for (suffix,) in stack.suffixes]
        program, layers = with_ones(stack.program, own, stack.sizes)
        kernels = kernels_for(program, tuple(layers[0]), processor_for(request.x, request.manner.factors))
        kind = Stepper if kernels.multiplies_input else PartsStepper
        return kind(kernels, layers, stack.sizes, batch)


class _Layer:
    """The packed weights of one layer, its states, and the arguments of both turns."""

    def __init__(
        self,
        kernels: Kernels,
        parameters: Mapping[str, Tensor],
        sizes: Mapping[str, int],
        B: int,
        below: Tensor | None,
    ) -> None:
        program, plan = kernels.program, kernels.forward
        values = kernel_values(kernels, B, B, shape_in(sizes))
        numbers, arrays = step_values(full(2, B, False), parts=1, by_units=False)
        values.numbers(**numbers)
        for name, array in arrays.items():
            values.give_array(name, array)
        x = torch.zeros(2 * B, sizes[INPUT_SIZE], dtype=kernels.dtype, device="cpu") if below is None else below
        self.chunk: Tensor | None = None
        if kernels.multiplies_input:
            values.give("x", x)
        else:
            self.chunk = x.new_zeros(2 * B, sum(sizes[size] for size in kernels.part_sizes))
            values.give("chunk", self.chunk)
        give_parameters(values, kernels, parameters, sizes)
        sequences = {n: x.new_zeros(2 * B, sizes[plan.loop.lines[line].size]) for n, line in plan.loop.stored}
        for name, sequence in sequences.items():
            values.give(f"sequence {name}", sequence)
        self.output = sequences[output_sequence(program)]
        self.states: tuple[list[Tensor], list[Tensor]] = ([], [])
        """Where each state lies after the first of the two steps, and after the second."""
        for state in program.states:
            if state.name in sequences:
                both = sequences[state.name].view(2, B, -1).unbind()
                values.give(f"initial {state.name}", both[1])
            elif state.name in plan.schedule.whole_states:
                place = x.new_zeros(2, B, sizes[state.size])
                both = place.unbind()
                values.give(f"place {state.name}", place)
            else:
                place = x.new_zeros(B, sizes[state.size])
                both = (place, place)
                values.give(f"place {state.name}", place)
            for after, where in zip(self.states, both, strict=True):
                after.append(where)
        kernel = kernels.run_forward()
        values.numbers(chunks=1, chunk_rows=B)
        values.give_array("chunk_steps", np.array([0, 1], np.int64))
        values.give_array("chunk_bounds", np.array([0, B], np.int64))
        block = values.block(kernel.slots)
        second = type(block).from_buffer_copy(block)
        values.give_array("chunk_steps", np.array([1, 2], np.int64))
        values.give_array("chunk_bounds", np.array([B, 2 * B], np.int64))
        for name in ("chunk_steps", "chunk_bounds"):
            second[kernel.slots[name]] = values.values[name]
        kernel.run(block, 1)  # This step only packs the weights; its states are cleared below.
        for state_of_both in zip(*self.states, strict=True):
            for where in state_of_both:
                where.zero_()
        self.blocks = (block, second)
        self._values = values
