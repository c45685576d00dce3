"""A layer's inputs in one form: x [T, B, I], lengths, and a state for each layer and direction.

`Batch.read` and `initial` check the caller's input and states; the other methods return results in the caller's form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from ricorda.engines.obstacles import hidden
from ricorda.engines.operation import check_lengths
from ricorda.errors import ArgumentError, ArgumentTypeError, TensorError
from ricorda.program.ir import Program
from ricorda.program.stack import Stack

Lengths = Tensor | Sequence[int]
State = Tensor | tuple[Tensor, ...]


def states_of(state: State) -> tuple[Tensor, ...]:
    """A cell's states as a tuple; the state of a cell that has one comes without."""
    return state if isinstance(state, tuple) else (state,)


def widened(values: Sequence[Tensor]) -> list[Tensor]:
    """Values [..., size] of several layers, filled up with zeros to the size of the widest."""
    width = max(value.shape[-1] for value in values)
    return [value if value.shape[-1] == width else F.pad(value, (0, width - value.shape[-1])) for value in values]


def of_each_state(function: Callable[[Tensor], Tensor], state: State) -> State:
    """A function's result for each of a cell's states, in the form in which they came."""
    return tuple(map(function, state)) if isinstance(state, tuple) else function(state)


def first_states(stack: Stack, B: int, like: Tensor) -> list[Tensor]:
    """What states begin with where the caller gives none, [layers * directions, B, size]: the cell's numbers, or zeros.

    Parameters
    ----------
    like : has the dtype and the device; a finite number that is too large for the dtype becomes its largest
    """
    most, states = torch.finfo(like.dtype).max, []
    for state, (entries, size) in zip(stack.program.states, stack.states, strict=True):
        zeros = like.new_zeros(entries, B, size)
        number = state.number if abs(state.number) == math.inf else max(-most, min(state.number, most))
        states.append(zeros.fill_(number) if number else zeros)
    return states


