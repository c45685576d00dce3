"""One step at a time, the state kept between steps."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from types import MappingProxyType
from typing import Any, Protocol, overload

import numpy as np
import torch
from torch import Tensor, nn

from ricorda.engines import USUAL, Manner, PlainStepper, Request, TurnStepper, choose
from ricorda.errors import ArgumentError
from ricorda.nn.forms import all_weights_of
from ricorda.nn.rounding import check_precision
from ricorda.nn.sequences import Batch, State, check_alike, of_each_state
from ricorda.program.stack import Stack

ALONE = ctypes.c_int64(1)
"""Threads of a step."""

Array = np.ndarray[Any, np.dtype[Any]]
Inputs = Mapping[str, Tensor | Array]
NO_INPUTS: Inputs = MappingProxyType({})


class Layer(Protocol):
    """What a stream needs of its layer, which is a `Recurrent`."""

    stack: Stack
    engine: str
    precision: str
    training: bool
    batch_first: bool
    input_size: int
    _parameters: Any
    _buffers: Any

    def parameters(self) -> Iterator[nn.Parameter]:
        """The weights."""

    def __call__(self, input: Tensor, hx: State | None, *, inputs: Mapping[str, Tensor] = ...) -> tuple[Tensor, State]:
        """Output and states."""


class Stream:
    """A layer that takes one step at a time; made by `Recurrent.stream`. It computes no gradients.

    On the CPU, in float32 and float64, a step runs compiled code over packed weights. Weights that are changed, moved
    or replaced later are packed again at the next step. A change through `parameter.data` or a NumPy view goes
    unnoticed: call `reset` after one. Autocast does not act here.

    Parameters
    ----------
    layer : Recurrent
        A layer of one direction; its dropout does not act here.
    batch_size : int, optional
        Rows of each step; None for single steps [I].
    precision : {"float32", "bf16", "int8"}, optional
        What the factors of a float32 layer's products are rounded to on the processor; by default the layer's own.

    Attributes
    ----------
    state : Tensor, or a tuple of one for each state, [num_layers, B, size] ([num_layers, size] without a batch)
        The states after the last step; None before the first. It may be kept, and set again later.
    """

    def __init__(self, layer: Layer, batch_size: int | None = None, precision: str | None = None) -> None:
        if batch_size is not None and (type(batch_size) is not int or batch_size < 1):
            raise ArgumentError(
                f"batch_size is {batch_size!r}: give a whole number of at least 1, or None for single steps"
            )
        self.precision = layer.precision if precision is None else precision
        check_precision(self.precision)
        self.layer = layer
        self.batch_size = batch_size
        self._batch = () if batch_size is None else (batch_size,)
        self._shape = (*self._batch, layer.input_size)
        self._begun = False
        self._state: State | None = None
        self.reset()

    @overload
    def __call__(self, x: Tensor, inputs: Inputs = ...) -> Tensor: ...

    @overload
    def __call__(self, x: Array, inputs: Inputs = ...) -> Array: ...

    def __call__(self, x: Any, inputs: Inputs = NO_INPUTS) -> Any:
        """Take one step.

        Parameters
        ----------
        x : Tensor or NumPy array, [B, I], or [I] without a batch
            Of the layer's dtype.
        inputs : mapping of str to Tensor or NumPy array, [B, size], or [size] without a batch
            The inputs of this step that the cell takes besides x; those of size 1 may be [B] or a number.

        Returns
        -------
        Tensor or NumPy array, like x, [B, size], or [size] without a batch
            The last layer's output.

        Raises
        ------
        ArgumentError
            If the step has another shape, dtype or device.
        """
        # A step takes a microsecond or two, so every operation here counts; strict= alone takes a tenth of one.
        for weight, (version, address) in zip(self._weights(), self._seen):  # noqa: B905
            if weight._version != version or weight.data_ptr() != address:
                self._renew()
                break
        stepper = self._turns
        if stepper is None or inputs:
            return self._step(self._read(x), inputs)
        kind = type(x)
        if kind is np.ndarray:
            if x.shape != self._shape or x.dtype is not self._numpy_dtype:
                return self(self._read(x))
            self._input[...] = x
            address = self._input_address
        else:
            if (
                kind is not Tensor
                or x.dtype is not self._dtype
                or x.shape != self._shape
                or not x.is_cpu
                or not x.is_contiguous()
            ):
                return self(self._read(x))
            address = x.data_ptr()
        turn = stepper.turn
        turn.block[stepper.slot] = address - turn.shift
        run = stepper.run
        for arguments in turn.arguments:
            run(arguments, ALONE)
        stepper.turn = turn.other
        self._begun = True
        y = turn.output.copy()
        return y if kind is np.ndarray else torch.from_numpy(y)

    @property
    def state(self) -> State | None:
        """The states after the last step."""
        if self._stepper is None or not self._begun:
            return self._state
        states = [state if self._batch else state.squeeze(1) for state in self._stepper.states()]
        return tuple(states) if len(states) > 1 else states[0]

    @state.setter
    def state(self, state: State | None) -> None:
        self._begun = state is not None
        self._state = state
        if self._stepper is not None:
            begins = state is not None or self.layer.stack.begins
            self._stepper.set_states(self._initial(state) if begins else None)
        elif state is not None:
            self._initial(state)

    def reset(self) -> None:
        """Start again: the next step begins with the states of a new sequence and the present weights."""
        self._prepare()
        self.state = None

    def __getstate__(self) -> dict[str, Any]:
        kept = "layer", "batch_size", "precision", "state"
        return {name: getattr(self, name) for name in kept}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        self.__init__(kept["layer"], kept["batch_size"], kept["precision"])  # type: ignore[misc]
        self.state = kept["state"]

    def _prepare(self) -> None:
        """Pack the present weights, if the engine can step this layer."""
        layer = self.layer
        parameters, buffers, fixed = layer._parameters, layer._buffers, layer.stack.fixed
        self._weights: Callable[[], Iterable[Tensor]] = parameters.values
        if fixed:
            self._weights = lambda: chain(parameters.values(), map(buffers.__getitem__, fixed))
        weights = [*layer.parameters(), *map(buffers.__getitem__, fixed)]
        known = all(type(weight) in (nn.Parameter, Tensor) and not weight.is_inference() for weight in weights)
        self._seen = [(weight._version, weight.data_ptr()) for weight in self._weights()] if known else []
        self._dtype = weights[0].dtype
        self._numpy_dtype = _NUMPY.get(self._dtype)
        self._stepper = self._packed() if known else None
        turns = isinstance(self._stepper, TurnStepper)
        self._turns: Any = self._stepper if turns else None
        self._plain: Any = None if turns else self._stepper
        if self._turns is not None:
            self._input = np.zeros(self._shape, self._numpy_dtype)
            self._input_address = self._input.ctypes.data

    @property
    def _weight(self) -> Tensor:
        """A weight, which has the layer's dtype and device."""
        return next(chain(self.layer.parameters(), self._weights()))

    def _packed(self) -> PlainStepper | TurnStepper | None:
        """An engine's stepper for the layer; None if each step must be a call of the layer."""
        stack = self.layer.stack
        weights = all_weights_of(self.layer, stack)
        x = self._weight.new_zeros(1, *(self._batch or (1,)), stack.input_size)
        with torch.autocast("cpu", enabled=False), torch.no_grad():
            on_processor = x.dtype is torch.float32 and x.is_cpu and self.precision != "float32"
            manner = Manner(self.precision) if on_processor else USUAL
            request = Request(stack.program, weights, x, (), manner=manner, engine=choose.wanted(self.layer.engine))
            return choose.stepper(stack, request, self._batch)

    def _renew(self) -> None:
        """Pack changed weights and go on from the same states."""
        state = self.state
        self._prepare()
        if state is not None:
            weight = self._weight
            state = of_each_state(lambda part: part.to(weight), state)
        self.state = state

    def _initial(self, state: State | None) -> list[Tensor]:
        """The caller's states, checked, as [layers, B, size] each; what a sequence begins with for None."""
        layer, weight = self.layer, self._weight
        batch = Batch(weight.new_empty(1, *(self._batch or (1,)), 1), weight, None, False, unbatched=not self._batch)
        return [part.detach() for part in batch.initial(layer.stack, state)]

    def _read(self, x: Any) -> Any:
        """Check a step and return it as a contiguous tensor or array; a tensor is converted to the layer's dtype."""
        if not isinstance(x, (Tensor, np.ndarray)):
            raise ArgumentError(f"a step of this stream is a {type(x).__name__}: give a torch.Tensor or a NumPy array")
        if tuple(x.shape) != self._shape:
            raise ArgumentError(f"a step of this stream has shape {self._shape}, and {tuple(x.shape)} was given")
        if isinstance(x, Tensor):
            weight = self._weight
            check_alike("a step of this stream", x, weight)
            return x.detach().as_subclass(Tensor).to(weight.dtype).contiguous()
        known = self._numpy_dtype
        if x.dtype != known:
            way_out = "give a torch.Tensor" if known is None else f"convert it with .astype({known.name!r})"
            raise ArgumentError(f"a step of this stream is of {x.dtype} and the layer of {self._dtype}: {way_out}")
        array = np.empty(self._shape, known)
        array[...] = x
        return array

    def _step(self, x: Any, inputs: Inputs) -> Any:
        """Take a step by an engine's plain stepper or, without one, by a call of the layer."""
        weight = self._weight
        step = torch.from_numpy(x).to(weight.device) if isinstance(x, np.ndarray) else x
        self._begun = True
        plain, beside = self._plain, self._beside(inputs)
        if plain is None or beside is None:
            y = self._through_layer(step, inputs)
        else:
            y = plain.step(step, beside) if beside else plain.step(step)
        return y.cpu().numpy() if isinstance(x, np.ndarray) else y

    def _beside(self, inputs: Inputs) -> dict[str, Tensor] | None:
        """The second inputs of a step, [B, size] each; None if they are not those that the cell takes."""
        known = self.layer.stack.program.inputs[1:]
        if inputs.keys() != {value.name for value in known}:
            return None
        beside = {}
        for value in known:
            size, rows = self.layer.stack.sizes[0][value.size], self._batch or (1,)
            tensor = torch.as_tensor(inputs[value.name], device=self._weight.device)
            shapes = [(*self._batch, size), *([self._batch] if size == 1 else [])]
            if tuple(tensor.shape) not in shapes or tensor.dtype != self._dtype:
                return None
            beside[value.name] = tensor.detach().reshape(*rows, size)
        return beside

    def _through_layer(self, x: Tensor, inputs: Inputs) -> Tensor:
        """The output of a call of the layer, in evaluation mode."""
        training, first_batch = self.layer.training, self.layer.batch_first and bool(self._batch)
        time = 1 if first_batch else 0
        beside = {name: torch.as_tensor(value, device=x.device).unsqueeze(time) for name, value in inputs.items()}
        state = self.state if self._stepper is not None else self._state
        precision = self.layer.precision
        self.layer.training, self.layer.precision = False, self.precision
        try:
            with torch.no_grad():
                output, state = self.layer(x.unsqueeze(time), state, inputs=beside)
        finally:
            self.layer.training, self.layer.precision = training, precision
        if self._stepper is None:
            self._state = state
        else:
            self.state = state
        return output.squeeze(time)


_NUMPY: dict[torch.dtype, np.dtype[Any]] = {
    torch.float16: np.dtype("float16"),
    torch.float32: np.dtype("float32"),
    torch.float64: np.dtype("float64"),
}
