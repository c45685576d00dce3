"""What the forward pass stores: each result in a tensor of its own, what only BPTT reads in one piece of memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from torch import Tensor

from ricorda.engines.cpu.kernels.kernels import Kernels
from ricorda.engines.cpu.run.call import sizes_of
from ricorda.program.differentiate import sequence_name

APART = 80
"""Numbers between two sequences at least: else rows of one step would all fall in the same sets of the cache."""


@dataclass(frozen=True)
class Stored:
    """The sequences of a forward loop for one shape.

    Parameters
    ----------
    results : name and size of the output and of the records, which callers get
    hidden : name, size and first number of each of the others in their piece of memory
    numbers : of that piece
    """

    results: tuple[tuple[str, int], ...]
    hidden: tuple[tuple[str, int, int], ...]
    numbers: int

    def addresses(self, tensors: Sequence[Tensor]) -> dict[str, int]:
        """Where each sequence begins, in tensors as the forward pass leaves them: the results, then the piece."""
        found = {name: tensor.data_ptr() for (name, _), tensor in zip(self.results, tensors, strict=False)}
        if self.hidden:
            begin, size = tensors[-1].data_ptr(), tensors[-1].element_size()
            found |= {name: begin + at * size for name, _, at in self.hidden}
        return found


@lru_cache(maxsize=256)
def stored(which: Kernels, rows: int, shape: tuple[int, int, int]) -> Stored:
    """What a forward loop stores of so many rows of all steps together."""
    program, sizes = which.program, sizes_of(shape)
    indices = [dict(program.names)[name] for name in which.record]
    shown = {program.states[0].name, *(sequence_name(program, index) for index in indices)}
    lines = which.forward.loop.lines
    results, hidden, end = [], [], 0
    for name, line in which.forward.loop.stored:
        size = sizes[lines[line].size]
        if name in shown:
            results.append((name, size))
        else:
            hidden.append((name, size, end))
            end += -(-rows * size // 16) * 16 + APART
    return Stored(tuple(results), tuple(hidden), end)
