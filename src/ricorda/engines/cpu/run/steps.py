"""The steps of a batch in the order of a run: the rows at each step, where they lie, how threads share the work."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

CHUNK_ROWS = 512
"""Rows (steps times batch) of a chunk: enough for efficient products with the weights, few enough for the chunk to stay
in the cache."""


@dataclass(eq=False)
class Steps:
    """Steps of a batch, longest rows first.

    Parameters
    ----------
    T, B : steps and rows
    counts : [S] number of rows at each step
    offsets : [S] where the rows of a step begin
    order : [B] the caller's rows, longest first; None if they keep the caller's order
    positions : [N] where each row of each step lies in the caller's [T * B]; None if that is the same
    ends : [B] number of steps of each row, longest first; None if all rows have all steps
    begun : number of steps before the first
    of_all : whether all rows have all steps, so that every batch of the shape can use this object
    """

    T: int
    B: int
    counts: np.ndarray
    offsets: np.ndarray
    order: Tensor | None = None
    positions: Tensor | None = None
    ends: Tensor | None = None
    begun: int = 0
    of_all: bool = False
    _shared: dict[int, tuple[np.ndarray, ...]] = field(default_factory=dict)

    @cached_property
    def rows(self) -> int:
        """The rows of all steps together, N."""
        return int(self.counts.sum())

    @property
    def most_rows(self) -> int:
        """The most rows that a chunk can have in a batch of this shape, for any lengths."""
        return min(self.T * self.B, CHUNK_ROWS + self.B)

    @cached_property
    def back(self) -> Tensor | None:
        """The place of each of the caller's rows in `order`; None if they keep the caller's order."""
        return None if self.order is None else self.order.argsort()

    def bounds(self, first: int, last: int) -> tuple[int, int]:
        """The first row of steps first to last, and the end of their rows."""
        offsets, counts = self.offsets[first:last], self.counts[first:last]
        return int(offsets.min()), int((offsets + counts).max())

    def part(self, first: int, last: int) -> Steps:
        """The steps first to last, for the rows that the first of them has."""
        alive = int(self.counts[first])
        low, _ = self.bounds(first, last)
        return Steps(
            T=last - first,
            B=alive,
            counts=self.counts[first:last],
            offsets=self.offsets[first:last] - low,
            order=None if self.order is None else self.order[:alive],
            ends=None if self.ends is None else (self.ends[:alive] - first).clamp(max=last - first),
            begun=self.begun + first,
        )

    def chunks(self) -> tuple[np.ndarray, np.ndarray]:
        """The first step of each chunk and the end of the last; the first row of each chunk and the end of its rows."""
        steps, begin = [0], 0
        total = np.cumsum(self.counts)
        for step in range(len(self.counts)):
            if total[step] - begin >= CHUNK_ROWS and step + 1 < len(self.counts):
                steps.append(step + 1)
                begin = int(total[step])
        steps.append(len(self.counts))
        bounds = [row for first, last in pairwise(steps) for row in self.bounds(first, last)]
        return np.array(steps, np.int64), np.array(bounds, np.int64)

    def shared(self, parts: int) -> tuple[np.ndarray, ...]:
        """The chunks (steps, bounds), and the first row of each of `parts` parts that have equally many steps."""
        if parts not in self._shared:
            splits = np.round(np.linspace(0, self.B, parts + 1)).astype(np.int64)
            if self.ends is not None:
                work = np.concatenate([[0], np.cumsum(self.ends.numpy())])
                inner = np.searchsorted(work, work[-1] * np.arange(1, parts) / parts)
                splits = np.concatenate([[0], inner, [self.B]]).astype(np.int64)
            self._shared[parts] = (*self.chunks(), splits)
        return self._shared[parts]


@lru_cache(maxsize=64)
def full(T: int, B: int, reverse: bool) -> Steps:
    """The steps of a batch in which all rows have all steps."""
    steps = np.arange(T, dtype=np.int64)
    return Steps(T, B, np.full(T, B, np.int64), (steps[::-1] if reverse else steps) * B, of_all=True)


def ragged(T: int, lengths: Tensor, reverse: bool) -> Steps:
    """The steps of rows of different lengths; a reversed run begins at each row's own last step."""
    B = len(lengths)
    ends, order = lengths.sort(descending=True, stable=True)
    longest = int(ends[0]) if B else 0
    steps = torch.arange(longest, device="cpu")[:, None]
    alive = ends > steps  # [S, B]
    at = ends - 1 - steps if reverse else steps.expand(-1, B)
    counts = alive.sum(dim=1).numpy()
    offsets = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64) if longest else counts
    return Steps(T, B, counts, offsets, order, (at * B + order)[alive], ends)
