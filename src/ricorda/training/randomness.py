"""Random numbers that a seed decides and that leave the caller's own untouched."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


class Randomness:
    """torch's global generators of the CPU and one device, set anew before every step.

    A step's random numbers depend on (seed, epoch, step, rank) alone and not on what was drawn before, so a run that
    goes on from a checkpoint draws what it would have drawn, and validation may draw as much as it likes.
    """

    def __init__(self, device: torch.device) -> None:
        self._generators = [torch.default_generator]
        if device.type == "cuda":
            self._generators.append(torch.cuda.default_generators[device.index])

    def seed(self, seed: int) -> None:
        """Set the generators; unlike `torch.manual_seed` this takes 1 us, not 100."""
        for generator in self._generators:
            generator.manual_seed(seed)


@contextmanager
def own_randomness(device: torch.device) -> Iterator[Randomness]:
    """Within the block torch's global random numbers are the run's own; after it the caller has the old state back."""
    with torch.random.fork_rng(devices=[device.index] if device.type == "cuda" else []):
        yield Randomness(device)


def step_seeds(seed: int, epoch: int, rank: int, steps: int) -> list[int]:
    """Return a seed for each step of an epoch on one process."""
    return [int(word) for word in np.random.SeedSequence([seed, epoch, rank]).generate_state(steps, np.uint64)]
