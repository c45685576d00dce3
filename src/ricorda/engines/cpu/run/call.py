"""One run of a layer in one direction: what the forward pass and BPTT both need to know."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ricorda.engines.cpu.kernels.compile import PROCESS
from ricorda.engines.cpu.kernels.kernels import Kernels
from ricorda.engines.cpu.kernels.threads import openmp
from ricorda.engines.cpu.run.memory import Template
from ricorda.engines.cpu.run.steps import Steps
from ricorda.errors import ArgumentError
from ricorda.program.differentiate import output_sequence, sequence_name
from ricorda.program.sizes import HIDDEN_SIZE, INPUT_SIZE, PROJECTED_SIZE, Sizes

ALONE = 4e6
"""Floating-point operations below which one thread is faster than several: waking them takes time."""

SHARED_UNITS = 65536
"""Weights of a step from which, with few rows a thread, it is faster to share the units than the rows."""

APART = 80
"""Numbers between two sequences: without them the rows of a step would all fall into the same sets of the cache."""


@dataclass(frozen=True, eq=False)
class Call:
    """One run of a layer in one direction.

    Parameters
    ----------
    parameters : names of the layer's parameters
    record : names of the stored sequences that are returned as records
    values : names that the cell has for those values
    seed : of the random masks
    reverse : whether the steps go from the end of the caller's sequence to its beginning
    watch : called in BPTT with the name of each state and the norms [N] of its gradients
    input_size : I, if the loop reads what the caller computed from the inputs
    """

    kernels: Kernels
    steps: Steps
    parameters: tuple[str, ...]
    record: tuple[str, ...]
    values: tuple[str, ...]
    seed: int
    reverse: bool
    watch: Callable[[str, Tensor], None] | None = None
    input_size: int = 0


def split_tensors(call: Call, tensors: Sequence[Tensor]) -> tuple[Tensor, Sequence[Tensor], dict[str, Tensor]]:
    """Split the tensors into input, states and parameters, all contiguous."""
    count = len(call.kernels.program.states)
    tensors = [tensor.contiguous() for tensor in tensors]
    return tensors[0], tensors[1 : 1 + count], dict(zip(call.parameters, tensors[1 + count :], strict=True))


def shape_of(call: Call, x: Tensor, states: Sequence[Tensor], parameters: Mapping[str, Tensor]) -> tuple[int, int, int]:
    """I, H and P."""
    name, count = call.kernels.of_units
    return call.input_size or x.shape[-1], parameters[name].shape[0] // count, states[0].shape[-1]


def shape_in(sizes: Mapping[str, int]) -> tuple[int, int, int]:
    """I, H and P from the numbers behind the sizes."""
    return sizes[INPUT_SIZE], sizes[HIDDEN_SIZE], sizes[PROJECTED_SIZE]


def sizes_of(shape: tuple[int, int, int]) -> Sizes:
    """The number behind each size, for I, H and P."""
    return Sizes(zip((INPUT_SIZE, HIDDEN_SIZE, PROJECTED_SIZE), shape, strict=True))


def threads_now() -> int:
    """Threads that a kernel may use: as many as torch; 1 without OpenMP, and in a forked child, which has no others."""
    return 1 if os.getpid() != PROCESS or not openmp() else torch.get_num_threads()


def team_of(kernels: Kernels, steps: Steps, shape: tuple[int, int, int]) -> tuple[int, bool]:
    """The number of threads that share the work, and whether they share units rather than rows."""
    threads = threads_now()
    if threads == 1:
        return 1, False
    weights = kernels.weight_count(shape)
    if 2.0 * steps.rows * weights < ALONE:
        return 1, False
    if 4 * threads > steps.B and weights >= SHARED_UNITS:
        return threads, True
    return min(threads, steps.B), False


Make = Callable[[Kernels, int, int, tuple[int, int, int]], Template]
"""Makes the template of a pass from the kernels, B, the maximal rows of a chunk, and (I, H, P)."""


def template_for(
    make: Make, kernels: Kernels, steps: Steps, shape: tuple[int, int, int], team: tuple[int, bool]
) -> Template:
    """The arguments of a pass that stay the same from call to call.

    They are cached per shape; those that depend on the steps only if no row is shorter than T.
    """
    get = _cached_template if steps.of_all else _template
    return get(make, kernels, steps, shape, team)


def _template(
    make: Make, kernels: Kernels, steps: Steps, shape: tuple[int, int, int], team: tuple[int, bool]
) -> Template:
    return _template_of_shape(make, kernels, steps.B, steps.most_rows, shape).at(steps, *team)


_cached_template = lru_cache(maxsize=64)(_template)


@lru_cache(maxsize=64)
def _template_of_shape(make: Make, kernels: Kernels, B: int, rows: int, shape: tuple[int, int, int]) -> Template:
    return make(kernels, B, rows, shape)


@dataclass(frozen=True)
class Stored:
    """The sequences that a forward loop stores: each result has its own tensor, what only BPTT reads shares one.

    Parameters
    ----------
    results : name and size of the output and of the records
    hidden : name and size of each other sequence
    """

    results: tuple[tuple[str, int], ...]
    hidden: tuple[tuple[str, int], ...]

    def begins(self, rows: int) -> tuple[list[int], int]:
        """Where each hidden sequence begins in the tensor that they share, and the length of that tensor.

        Parameters
        ----------
        rows : the rows of all steps together
        """
        begins, end = [], 0
        for _, size in self.hidden:
            begins.append(end)
            end += -(-rows * size // 16) * 16 + APART
        return begins, end


@lru_cache(maxsize=256)
def stored(kernels: Kernels, shape: tuple[int, int, int]) -> Stored:
    """The sequences that the kernels' forward loop stores."""
    program, sizes = kernels.program, sizes_of(shape)
    indices = [dict(program.names)[name] for name in kernels.record]
    shown = {output_sequence(program), *(sequence_name(program, index) for index in indices)}
    lines = kernels.forward.loop.lines
    sequences = [(name, sizes[lines[line].size]) for name, line in kernels.forward.loop.stored]
    return Stored(
        tuple((name, size) for name, size in sequences if name in shown),
        tuple((name, size) for name, size in sequences if name not in shown),
    )


def check_shapes(kernels: Kernels, parameters: Mapping[str, Tensor], x: Tensor, states: Sequence[Tensor]) -> None:
    """Check the shapes of states and parameters against the input x [T, B, I], each other and the cell.

    Raises
    ------
    ArgumentError
        If a shape is wrong or a parameter is missing.
    """
    _check(kernels, x.shape[1:], tuple(parameters), tuple(value.shape for value in (*parameters.values(), *states)))


@lru_cache(maxsize=256)
def _check(kernels: Kernels, of_x: Sequence[int], names: tuple[str, ...], shapes: tuple[Sequence[int], ...]) -> None:
    """The check itself; the cache remembers the combinations of shapes that passed it."""
    B, I = of_x
    states = kernels.program.states
    has = dict(zip((*names, *(state.name for state in states)), shapes, strict=True))
    name, count = kernels.of_units
    sizes = sizes_of((I, has[name][0] // count, has[states[0].name][-1]))
    expected = {
        name: (sum(sizes[row] for row in shape.rows), *(() if shape.columns is None else (sizes[shape.columns],)))
        for name, shape in kernels.layout.shapes.items()
    }
    expected |= {state.name: (B, sizes[state.size]) for state in states}
    for name, needed in expected.items():
        if name not in has or tuple(has[name]) != needed:
            what = f"has shape {tuple(has[name])}" if name in has else "is missing"
            raise ArgumentError(f"{name} {what}, and {needed} is needed: give it in that shape")
