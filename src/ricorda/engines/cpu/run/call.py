"""One run of a layer in one direction: what both passes are told."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ricorda.engines.cpu.kernels.compile import PROCESS, openmp
from ricorda.engines.cpu.kernels.kernels import Kernels
from ricorda.engines.cpu.run.memory import Template
from ricorda.engines.cpu.run.steps import Steps
from ricorda.errors import ArgumentError
from ricorda.program.differentiate import sequence_name
from ricorda.program.ir import HIDDEN_SIZE, INPUT_SIZE, PROJECTED_SIZE

ALONE = 4e6
"""Floating-point operations that are not worth waking another thread for."""

SHARED_UNITS = 65536
"""Weights of a step from which threads with few rows each had better share the units: they meet after each stage."""


APART = 80
"""Numbers between two sequences at least: else rows of one step would all fall in the same sets of the cache."""


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


def shape_in(sizes: Mapping[str, int]) -> tuple[int, int, int]:
    """I, H and P from the numbers behind the sizes."""
    return sizes[INPUT_SIZE], sizes[HIDDEN_SIZE], sizes[PROJECTED_SIZE]


def sizes_of(shape: tuple[int, int, int]) -> dict[str, int]:
    """The numbers behind the sizes."""
    I, H, P = shape
    return {"I": I, "H": H, "P": P, "1": 1}


def threads_now() -> int:
    """Threads that a kernel may run on: as many as torch's, where they are OpenMP's and did not stay in a parent."""
    return 1 if os.getpid() != PROCESS or not openmp() else torch.get_num_threads()


def team_of(kernels: Kernels, steps: Steps, shape: tuple[int, int, int]) -> tuple[int, bool]:
    """How many threads share the work, and whether they share units rather than rows."""
    threads = threads_now()
    if threads == 1:
        return 1, False
    weights = kernels.weights(shape)
    if 2.0 * steps.rows * weights < ALONE:
        return 1, False
    if 4 * threads > steps.B and weights >= SHARED_UNITS:
        return threads, True
    return min(threads, steps.B), False


Make = Callable[[Kernels, int, int, tuple[int, int, int]], Template]
"""Makes the template of a pass for the kernels, B, the most rows of a chunk, and I, H and P."""


def template_for(
    make: Make, kernels: Kernels, steps: Steps, shape: tuple[int, int, int], team: tuple[int, bool]
) -> Template:
    """The arguments of a pass but for what changes from call to call.

    What follows from the shape is kept for the next call, and with it all that follows from the steps if every row
    has all of them.
    """
    return _of_all(make, kernels, steps, shape, team) if steps.of_all else _at(make, kernels, steps, shape, team)


def _at(make: Make, kernels: Kernels, steps: Steps, shape: tuple[int, int, int], team: tuple[int, bool]) -> Template:
    whole = not kernels.input_is_ours
    rows = steps.rows if whole else steps.most_rows
    return _of_shape(make, kernels, steps.B, rows, shape).at(steps, *team, whole)


_of_all = lru_cache(maxsize=64)(_at)


@lru_cache(maxsize=64)
def _of_shape(make: Make, kernels: Kernels, B: int, rows: int, shape: tuple[int, int, int]) -> Template:
    return make(kernels, B, rows, shape)


@dataclass(frozen=True)
class Stored:
    """The sequences that a forward loop stores: each result in a tensor of its own, what only BPTT reads in one piece.

    Parameters
    ----------
    results : name and size of the output and of the records, which callers get
    hidden : name and size of each of the others
    """

    results: tuple[tuple[str, int], ...]
    hidden: tuple[tuple[str, int], ...]

    def begins(self, rows: int) -> tuple[list[int], int]:
        """The first number of each hidden sequence in their piece, and the numbers of the piece.

        Parameters
        ----------
        rows : of all steps together
        """
        begins, end = [], 0
        for _, size in self.hidden:
            begins.append(end)
            end += -(-rows * size // 16) * 16 + APART
        return begins, end


@lru_cache(maxsize=256)
def stored(kernels: Kernels, shape: tuple[int, int, int]) -> Stored:
    """What a forward loop stores."""
    program, sizes = kernels.program, sizes_of(shape)
    indices = [dict(program.names)[name] for name in kernels.record]
    shown = {program.states[0].name, *(sequence_name(program, index) for index in indices)}
    lines = kernels.forward.loop.lines
    sequences = [(name, sizes[lines[line].size]) for name, line in kernels.forward.loop.stored]
    return Stored(
        tuple((name, size) for name, size in sequences if name in shown),
        tuple((name, size) for name, size in sequences if name not in shown),
    )


def check_shapes(kernels: Kernels, parameters: Mapping[str, Tensor], x: Tensor, states: Sequence[Tensor]) -> None:
    """Hold states and parameters to the input x [T, B, I], to each other and to the cell.

    Raises
    ------
    ArgumentError
        If one has another shape.
    """
    _check(kernels, x.shape[1:], tuple(parameters), tuple(value.shape for value in (*parameters.values(), *states)))


@lru_cache(maxsize=256)
def _check(kernels: Kernels, of_x: Sequence[int], names: tuple[str, ...], shapes: tuple[Sequence[int], ...]) -> None:
    """The check, taken once for each combination of shapes that passes it."""
    B, I = of_x
    states = kernels.program.states
    has = dict(zip((*names, *(state.name for state in states)), shapes, strict=True))
    name, count = kernels.of_units
    sizes = {INPUT_SIZE: I, HIDDEN_SIZE: has[name][0] // count, PROJECTED_SIZE: has[states[0].name][-1]}
    expected = {
        name: (sum(sizes[row] for row in shape.rows), *(() if shape.columns is None else (sizes[shape.columns],)))
        for name, shape in kernels.layout.shapes.items()
    }
    expected |= {state.name: (B, sizes[state.size]) for state in states}
    for name, needed in expected.items():
        if name not in has or tuple(has[name]) != needed:
            what = f"has shape {tuple(has[name])}" if name in has else "is missing"
            raise ArgumentError(f"{name} {what}, and {needed} is needed: give it in that shape")
