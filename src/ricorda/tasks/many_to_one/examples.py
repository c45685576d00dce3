"""Examples of a many-to-one task, as a network learns from them, and the network's outputs for sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ricorda.tasks.encoding import batches_of_like_length, collate
from ricorda.tasks.evaluating import evaluating
from ricorda.training.processes import Processes


@dataclass(frozen=True)
class Examples:
    """Encoded sequences with their targets: the index of each one's class [N], or its numbers [N, outputs].

    Training examples may have offsets [N, outputs]: what a wide part says that was learned without them.
    """

    sequences: Sequence[Tensor]
    targets: NDArray[Any]
    offsets: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, rows: NDArray[np.intp]) -> Examples:
        """Some of the examples."""
        offsets = None if self.offsets is None else self.offsets[rows]
        return Examples([self.sequences[row] for row in rows], self.targets[rows], offsets)

    def parts(self) -> tuple[Any, ...]:
        """All that decides what is learned, for a fingerprint."""
        return self.targets, self.sequences


def scores_and_targets(examples: Examples, rows: NDArray[np.intp], module: nn.Module) -> tuple[Tensor, Tensor]:
    """A network's scores of some examples, and their targets, on the network's device."""
    batch, device = examples.take(rows), next(module.parameters()).device
    offsets = None if batch.offsets is None else torch.from_numpy(batch.offsets).to(device, torch.float32)
    return module(*collate(batch.sequences, device), offsets), torch.from_numpy(batch.targets).to(device)


def outputs(
    module: nn.Module, sequences: Sequence[Tensor], last: Callable[[Tensor], Tensor] = lambda scores: scores
) -> NDArray[np.float64]:
    """The network's outputs for encoded sequences, [N, outputs]; the module's mode is left as it was.

    On the CPU a sequence's outputs do not depend on those beside it, where the CPU engine serves.

    Parameters
    ----------
    last : callable
        A function of a batch's scores, float64 [B, outputs], whose result is returned.
    """
    device = next(module.parameters()).device
    say = getattr(module, "apart", module) if device.type == "cpu" else module
    parts: list[Tensor] = []
    order: list[int] = []
    with evaluating(module):
        for rows in batches_of_like_length([len(sequence) for sequence in sequences]):
            inputs, lengths = collate([sequences[row] for row in rows], device)
            parts.append(last(say(inputs, lengths).double()).cpu())
            order.extend(rows)
    result: NDArray[np.float64] = np.empty((len(order), parts[0].shape[1]))
    result[order] = torch.cat(parts).numpy()
    return result


def outputs_of_all(
    processes: Processes,
    module: nn.Module,
    sequences: Sequence[Tensor],
    say: Callable[[nn.Module, Sequence[Tensor]], NDArray[np.float64]] = outputs,
) -> NDArray[np.float64]:
    """What `say` gives, [N, outputs], on every process, each of which reads its share; all must ask for it."""
    if len(sequences) < processes.size:
        return say(module, sequences)
    parts = processes.gather(say(module, sequences[processes.rank :: processes.size]))
    result: NDArray[np.float64] = np.empty((len(sequences), parts[0].shape[1]))
    for rank, part in enumerate(parts):
        result[rank :: processes.size] = part
    return result