@dataclass
class Batch:
    """An input in the engines' form, and the form in which the caller gave it.

    Rows keep the order in which the caller gave or packed them, since masks and states belong to their places.
    """

    x: Tensor
    weight: Tensor
    lengths: Tensor | None
    batch_first: bool
    packed: PackedSequence | None = None
    unbatched: bool = False
    inputs: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        input: Tensor | PackedSequence,
        lengths: Lengths | None,
        *,
        batch_first: bool,
        input_size: int,
        weight: Tensor,
    ) -> Batch:
        """Check the input against `weight`, one of the layer's parameters, and bring it to x [T, B, I].

        Raises
        ------
        ArgumentError
            If the input or the lengths have an invalid shape or type.
        """
        check_alike("the input", _tensor(input), weight)
        if isinstance(input, PackedSequence):
            if lengths is not None:
                raise ArgumentError("lengths= was given with a packed sequence, which has its own: leave it out")
            unpack: Callable[..., Any] = pad_packed_sequence
            if torch.compiler.is_compiling():  # Older versions of torch fail at its numbers instead of leaving it out.
                unpack = torch.compiler.disable(unpack)  # type: ignore[no-untyped-call]
            x, own = unpack(input)  # Its rows have the order in which they were packed.
            batch = cls(x, weight, own, batch_first=False, packed=input)
        else:
            if input.dim() not in (2, 3):
                raise ArgumentError(
                    f"the input has {input.dim()} dimensions (shape {tuple(input.shape)}): give 3, "
                    f"{'[B, T, I]' if batch_first else '[T, B, I]'}, or 2, [T, I], for one sequence"
                )
            unbatched = input.dim() == 2
            x = input.unsqueeze(1) if unbatched else input.transpose(0, 1) if batch_first else input
            batch = cls(x, weight, None, batch_first, unbatched=unbatched)
            if lengths is not None:
                batch.lengths = _lengths(lengths, x.shape[0], x.shape[1], unbatched)
        if batch.x.shape[2] != input_size:
            raise TensorError(
                f"the input has {batch.x.shape[2]} features a step (shape {tuple(_tensor(input).shape)}) but the layer "
                f"was made with input_size={input_size}"
            )
        if batch.x.shape[0] == 0:
            raise TensorError(f"the input has no step (shape {tuple(_tensor(input).shape)}): give at least one")
        return batch

    def initial(self, stack: Stack, hx: State | None) -> list[Tensor]:
        """The initial states [layers * directions, B, size], the cell's or the caller's own.

        Raises
        ------
        ArgumentError
            If their number, or the shape of one, is wrong.
        """
        B = self.x.shape[1]
        if hx is None:
            return first_states(stack, B, self.weight)
        states = tuple(hx) if isinstance(hx, (tuple, list)) else (hx,)
        cell, names = stack.program.name, [state.name for state in stack.program.states]
        if len(states) != len(names):
            raise ArgumentError(
                f"hx has {len(states)} state{'s' * (len(states) != 1)}, and cell {cell} has {len(names)}: "
                f"give {'a tuple of ' * (len(names) > 1)}{', '.join(names)}"
            )
        for state, name, (entries, size) in zip(states, names, stack.states, strict=True):
            check_alike(f"initial state {name}", state, self.weight)
            expected = (entries, size) if self.unbatched else (entries, B, size)
            if tuple(state.shape) != expected:
                raise TensorError(f"initial state {name} has shape {tuple(state.shape)}, and {expected} is needed")
        return [state.unsqueeze(1) for state in states] if self.unbatched else list(states)

    def take(self, program: Program, inputs: Mapping[str, Any], sizes: Mapping[str, int]) -> None:
        """Check the inputs that a cell takes besides the first, and keep them as [T, B, size] each.

        Parameters
        ----------
        sizes : the numbers behind the program's sizes in the first layer

        Raises
        ------
        ArgumentError
            If one is missing or unknown, or has another form than the input.
        """
        names = [value.name for value in program.inputs[1:]]
        if not isinstance(inputs, Mapping):
            raise ArgumentTypeError(f"inputs is a {type(inputs).__name__}: give a dictionary of names to tensors")
        if set(inputs) != set(names):
            takes = f"takes {', '.join(names)}" if names else "takes none"
            raise ArgumentError(
                f"inputs has {', '.join(map(repr, inputs)) or 'nothing'}, and cell {program.name} {takes} besides "
                f"{program.inputs[0].name}: give inputs={{{', '.join(f'{name!r}: ...' for name in names)}}}"
            )
        widths = {value.name: sizes[value.size] for value in program.inputs[1:]}
        self.inputs = {name: self._beside(name, inputs[name], width) for name, width in widths.items()}

    def _beside(self, name: str, values: Any, size: int) -> Tensor:
        check_alike(f"input {name}", _tensor(values), self.weight)
        T, B, _ = self.x.shape
        if isinstance(values, PackedSequence) != (self.packed is not None):
            form = "not packed, and the first input is" if self.packed else "packed, and the first input is not"
            raise ArgumentTypeError(f"input {name} is {form}: give both in one form")
        if self.packed is not None:
            if not torch.equal(values.batch_sizes, self.packed.batch_sizes):
                raise TensorError(f"input {name} was packed with other lengths than the first input: pack both alike")
            data = values.data if values.data.dim() > 1 else values.data[:, None]
            values, _ = pad_packed_sequence(values._replace(data=data))
            expected: tuple[int, ...] = (T, B, size)
        else:
            expected = (T, size) if self.unbatched else (B, T, size) if self.batch_first else (T, B, size)
            if size == 1 and tuple(values.shape) == expected[:-1]:
                values = values[..., None]
        if tuple(values.shape) != expected:
            raise TensorError(f"input {name} has shape {tuple(values.shape)}, and {expected} is needed")
        checked: Tensor = values
        if self.unbatched:
            return checked.unsqueeze(1)
        return checked.transpose(0, 1) if self.batch_first else checked

    def final(self, state: Tensor) -> Tensor:
        """A state [n, B, size] in the form of the input."""
        return state.squeeze(1) if self.unbatched else state

    def output(self, y: Tensor) -> Tensor | PackedSequence:
        """An output [T, B, size] in the form of the input."""
        if self.packed is not None:
            assert self.lengths is not None  # A packed sequence has lengths.
            packed, lengths = self.packed, self.lengths
            if packed.sorted_indices is not None:
                y, lengths = y.index_select(1, packed.sorted_indices), lengths[packed.sorted_indices.cpu()]
            data = pack_padded_sequence(y, lengths).data
            return PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
        return self.trace(y)

    def drop(self, y: Tensor, probability: float) -> Tensor:
        """An output [T, B, size] with numbers dropped, as torch.nn does: of a packed sequence those that it has."""
        if self.packed is None:
            return F.dropout(y, probability)
        packed = self.output(y)
        assert isinstance(packed, PackedSequence)  # as the input is
        return pad_packed_sequence(packed._replace(data=F.dropout(packed.data, probability)))[0]

    def trace(self, y: Tensor) -> Tensor:
        """Values [..., T, B, size] with the dimensions in the order of the input, never packed."""
        if self.unbatched:
            return y.squeeze(-2)
        return y.transpose(-3, -2) if self.batch_first else y


