"""Many sequences that take their steps at times of their own, over weights that are packed once.

A `Stepper` keeps the states of its rows between steps. Here the caller keeps them, so that a call can take a step of
whichever sequences have one waiting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ricorda.engines import Request
from ricorda.engines.cpu.kernels.kernels import Kernels, kernels_for
from ricorda.engines.cpu.run.repeated import with_ones
from ricorda.engines.cpu.run.stepper import ONE_THREAD, Layers
from ricorda.engines.cpu.words import target
from ricorda.program.sizes import INPUT_SIZE
from ricorda.program.stack import Stack

MOST = 64
"""Rows of a call; more waiting steps are taken in several calls."""

Array = np.ndarray[Any, np.dtype[Any]]


class ManyStepper(Layers):
    """Layers that take one step of up to `MOST` rows, whose states the caller has.

    Parameters are those of `Layers`.
    """

    def __init__(
        self,
        kernels: Kernels,
        layers: Sequence[Mapping[str, Tensor]],
        sizes: Sequence[Mapping[str, int]],
    ) -> None:
        super().__init__(kernels, layers, sizes, (MOST,))
        first = self._layers[0]
        self._x = np.zeros((MOST, sizes[0][INPUT_SIZE]), _dtype(kernels))
        slots = self._kernel.slots
        first.blocks[0][slots["x"]] = self._x.ctypes.data
        # The arrays that say how many rows there are; the kernel reads them in each call.
        self._counts, self._bounds = np.full(2, MOST, np.int64), np.array([0, MOST], np.int64)
        for layer in self._layers:
            layer.blocks[0][slots["counts"]] = self._counts.ctypes.data
            if "chunk_bounds" in slots:
                layer.blocks[0][slots["chunk_bounds"]] = self._bounds.ctypes.data
        before, after = ([[place.numpy() for place in layer.states[turn]] for layer in self._layers] for turn in (1, 0))
        self._before, self._after = before, after
        self._output = self._layers[-1].output[:MOST].numpy()

    def _next(self) -> int:
        return 0

    def step(self, x: Array, states: Sequence[Array]) -> tuple[Array, list[Array]]:
        """The outputs [B, size] of a step [B, I] and the states after it, from those before it, [layers, B, size] each.

        The arrays are of the layers' dtype; B is at most `MOST`.
        """
        rows = len(x)
        self._x[:rows] = x
        self._counts[:] = self._bounds[1] = rows
        for number, places in enumerate(self._before):
            for place, state in zip(places, states, strict=True):
                place[:rows] = state[number]
        for layer in self._layers:
            self._run(layer.blocks[0], ONE_THREAD)
        after = [np.stack([place[:rows] for place in places]) for places in zip(*self._after, strict=True)]
        return self._output[:rows].copy(), after


def many_stepper(stack: Stack, request: Request) -> ManyStepper | None:
    """A stepper for the rows of many sequences.

    None if the stack has random masks, layers with states of several sizes, inputs that torch computes with, or weights
    of a wrong shape.
    """
    shapes = stack.shapes
    wrong = any(request.parameters[name].shape != shape for name, shape in shapes.items())
    if stack.program.masks or not stack.uniform or wrong:
        return None
    with torch.inference_mode(False):
        weights = {name: request.parameters[name].detach().contiguous() for name in shapes}
        own = [{name: weights[name + suffix] for name in stack.names} for (suffix,) in stack.suffixes]
        program, layers = with_ones(stack.program, own, stack.sizes)
        element = "f64" if request.x.dtype == torch.float64 else "f32"
        kernels = kernels_for(program, tuple(layers[0]), target.host(element))
        return ManyStepper(kernels, layers, stack.sizes) if kernels.multiplies_input else None


def rows_apart(stack: Stack) -> bool:
    """Whether nothing of a row depends, to the last bit, on those beside it.

    Products of the kernels add up in an order of their own; torch's, which some cells need, in one for each shape.
    """
    return bool(kernels_for(stack.program, tuple(stack.names), target.host("f32")).multiplies_input)


def _dtype(kernels: Kernels) -> np.dtype[Any]:
    return np.dtype("float64" if kernels.dtype == torch.float64 else "float32")
