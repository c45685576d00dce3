"""A language model as the training loop sees it: truncated BPTT, the state carried from window to window."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from ricorda.data.batches import Rows
from ricorda.nn.sequences import State, of_each_state, states_of
from ricorda.tasks.language.network import NextStep
from ricorda.tasks.language.scoring import losses_of
from ricorda.tasks.language.sequences import FRESH, LENGTH, SEQUENCE, Sequences
from ricorda.training.task import Task


class NextStepTraining(Task):
    """Training of a network that predicts the next step, by truncated BPTT.

    Parameters
    ----------
    module : NextStep
        The network.
    training, held_out : Sequences
        Sequences to train on, and sequences to choose the best epoch by, if there are any.
    window : int
        Steps that a gradient goes back.
    characters : int
        Characters of the held-out text; 0 where there are none.
    """

    told = "{validation_loss:.4f} nats a step"

    def __init__(
        self, module: NextStep, training: Sequences, held_out: Sequences | None, window: int, *, characters: int = 0
    ) -> None:
        self.module: NextStep = module
        self.training = training
        self.held_out = held_out
        self.window = window
        self.characters = characters
        self.lengths = training.lengths
        self._state: State | None = None

    def batches(self, size: int, *, seed: int, epoch: int) -> list[Rows]:
        """Windows; see `Sequences.windows`."""
        return self.training.windows(size, self.window, seed=seed, epoch=epoch)

    def rows(self) -> int:
        """Windows of a stream, which is cut into rows as they are wanted; documents."""
        return self.training.predictions // self.window if self.training.stream else len(self.lengths)

    def steps(self, rows: Rows) -> int:
        """Predicted steps of a batch of windows."""
        return int(rows[:, LENGTH].sum())

    def loss(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Sum of the negative log-probabilities in nats, and the number of predictions."""
        device = next(self.module.parameters()).device
        if rows[0, FRESH]:
            self._state = self._opening(rows, device)
        if not rows[:, LENGTH].any():  # All of this process's documents have ended.
            return torch.zeros((), device=device, requires_grad=True), torch.zeros((), device=device)
        inputs, targets, lengths = self.training.at(rows)
        outputs, state = self.module(inputs.to(device), self._state, lengths)
        self._state = of_each_state(Tensor.detach, state)
        flat, wanted = outputs.flatten(0, 1), targets.to(device).flatten(0, 1)
        if lengths is not None:
            alive = (torch.arange(len(inputs))[:, None] < lengths).flatten().to(device)
            flat, wanted = flat[alive], wanted[alive]
        losses = self.module.output.losses(flat, wanted if wanted.ndim > 1 else wanted.long())
        return losses.sum(), losses.new_tensor(len(losses))

    def validate(self) -> dict[str, float]:
        """Nats a step on the held-out text, and the figures that follow from it; nothing if there is no such text."""
        if self.held_out is None:
            return {}
        total, count = 0.0, self.held_out.predictions
        for losses in losses_of(self.module, self.held_out, quick=True):
            total += float(losses.double().sum())
        numbers = {"validation_loss": total / count}
        if not self.module.sizes.keys:
            numbers["perplexity"] = math.exp(min(total / count, 700.0))
        if self.characters:
            numbers["bits_per_character"] = total / math.log(2) / self.characters
        return {"score": -total / count, **numbers}

    def tensors(self) -> Mapping[str, Tensor]:
        """The carried states."""
        state = self._state
        parts = () if state is None else states_of(state)
        return {str(index): part for index, part in enumerate(parts)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore the carried states."""
        parts = tuple(tensors[str(index)] for index in range(len(tensors)))
        self._state = None if not parts else parts if len(parts) > 1 else parts[0]

    def _opening(self, rows: Rows, device: torch.device) -> State | None:
        if self.training.condition is None:
            return None
        return self.module.initial(self.training.condition[torch.from_numpy(rows[:, SEQUENCE].copy())].to(device))
