"""The recurrent layers of a model, one step of many sessions at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ricorda.engines import Request, choose
from ricorda.nn.forms import all_weights_of
from ricorda.nn.recurrent import Recurrent
from ricorda.nn.sequences import Batch

Array = np.ndarray[Any, np.dtype[np.float32]]

AT_ONCE = 64
"""Sessions of a call."""


class LayerSteps:
    """Layers of one direction over weights that are packed once, whatever the number of sessions.

    A session's states are one array [S]: those of all layers, one after the other.

    Attributes
    ----------
    width : int
        Numbers of an output.
    """

    def __init__(self, layer: Recurrent) -> None:
        self.layer = layer.eval()
        weights = all_weights_of(layer, layer.stack)
        self._weight = next(iter(weights.values()))
        with torch.no_grad():
            request = Request(
                layer.stack.program,
                weights,
                self._weight.new_zeros(1, 1, layer.input_size),
                (),
                engine=choose.wanted(layer.engine),
            )
            engine, _ = choose.first(request)
            self._stepper = None
            if engine.name == "cpu":
                from ricorda.engines.cpu.run.many import many_stepper

                self._stepper = many_stepper(layer.stack, request)
            batch = Batch(self._weight.new_empty(1, 1, 1), self._weight, None, False, unbatched=False)
            first = [state.detach().cpu().float().numpy() for state in batch.initial(layer.stack, None)]
        self._shapes = [(state.shape[0], state.shape[2]) for state in first]
        self._ends = np.cumsum([layers * size for layers, size in self._shapes]).tolist()
        self._first: Array = np.concatenate([state.ravel() for state in first]).astype(np.float32)
        self.width = self.step(np.zeros((1, layer.input_size), np.float32), [self._first])[0].shape[1]

    @property
    def work(self) -> int:
        """Multiplications of a step of one session."""
        return sum(weight.numel() for weight in self.layer.parameters())

    @property
    def size(self) -> int:
        """The numbers of a session's states."""
        return len(self._first)

    def begin(self) -> Array:
        """The states before the first step."""
        return self._first.copy()

    def step(self, x: Array, states: Sequence[Array]) -> tuple[Array, list[Array]]:
        """The outputs [B, H] of a step [B, I] of each session, and their states after it."""
        parts = [self._some(x[at : at + AT_ONCE], states[at : at + AT_ONCE]) for at in range(0, len(x), AT_ONCE)]
        if len(parts) == 1:
            return parts[0]
        return np.concatenate([output for output, _ in parts]), [state for _, after in parts for state in after]

    def _some(self, x: Array, states: Sequence[Array]) -> tuple[Array, list[Array]]:
        rows = np.stack(states)
        begins = [0, *self._ends]
        before = [
            rows[:, begin:end].reshape(len(rows), layers, size).swapaxes(0, 1)
            for begin, end, (layers, size) in zip(begins, self._ends, self._shapes, strict=False)
        ]
        y, after = self._stepper.step(x, before) if self._stepper is not None else self._through_layer(x, before)
        flat = np.concatenate([state.swapaxes(0, 1).reshape(len(rows), -1) for state in after], axis=1)
        return y, [row.copy() for row in flat]  # A view would keep the states of all others.

    def _through_layer(self, x: Array, states: Sequence[Array]) -> tuple[Array, list[Array]]:
        """The same by a call of the layer: for other devices, and cells that no stepper has."""
        tensors = tuple(torch.from_numpy(np.ascontiguousarray(state)).to(self._weight) for state in states)
        with torch.no_grad():
            input = torch.from_numpy(np.ascontiguousarray(x))[None].to(self._weight)
            y, after = self.layer(input, tensors if len(tensors) > 1 else tensors[0])
        ends = after if isinstance(after, tuple) else (after,)
        return y[0].float().cpu().numpy(), [state.float().cpu().numpy() for state in ends]
