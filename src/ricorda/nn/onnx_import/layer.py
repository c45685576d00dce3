"""A layer that a recurrent node has become: it may read backwards only, and begin with states of its file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from ricorda.errors import ArgumentError
from ricorda.nn.recurrent import Recurrent
from ricorda.nn.sequences import State
from ricorda.nn.stream import Stream


class NodeLayer(Recurrent):
    """A `Recurrent` from a node that has what other layers have not; made by `from_onnx`.

    Attributes
    ----------
    backwards : tuple of bool
        Whether each direction reads each row from its last step to its first; (True,) for a layer of a reverse node.
    first_<state> : Tensor [directions, size], a buffer
        What a state begins with where the caller gives no other.
    """

    begins: tuple[str, ...] = ()

    def begin_with(self, states: Sequence[Tensor]) -> None:
        """Set what the states [directions, size] begin with."""
        self.begins = tuple(f"first_{value.name}" for value in self.program.states)
        for name, state in zip(self.begins, states, strict=True):
            self.register_buffer(name, state)

    def read_backwards(self) -> None:
        """Make its one direction the one from the last step to the first."""
        self.backwards = (True,)

    def forward(self, input: Any, hx: State | None = None, *args: Any, **options: Any) -> Any:
        """Run the layer; see `Recurrent.forward`. The states begin with those of the file."""
        hx = self._as_argument(_rows(input, self.batch_first)) if hx is None else hx
        return super().forward(input, hx, *args, **options)

    def begin(self, rows: int | None) -> tuple[Tensor, ...] | None:
        """The states of the file that a sequence begins with, without a batch for None; None if it has none."""
        if not self.begins:
            return None
        states = [getattr(self, name) for name in self.begins]
        if rows is not None:
            states = [state[:, None].expand(-1, rows, -1).contiguous() for state in states]
        return tuple(states)

    def _as_argument(self, rows: int | None) -> State | None:
        """The same as a call takes it: one state without a tuple."""
        states = self.begin(rows)
        return states[0] if states is not None and len(states) == 1 else states

    @property
    def runs_plainly(self) -> bool:
        """Whether a whole call of an engine's can serve it; those have a direction's own order."""
        return not self.backwards[0] and super().runs_plainly

    def stream(self, batch_size: int | None = None, precision: str | None = None) -> Stream:
        """An object that takes one step at a time; see `Recurrent.stream`."""
        if self.backwards[0]:
            raise ArgumentError("a layer that reads backwards cannot stream: it starts at the sequence's end")
        if self.bidirectional or not self.begins:
            return super().stream(batch_size, precision)
        return _NodeStream(self, batch_size, precision)

    def extra_repr(self) -> str:
        """The arguments, as torch.nn prints them."""
        return f"{self.program.title}, {super().extra_repr()}{', backwards' if self.backwards[0] else ''}"


class _NodeStream(Stream):
    """A stream that begins with the layer's own states."""

    layer: NodeLayer

    def reset(self) -> None:
        """Start again with the states of the file and the present weights."""
        super().reset()
        self.state = self.layer._as_argument(self.batch_size)


def _rows(input: Any, batch_first: bool) -> int | None:
    """The rows of an input; None if it is one sequence."""
    if isinstance(input, PackedSequence):
        return int(input.batch_sizes[0])
    return input.shape[0 if batch_first else 1] if input.dim() == 3 else None
