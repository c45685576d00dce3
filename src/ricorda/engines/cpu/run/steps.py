"""The steps of a batch in the order of a run: which rows are alive, where they lie, how the work is shared."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

CHUNK_ROWS = 512
"""Rows (of steps times batch) that are worked on together: enough for the products of weights to be efficient, few
enough for their buffers to stay in the cache."""


@dataclass(eq=False)
class Steps:
    """Steps of a batch, longest rows first.

    Parameters
    ----------
    T, B : steps and rows
    counts : [S] rows alive at each step
    offsets : [S] where the rows of a step begin
    order : [B] the caller's rows, longest first; None where they are as they come
    positions : [N] where each row of each step lies in the caller's [T * B]; None where it is the same place
    ends : [B] number of steps of each row, longest first; None where all have all
    begun : steps that were taken before the first
    of_all : whether all rows have all steps, so that this object serves every batch of the shape
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
        """Rows of all steps together, N."""
        return int(self.counts.sum())

    @property
    def most_rows(self) -> int:
        """Rows beyond which no chunk of this batch goes, whatever its rows' lengths."""
        return min(self.T * self.B, CHUNK_ROWS + self.B)

    @cached_property
    def back(self) -> Tensor | None:
        """Where each of the caller's rows stands in the order; None where they are as they come."""
        return None if self.order is None else self.order.argsort()

    def bounds(self, first: int, last: int) -> tuple[int, int]:
        """First row of some steps and the end of the last."""
        offsets, counts = self.offsets[first:last], self.counts[first:last]
        return int(offsets.min()), int((offsets + counts).max())

    def part(self, first: int, last: int) -> Steps:
        """Some of the steps, of the rows that are alive in the first of them."""
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
        """First step of each chunk and the end of the last; first and last row of each."""
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
        """Chunks (steps and bounds), and the rows at which each of some parts begins, equal in steps."""
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
    """All rows have all steps."""
    steps = np.arange(T, dtype=np.int64)
    return Steps(T, B, np.full(T, B, np.int64), (steps[::-1] if reverse else steps) * B, of_all=True)


def ragged(T: int, lengths: Tensor, reverse: bool) -> Steps:
    """Rows end when they end; a reversed run begins with each row's own last step."""
    B = len(lengths)
    ends, order = lengths.sort(descending=True, stable=True)
    longest = int(ends[0]) if B else 0
    steps = torch.arange(longest, device="cpu")[:, None]
    alive = ends > steps  # [S, B]
    at = ends - 1 - steps if reverse else steps.expand(-1, B)
    counts = alive.sum(dim=1).numpy()
    offsets = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64) if longest else counts
    return Steps(T, B, counts, offsets, order, (at * B + order)[alive], ends)
