"""Cells that learn adding side by side, a step each in turn, and where the gradient of each goes meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ricorda.data.synthetic import ADDING, Drawn
from ricorda.insight.gradients.result import GradientFlow
from ricorda.insight.gradients.view import gradient_flow
from ricorda.nn import Recurrent
from ricorda.nn.biases import GateBiases, remembers
from ricorda.program.ir import Program
from ricorda.tasks.cells import as_program
from ricorda.tasks.many_to_one.network import ManyToOne, Sizes
from ricorda.training.interruption import Interruption
from ricorda.training.learner import Learner
from ricorda.training.options import FittedOptions
from ricorda.training.processes import join_processes
from ricorda.training.task import Task

CELLS = ("rnn", "lstm", "gru")
HIDDEN, BATCH, RATE = 32, 32, 5e-3
"""Units, sequences a step, and AdamW's rate: the same for all cells."""
NEW, WATCHED = 500, 16
"""New sequences that a cell is measured on, and those of them whose gradient is followed."""

_FEATURES = 2  # A number and a mark.
_NEW_SEED = 1_000_000
_drawing = threading.Lock()
"""torch draws weights from one generator for all threads."""


class SideBySide:
    """Networks of one layer that begin from the same seed and learn adding from the same sequences.

    Sequences are drawn anew for each step, and read as they are: a constant 1 has a mean squared error of 1/6.

    Parameters
    ----------
    steps : int
        The length T of the sequences.
    forget_bias : float, optional
        As in `Recurrent`, for the cells that have a forget gate.
    memory : int, optional
        As in `Recurrent`, for the cells that have a gate that keeps a state.
    cells : sequence of str
        Their names.
    seed : int
        The seed of weights and sequences.

    Attributes
    ----------
    done : int
        The steps that each cell has learned.

    Raises
    ------
    ArgumentError
        If an argument is invalid, or forget_bias and memory are both there.
    """

    def __init__(
        self,
        *,
        steps: int = 50,
        forget_bias: float | None = None,
        memory: int | None = None,
        cells: Sequence[str] = CELLS,
        seed: int = 0,
    ) -> None:
        ADDING.complete({"T": steps})
        self.steps, self.seed, self.done = steps, seed, 0
        self._networks = {name: _network(as_program(name), forget_bias, memory, seed) for name in cells}
        self._random = np.random.default_rng(seed)

    def flows(self) -> dict[str, GradientFlow]:
        """Where the gradient of each cell goes now, on new sequences that are always the same."""
        x = torch.as_tensor(self._new[0][:WATCHED]).transpose(0, 1)
        return {
            name: gradient_flow(network.recurrent, x, steps=self.steps, jacobians=False, shares=False)
            for name, network in self._networks.items()
        }

    def learn(self) -> None:
        """Let each cell learn from the next sequences."""
        drawn = ADDING.generator(self._random, BATCH, T=self.steps)
        for learner in self._learners.values():
            learner.step(drawn.inputs, 0, self.done, Interruption())
        self.done += 1

    def measured(self) -> dict[str, dict[str, float]]:
        """The task's measures of each cell on new sequences, by their names: see `ADDING.success`."""
        inputs, sums = self._new
        drawn = Drawn(list(inputs), sums.tolist())
        return {name: ADDING.measure(_Saying(network), drawn) for name, network in self._networks.items()}

    @cached_property
    def _new(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        new = ADDING.generate(_NEW_SEED, NEW, T=self.steps)
        return new.inputs, new.targets

    @cached_property
    def _learners(self) -> dict[str, Learner]:
        options = FittedOptions(
            epochs=1, batch_size=BATCH, learning_rate=RATE, weight_decay=0.0, schedule="constant", warmup=0.0
        )
        processes = join_processes("cpu")
        return {
            name: Learner(_Adding(network), options, processes, steps_per_epoch=1)
            for name, network in self._networks.items()
        }


class _Adding(Task):
    """The training of one network; its rows are sequences [B, T, 2] themselves."""

    def __init__(self, network: ManyToOne) -> None:
        self.module, self.lengths = network, ()

    def loss(self, rows: NDArray[Any]) -> tuple[Tensor, Tensor]:
        """The sum of the squared errors, and the number of rows."""
        sums = torch.from_numpy((rows[..., 0] * rows[..., 1]).sum(axis=1))
        loss = (_said(self.module, rows) - sums).square().sum()
        return loss, loss.new_tensor(len(rows))

    def validate(self) -> dict[str, float]:
        """Nothing: `SideBySide.measured` does it."""
        return {}


class _Saying:
    """A network as `ADDING.measure` asks it."""

    def __init__(self, network: ManyToOne) -> None:
        self.network = network

    @torch.inference_mode()
    def predict(self, inputs: Any) -> NDArray[np.float32]:
        """The sums [N] of sequences."""
        said: NDArray[np.float32] = _said(self.network, np.stack(inputs)).numpy()
        return said


def _said(network: Any, rows: NDArray[Any]) -> Tensor:
    """What a network says of sequences [B, T, 2], [B]."""
    said: Tensor = network(torch.from_numpy(rows).transpose(0, 1), torch.full((len(rows),), rows.shape[1]))
    return said[:, 0]


def _network(program: Program, forget_bias: float | None, memory: int | None, seed: int) -> ManyToOne:
    """An untrained network; a cell without the gate that an option acts on begins as it is drawn."""
    forgets = bool(GateBiases(program, True, False, HIDDEN).forget)
    sizes = Sizes(1, HIDDEN, layers=1, bidirectional=False, pooling="last", features=_FEATURES)
    with _drawing, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ManyToOne(program, sizes, dropout=0.0)
        torch.manual_seed(seed)
        network.recurrent = Recurrent(
            program,
            _FEATURES,
            HIDDEN,
            forget_bias=forget_bias if forgets else None,
            memory=memory if remembers(program) else None,
        )
    return network
