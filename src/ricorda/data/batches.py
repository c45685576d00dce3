"""Which rows make up each batch: rows of similar length together, and the same batches for the same seed."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]

# Lengths are stretched by up to this factor before they are sorted: enough to mix neighbours from epoch to epoch,
# little enough that padding stays near 3 % (on film reviews in batches of 32).
_STRETCH = 1.1


def batches(lengths: Sequence[int] | NDArray[np.integer], batch_size: int, *, seed: int, epoch: int) -> list[Rows]:
    """Split all rows into batches of rows of similar length, in random order.

    The rows are sorted by their length times a random factor, cut into batches whose sizes differ by at
    most one (so that no epoch ends in a tiny, noisy batch), and the batches are shuffled.

    Parameters
    ----------
    lengths
        Length of every row.
    batch_size
        The most rows of a batch.
    seed, epoch
        The same pair always gives the same batches.

    Returns
    -------
    list of arrays
        Row numbers, ``ceil(len(lengths) / batch_size)`` arrays; every row is in exactly one.
    """
    if len(lengths) == 0:
        return []
    random = np.random.default_rng([seed, epoch])
    # A length of 0 counts as 1: any factor times 0 would leave these rows in one order for ever.
    keys = np.maximum(lengths, 1) * random.uniform(1.0, _STRETCH, len(lengths))
    parts = np.array_split(np.argsort(keys, kind="stable"), -(-len(lengths) // batch_size))
    return [parts[index] for index in random.permutation(len(parts))]


def rows_of_process(batch: Rows, rank: int, world_size: int) -> Rows:
    """Return the rows of ``batch`` that process ``rank`` of ``world_size`` works on, possibly none.

    Neighbours in a batch have similar lengths, so dealing them out in turn gives each process the same work.
    """
    return batch[rank::world_size]
