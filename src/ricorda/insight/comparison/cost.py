"""What a cell costs, known before training: weights, operations a step, and memory of a training step."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Any

import torch
from sklearn.base import clone
from torch import nn

from ricorda.insight.comparison.splits import Split
from ricorda.nn import Recurrent
from ricorda.nn.biases import remembers
from ricorda.program.ir import LEAVES, Program
from ricorda.program.operations import EXPAND
from ricorda.program.sizes import Sizes
from ricorda.program.weights import layout
from ricorda.tasks.estimator import SequenceEstimator
from ricorda.training.interruption import Interruption
from ricorda.training.learner import Learner
from ricorda.training.loop import fitting
from ricorda.training.processes import join_processes
from ricorda.training.task import Task

COUNTED = (
    "Operations are those of one forward step of one sequence through the recurrent layers: two for each weight of a "
    "matrix (a multiplication and an addition), one a unit for each bias, and one a unit for each pointwise operation, "
    "be it an addition or a tanh."
)
"""What `flops_of_layers` counts, in words for the reader of a report."""


def weights_of(module: nn.Module) -> int:
    """The number of weights of a module."""
    return sum(weight.numel() for weight in module.parameters())


def recurrent_layers_of(module: nn.Module) -> list[Recurrent]:
    """All recurrent layers of a network, such as encoder and decoder, or the layers that read a word's characters."""
    return [layer for layer in module.modules() if isinstance(layer, Recurrent)]


def recurrent_weights(module: nn.Module) -> int:
    """The number of weights in the recurrent layers of a network."""
    return sum(map(weights_of, recurrent_layers_of(module)))


def flops_of_step(program: Program, sizes: Mapping[str, int], *, bias: bool = True) -> int:
    """Floating-point operations of one forward step of one row.

    A weight of a matrix counts as two operations, a multiplication and an addition. A bias counts as one addition for
    each unit, and every pointwise operation as one for each unit, whether it is an addition or a tanh.

    Parameters
    ----------
    program : Program
        A cell.
    sizes : mapping
        The values of the sizes "I", "H" and "P".
    bias : bool
        Whether affines add biases.
    """
    total, plan = 0, layout(program, bias)
    count = Sizes(sizes)
    for index, value in enumerate(program.values):
        rows = count[value.size]
        if value.op == "affine":
            columns = sum(count[program.values[operand].size] for operand in value.args)
            total += 2 * rows * columns + (rows if plan.biases[index] else 0)
        elif value.op not in (*LEAVES, EXPAND):
            total += rows
    return total


def flops_of_layers(module: nn.Module) -> int:
    """The sum of `flops_of_step` over all recurrent layers of a network: one step of each layer and direction."""
    total = 0
    for layer in recurrent_layers_of(module):
        for sizes in layer.stack.sizes:
            total += layer.stack.directions * flops_of_step(layer.programs[False], sizes, bias=layer.bias)
    return total


def with_cell(model: SequenceEstimator, program: Program, **parameters: Any) -> Any:
    """An untrained copy of the estimator with another cell; without `memory` if none of its gates keeps a state."""
    changed = clone(model).set_params(cell=program, **parameters)
    if getattr(changed, "memory", None) is not None and not remembers(program):
        changed.set_params(memory=None)
    return changed


def prepared(model: SequenceEstimator, data: Split) -> tuple[Any, Task]:
    """Prepare a copy of an estimator as `fit` does, up to the point where training begins.

    Returns
    -------
    model : SequenceEstimator
        The copy, which has read its data; its network has its first weights.
    task : Task
        The training of that network, with its examples.
    """
    probe: Any = clone(model)
    task, _, _ = probe.begin(data.X, data.y, data.validation)
    task.module.eval()
    probe.network_, probe.history_, probe.summary_, probe.n_iter_ = task.module, [], {}, 0
    return probe, task


def matching_hidden_size(probe: Any, program: Program, weights: int) -> int:
    """The hidden size that brings the recurrent layers of another cell nearest to a number of weights.

    Parameters
    ----------
    probe : SequenceEstimator
        An estimator from `prepared`.
    program : Program
        The other cell.
    weights : int
        The number of weights that the recurrent layers should have.
    """

    def count(hidden: int) -> int:
        other = copy.copy(probe)
        other.hidden_size = hidden
        with torch.device("meta"):  # The meta device has shapes without data.
            return recurrent_weights(other._network(program))

    low, high = 1, 2
    while count(high) < weights:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < weights else (low, middle)
    return min((low, high), key=lambda hidden: abs(count(hidden) - weights))


def peak_of_step(probe: Any, task: Task) -> int:
    """Peak memory of the first training step in bytes, above what was held before it.

    The step reads the longest batch: forward pass, BPTT, gradients and the optimiser's moments. The peak is the highest
    sum of torch's own allocations in their order, so it is the same in every run.
    """
    processes = join_processes(probe.device)
    options = fitting(probe._options(seed=0), task)
    task.module.to(processes.device).train()
    batches = task.batches(options.batch_size, seed=0, epoch=0)
    longest = max(range(len(batches)), key=lambda index: task.steps(batches[index]))
    learner = Learner(task, options, processes, len(batches))

    def step() -> None:
        learner.step(batches[longest], 0, longest, Interruption())

    return _highest_on_gpu(step, processes.device) if processes.device.type == "cuda" else _highest(step)


def _highest(run: Callable[[], None]) -> int:
    """The highest sum of allocations, less releases, while a function runs on the processor.

    torch's newer profiler would take some seconds to start, and would write to standard error.
    """
    legacy: Any = torch.autograd  # Any, because torch's stubs leave the profiler out.
    options = (False, True, False, False, False, torch._C._profiler._ExperimentalConfig())  # Only memory.
    legacy._enable_profiler_legacy(legacy.ProfilerConfig(legacy.ProfilerState.CPU, *options))
    try:
        run()
    finally:
        threads = legacy._disable_profiler_legacy()
    events = [event for thread in threads for event in thread if event.kind() == "memory_alloc"]
    return int(max(accumulate((event.cpu_memory_usage() for event in events), initial=0)))


def _highest_on_gpu(run: Callable[[], None], device: torch.device) -> int:
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    run()
    return int(torch.cuda.max_memory_allocated(device)) - before
