"""The random bits of masks: a function of where they are used, so that every engine has the same bits.

A bit depends on the seed, the mask's stream (its place in `Program.masks`), the number of steps s that its row has
processed in the direction of the run (0 for locked masks), its row in the caller's batch and its unit u only:

    key  = mix64(mix64(mix64(seed + 0x9E3779B97F4A7C15 * (stream + 1)) + s) + row)                  modulo 2^64
    bits = lowbias32(lowbias32((u * 0x9E3779B1) ^ low32(key)) + high32(key))                        modulo 2^32
    mask = 1 if bits >= floor(p * 2^32) else 0

`mix64` is the finaliser of splitmix64 (Steele, Lea, Flood, 'Fast splittable pseudorandom number generators', OOPSLA
2014; Stafford's variant 13), `lowbias32` Wellons' hash of 32 bits (https://github.com/skeeto/hash-prospector).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ricorda.program.ir import Program

GOLDEN64, GOLDEN32 = 0x9E3779B97F4A7C15, 0x9E3779B1
ALL64, ALL32 = 2**64 - 1, 2**32 - 1


class Masks:
    """The masks of one run over a batch.

    Parameters
    ----------
    program : Program
    seed : int, or int64 []
    rows : int64 [B]
        Indices in the caller's batch, in the order in which the engine holds the rows.
    ends : int64 [B], optional
        The rows' lengths, if the run goes from their ends to their beginnings.
    sizes : the numbers behind the program's sizes
    dtype : torch.dtype
        Of the masks.
    """

    def __init__(
        self,
        program: Program,
        seed: int | Tensor,
        rows: Tensor,
        ends: Tensor | None,
        sizes: Mapping[str, int],
        dtype: torch.dtype,
    ) -> None:
        self.program = program
        self.seed = seed
        self.rows = rows
        self.ends = ends
        self.sizes = sizes
        self.dtype = dtype
        self.locked: dict[int, Tensor] = {}

    def at(self, index: int, t: int, n: int) -> Tensor:
        """The mask [n, size] of line `index` of the program at step `t` of the input, for the first `n` rows."""
        if index in self.locked:
            return self.locked[index][:n]
        value = self.program.values[index]
        stream = self.program.masks.index(index)
        if value.op == "locked_mask":
            keys = row_keys(self.seed, stream, 0, self.rows)
        else:
            step = t if self.ends is None else self.ends[:n] - 1 - t
            keys = row_keys(self.seed, stream, step, self.rows[:n])
        drawn = mask(keys, self.sizes[value.size], value.number, self.dtype)
        if value.op == "locked_mask":
            self.locked[index] = drawn
        return drawn[:n]


def stream_key(seed: int, stream: int) -> int:
    """The part of the key that all bits of a mask share, as an unsigned number."""
    z = (seed + GOLDEN64 * (stream + 1)) & ALL64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & ALL64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & ALL64
    return z ^ (z >> 31)


def row_keys(seed: int | Tensor, stream: int, step: Tensor | int, row: Tensor) -> Tensor:
    """The key of each row at a step.

    Parameters
    ----------
    seed : int, or int64 []
        Modulo 2^64.
    stream : int
        The mask's place in `Program.masks`.
    step : int, or int64 [n]
        Steps that the row has processed so far, in the direction of the run; 0 for a locked mask.
    row : int64 [n]
        Indices in the caller's batch.

    Returns
    -------
    Tensor
        int64 [n], the key's bits.
    """
    if isinstance(seed, int):
        first = torch.as_tensor(_signed64(stream_key(seed, stream)), device=row.device)
    else:  # whose number cannot be read: the same key by torch's operations
        first = _mix64(seed.to(row.device) + _signed64(GOLDEN64 * (stream + 1) & ALL64))
    return _mix64(_mix64(first + step) + row)


def mask(keys: Tensor, size: int, probability: float, dtype: torch.dtype) -> Tensor:
    """A mask: each unit is 0 with the probability, else 1.

    Parameters
    ----------
    keys : int64 [n]
        From `row_keys`.
    size : int
        Units.
    probability : float
        Of a zero.
    dtype : torch.dtype
        Of the result.

    Returns
    -------
    Tensor
        [n, size].
    """
    keys = keys[:, None]
    unit = torch.arange(size, device=keys.device) * GOLDEN32 & ALL32
    bits = _lowbias32(_lowbias32(unit ^ (keys & ALL32)) + (keys >> 32) & ALL32)
    return (bits >= int(probability * 2**32)).to(dtype)


def _mix64(z: Tensor) -> Tensor:
    """The finaliser of splitmix64; int64 wraps around like unsigned numbers."""
    z = (z ^ _shifted(z, 30)) * _signed64(0xBF58476D1CE4E5B9)
    z = (z ^ _shifted(z, 27)) * _signed64(0x94D049BB133111EB)
    return z ^ _shifted(z, 31)


def _shifted(z: Tensor, places: int) -> Tensor:
    """A logical shift to the right."""
    return z >> places & (1 << 64 - places) - 1


def _lowbias32(x: Tensor) -> Tensor:
    x = (x ^ x >> 16) * 0x7FEB352D & ALL32
    x = (x ^ x >> 15) * 0x846CA68B & ALL32
    return x ^ x >> 16


def _signed64(z: int) -> int:
    return z - (1 << 64) if z >> 63 else z
