"""One run of a layer in one direction: what both passes are told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ricorda.engines.cpu.kernels.compile import in_fork, openmp
from ricorda.engines.cpu.kernels.kernels import Kernels
from ricorda.engines.cpu.run.memory import Prepared
from ricorda.engines.cpu.run.steps import Steps

ALONE = 4e6
"""Floating-point operations that are not worth waking another thread for."""

SHARED_UNITS = 65536
"""Weights of a step from which threads with few rows each had better share the units: they meet after each stage."""


@dataclass(frozen=True, eq=False)
class Call:
    """One run of a layer in one direction.

    Parameters
    ----------
    parameters : their names
    record : names of the stored sequences that the records are
    values : names of the cell's values that they are
    reverse : whether the steps go backward in the caller's time
    watch : takes the norms that BPTT leaves, (state, [N])
    """

    kernels: Kernels
    steps: Steps
    parameters: tuple[str, ...]
    record: tuple[str, ...]
    values: tuple[str, ...]
    seed: int
    reverse: bool
    watch: Callable[[str, Tensor], None] | None = None


def taken_apart(call: Call, tensors: Sequence[Tensor]) -> tuple[Tensor, Sequence[Tensor], dict[str, Tensor]]:
    """Input, states and parameters, each in one piece of memory."""
    count = len(call.kernels.program.states)
    tensors = [tensor.contiguous() for tensor in tensors]
    return tensors[0], tensors[1 : 1 + count], dict(zip(call.parameters, tensors[1 + count :], strict=True))


def shape_of(call: Call, x: Tensor, states: Sequence[Tensor], parameters: Mapping[str, Tensor]) -> tuple[int, int, int]:
    """I, H and P."""
    name, count = call.kernels.of_units
    return x.shape[-1], parameters[name].shape[0] // count, states[0].shape[-1]


def sizes_of(shape: tuple[int, int, int]) -> dict[str, int]:
    """The numbers behind the sizes."""
    I, H, P = shape
    return {"I": I, "H": H, "P": P, "1": 1}


def threads_now() -> int:
    """Threads that a kernel may run on: as many as torch's, where they are OpenMP's and of this process."""
    return 1 if in_fork() or not openmp() else torch.get_num_threads()


def team_of(which: Kernels, steps: Steps, shape: tuple[int, int, int]) -> tuple[int, bool]:
    """How many threads share the work, and whether they share units rather than rows."""
    threads = threads_now()
    if threads == 1:
        return 1, False
    weights = which.weights(shape)
    if 2.0 * steps.rows * weights < ALONE:
        return 1, False
    if 4 * threads > steps.B and weights >= SHARED_UNITS:
        return threads, True
    return min(threads, steps.B), False


def prepared(
    make: Callable[[Kernels, Steps, tuple[int, int, int], tuple[int, bool]], Prepared],
    which: Kernels,
    steps: Steps,
    shape: tuple[int, int, int],
    team: tuple[int, bool],
) -> Prepared:
    """The arguments of a shape, kept for the next call where the steps are not the batch's own."""
    if steps.of_all:
        return _kept(make, which, steps, shape, team)
    return make(which, steps, shape, team)


@lru_cache(maxsize=64)
def _kept(
    make: Callable[[Kernels, Steps, tuple[int, int, int], tuple[int, bool]], Prepared],
    which: Kernels,
    steps: Steps,
    shape: tuple[int, int, int],
    team: tuple[int, bool],
) -> Prepared:
    return make(which, steps, shape, team)