def last_outputs(stack: Stack, y: Tensor, state: State, lengths: Tensor) -> Tensor:
    """The output of the last layer after each row's last step, [directions, B, size].

    Parameters
    ----------
    y : Tensor [T, B, directions * size]
        The outputs at all steps.
    state : the states after the last step
    lengths : int64 [B]
        Steps of each row, on any device.
    """
    if not stack.program.output:
        return states_of(state)[0][-stack.directions :]
    ends = (lengths.to(y.device) - 1).clamp(min=0)
    parts = y.chunk(stack.directions, dim=2)
    rows = torch.arange(y.shape[1], device=y.device)
    return torch.stack([part[ends, rows] if number == 0 else part[0] for number, part in enumerate(parts)])


def check_alike(what: str, tensor: Any, weight: Tensor) -> None:
    """Check that an argument is a tensor on the weights' device and, without autocast, of their dtype.

    Raises
    ------
    ArgumentError
        If it is not.
    """
    if not isinstance(tensor, Tensor):
        raise ArgumentTypeError(f"{what} is a {type(tensor).__name__}: give a torch.Tensor")
    if tensor.layout is not torch.strided:
        raise TensorError(f"{what} is of layout {tensor.layout}: make it dense with .to_dense()")
    if tensor.device != weight.device:
        raise TensorError(f"{what} is on {tensor.device} and the layer on {weight.device}: move one with .to(...)")
    if tensor.dtype != weight.dtype and not torch.is_autocast_enabled(weight.device.type):
        raise TensorError(f"{what} is of {tensor.dtype} and the layer of {weight.dtype}: convert one with .to(...)")


def _tensor(input: Tensor | PackedSequence) -> Tensor:
    return input.data if isinstance(input, PackedSequence) else input


def _lengths(steps: Any, T: int, B: int, unbatched: bool) -> Tensor:
    if unbatched:
        raise ArgumentError("lengths= goes with a batch; for one sequence [T, I], cut the sequence itself")
    try:
        lengths = torch.as_tensor(steps).cpu()
    except (TypeError, ValueError, RuntimeError):
        raise ArgumentError(f"lengths= must be whole numbers, one a row, not {steps!r}") from None
    if not lengths.numel():
        lengths = lengths.long()  # torch makes floats of an empty list.
    if lengths.is_floating_point() or lengths.is_complex() or lengths.dtype == torch.bool:
        raise ArgumentError(f"lengths= must be whole numbers, not {lengths.dtype}")
    if lengths.shape != (B,):
        raise ArgumentError(
            f"lengths= has shape {tuple(lengths.shape)}, and the batch has {B} rows: give one length a row"
        )
    if not hidden(lengths):
        check_lengths(lengths, T)
    return lengths.to(torch.int64)
