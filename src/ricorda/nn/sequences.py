"""What a layer is given, brought to one form: x [T, B, I], lengths, a state for each layer and direction.

`Batch.read` checks and unpacks the caller's input, `Batch.output` and the other methods give results back in his form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from ricorda.errors import ArgumentError

Lengths = Tensor | Sequence[int]


@dataclass
class Batch:
    """An input in the engines' form, and the form that it came in."""

    x: Tensor
    lengths: Tensor | None
    batch_first: bool
    packed: PackedSequence | None = None
    unbatched: bool = False

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
        """Check the input, which is to be multiplied by `weight` and its like, and bring it to x [T, B, I].

        Raises
        ------
        ArgumentError
            If the input or the lengths have a shape or a type that cannot be.
        """
        check_alike("the input", _tensor(input), weight)
        if isinstance(input, PackedSequence):
            if lengths is not None:
                raise ArgumentError("lengths= was given with a packed sequence, which has its own: leave it out")
            x, own = pad_packed_sequence(PackedSequence(input.data, input.batch_sizes))
            batch = cls(x, own, batch_first=False, packed=input)
        else:
            if input.dim() not in (2, 3):
                raise ArgumentError(
                    f"the input has {input.dim()} dimensions (shape {tuple(input.shape)}): give 3, "
                    f"{'[B, T, I]' if batch_first else '[T, B, I]'}, or 2, [T, I], for one sequence"
                )
            unbatched = input.dim() == 2
            x = input.unsqueeze(1) if unbatched else input.transpose(0, 1) if batch_first else input
            batch = cls(x, None, batch_first, unbatched=unbatched)
            if lengths is not None:
                batch.lengths = _lengths(lengths, x.shape[0], x.shape[1], unbatched)
        if batch.x.shape[2] != input_size:
            raise ArgumentError(
                f"the input has {batch.x.shape[2]} features a step (shape {tuple(_tensor(input).shape)}) but the layer "
                f"was made with input_size={input_size}"
            )
        if batch.x.shape[0] == 0:
            raise ArgumentError(f"the input has no step (shape {tuple(_tensor(input).shape)}): give at least one")
        return batch

    def rows_in(self, state: Tensor) -> Tensor:
        """A state [n, B, size] with its rows in the order of x; a packed sequence sorts them."""
        state = state.unsqueeze(1) if self.unbatched else state
        order = None if self.packed is None else self.packed.sorted_indices
        return state if order is None else state.index_select(1, order)

    def rows_out(self, state: Tensor) -> Tensor:
        """The way back from `rows_in`."""
        order = None if self.packed is None else self.packed.unsorted_indices
        state = state if order is None else state.index_select(1, order)
        return state.squeeze(1) if self.unbatched else state

    def output(self, y: Tensor) -> Tensor | PackedSequence:
        """An output [T, B, size] in the form of the input."""
        if self.packed is not None:
            assert self.lengths is not None  # read from the packed sequence
            data = pack_padded_sequence(y, self.lengths).data
            given = self.packed
            return PackedSequence(data, given.batch_sizes, given.sorted_indices, given.unsorted_indices)
        return self.trace(y)

    def trace(self, y: Tensor) -> Tensor:
        """Values [..., T, B, size] with the dimensions in the order of the input, never packed."""
        if self.packed is not None and self.packed.unsorted_indices is not None:
            y = y.index_select(-2, self.packed.unsorted_indices)
        if self.unbatched:
            return y.squeeze(-2)
        return y.transpose(-3, -2) if self.batch_first else y


def check_alike(what: str, given: Any, weight: Tensor) -> None:
    """Hold what a layer is given to its weights' device and, where autocast does not convert, to their dtype.

    Raises
    ------
    ArgumentError
        If it is no tensor, or another device's or dtype's.
    """
    if not isinstance(given, Tensor):
        raise ArgumentError(f"{what} is a {type(given).__name__}: give a torch.Tensor")
    if given.device != weight.device:
        raise ArgumentError(f"{what} is on {given.device} and the layer on {weight.device}: move one with .to(...)")
    if given.dtype != weight.dtype and not torch.is_autocast_enabled(weight.device.type):
        raise ArgumentError(f"{what} is of {given.dtype} and the layer of {weight.dtype}: convert one with .to(...)")


def _tensor(input: Tensor | PackedSequence) -> Tensor:
    return input.data if isinstance(input, PackedSequence) else input


def _lengths(given: Any, T: int, B: int, unbatched: bool) -> Tensor:
    if unbatched:
        raise ArgumentError("lengths= goes with a batch; for one sequence [T, I], cut the sequence itself")
    try:
        lengths = torch.as_tensor(given).cpu()
    except (TypeError, ValueError, RuntimeError):
        raise ArgumentError(f"lengths= must be whole numbers, one a row, not {given!r}") from None
    if not lengths.numel():
        lengths = lengths.long()  # an empty list has no type of its own
    if lengths.is_floating_point() or lengths.is_complex() or lengths.dtype == torch.bool:
        raise ArgumentError(f"lengths= must be whole numbers, not {lengths.dtype}")
    if lengths.shape != (B,):
        raise ArgumentError(
            f"lengths= has shape {tuple(lengths.shape)}, and the batch has {B} rows: give one length a row"
        )
    wrong = ((lengths < 0) | (lengths > T)).nonzero()
    if len(wrong):
        row = int(wrong[0])
        raise ArgumentError(f"lengths[{row}] is {int(lengths[row])}, but the input has {T} steps: give 0 to {T}")
    return lengths.to(torch.int64)
