"""The steps to predict, cut into consecutive windows: of one stream as parallel rows, or of documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ricorda.data.batches import Rows, batches
from ricorda.errors import DataError

Lengths = NDArray[np.intp]

START, LENGTH, SEQUENCE, FRESH = range(4)
"""The columns of a batch of windows [rows, 4]: first step, steps, the sequence, and whether it begins there."""


@dataclass(frozen=True)
class Sequences:
    """Sequences one behind the other; each has one step more than predictions, the step before the first.

    Attributes
    ----------
    steps
        Token ids int32 [N], or keys uint8 [N, K].
    lengths
        The number of predictions in each sequence.
    stream
        Whether this is one running text, which is cut into parallel rows.
    condition
        A float32 vector for each sequence, [sequences, C], if there are vectors.
    """

    steps: Tensor
    lengths: Lengths
    stream: bool
    condition: Tensor | None = None

    @classmethod
    def of(cls, parts: Sequence[NDArray[np.generic]], *, stream: bool, condition: Tensor | None = None) -> Sequences:
        """Sequences from arrays; the first step of each array stands before those that are predicted."""
        lengths = np.array([len(part) - 1 for part in parts], dtype=np.intp)
        return cls(torch.from_numpy(np.concatenate(parts)), lengths, stream, condition)

    @property
    def predictions(self) -> int:
        """The number of predicted steps."""
        return int(self.lengths.sum())

    @property
    def starts(self) -> Lengths:
        """The place in `steps` where each sequence begins."""
        starts: Lengths = np.concatenate([[0], np.cumsum(self.lengths + 1)[:-1]])
        return starts

    @property
    def predicted(self) -> Tensor:
        """The steps that are predicted: all but the one before the first of each sequence."""
        return self.steps[np.delete(np.arange(len(self.steps)), self.starts)]

    def windows(self, rows: int, window: int, *, seed: int, epoch: int) -> list[Rows]:
        """Batches of windows [rows, 4], in the order in which a carried state goes through them.

        A stream is cut into `rows` equal rows; the rest at its end, fewer than `rows` steps, is not used. Documents of
        like length go together, `rows` at a time; a row whose document has ended has windows of no steps.

        Raises
        ------
        DataError
            If a stream has fewer steps than rows.
        """
        if self.stream:
            return self._of_stream(rows, window)
        long = bool(self.lengths.max() > window)
        # Every epoch must have as many windows, so groups with several windows stay as they are.
        groups = batches(self.lengths, rows, seed=seed, epoch=0 if long else epoch)
        order = np.random.default_rng([seed, epoch, 1]).permutation(len(groups)) if long else range(len(groups))
        return [part for index in order for part in self._of_group(groups[index], window)]

    def at(self, windows: Rows) -> tuple[Tensor, Tensor, Tensor | None]:
        """Inputs [T, B, ...] and targets [T, B, ...] of windows, and their lengths [B] unless all are T."""
        longest = int(windows[:, LENGTH].max())
        lengths = None if (windows[:, LENGTH] == longest).all() else torch.from_numpy(windows[:, LENGTH].copy())
        index = torch.from_numpy(windows[:, START].copy()) + torch.arange(longest)[:, None]
        if lengths is not None:
            index.clamp_(max=len(self.steps) - 2)
        return self.steps[index], self.steps[index + 1], lengths

    def _of_stream(self, rows: int, window: int) -> list[Rows]:
        size = self.predictions // rows
        if not size:
            raise DataError(
                f"the text has {self.predictions + 1} tokens, too few for {rows} parallel rows: "
                "give more text, or a smaller batch_size"
            )
        starts = np.arange(rows) * size
        return [
            _windows(starts + begin, np.full(rows, min(window, size - begin)), np.zeros(rows, np.intp), begin == 0)
            for begin in range(0, size, window)
        ]

    def _of_group(self, group: Rows, window: int) -> list[Rows]:
        starts, lengths = self.starts[group], self.lengths[group]
        return [
            _windows(starts + begin, np.clip(lengths - begin, 0, window), group, begin == 0)
            for begin in range(0, int(lengths.max()), window)
        ]


def _windows(starts: Lengths, lengths: Lengths, sequences: Lengths, fresh: bool) -> Rows:
    return np.stack([starts, lengths, sequences, np.full(len(starts), fresh)], axis=1).astype(np.intp)
