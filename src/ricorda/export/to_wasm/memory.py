"""Where everything of a model lies in a module's memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ricorda.export.stages import Array

BYTES = 4
"""Of a number."""

ALIGNED = 16
"""Bytes of a vector. What is read may reach a vector beyond a part's end, what is written does not."""


class Memory:
    """Parts of a memory, one behind the other.

    Attributes
    ----------
    end : int
        The bytes that are taken.
    data : list of (int, bytes)
        What is in the memory from the start: addresses and bytes.
    """

    def __init__(self) -> None:
        self.end = ALIGNED
        self.data: list[tuple[int, bytes]] = []

    def take(self, size: int) -> int:
        """The address of a new part of so many numbers."""
        address, self.end = self.end, self.end + -(-size * BYTES // ALIGNED) * ALIGNED + ALIGNED
        return address

    def keep(self, values: Array | NDArray[np.int32]) -> int:
        """The address of a new part that has these numbers from the start."""
        address = self.take(values.size)
        content = np.ascontiguousarray(values).tobytes()
        last = self.data[-1] if self.data else (0, b"")
        gap = address - last[0] - len(last[1])
        if self.data and gap < 2 * ALIGNED:  # One segment is shorter than two with a gap.
            self.data[-1] = last[0], last[1] + bytes(gap) + content
        else:
            self.data.append((address, content))
        return address
