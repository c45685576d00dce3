"""What a task gives to the training loop."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ricorda.data.batches import Rows, batches, rows_of_process
from ricorda.training.processes import ALONE, Processes


class Task(ABC):
    """A module, its training examples (the rows), and how good it is.

    Attributes
    ----------
    told
        How the validation's numbers are told while training goes on, each with its name and unit.
    module
        The module to train; the loop moves it to the device and sets its mode.
    lengths
        Steps of every training example; batches hold rows of similar length, and speed is counted in these steps.
    together
        Whether all processes are to validate, each its share of the held-out examples, with the help of `processes`.
    processes
        Those that train; the loop sets them.
    """

    told: str = "score {score:.4f}"
    module: nn.Module
    lengths: Sequence[int] | NDArray[np.integer]
    together: bool = False
    processes: Processes = ALONE

    @abstractmethod
    def loss(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Return the sum of the weighted losses of ``rows`` (at least one), and the sum of the weights.

        Both are scalars, kept apart because the weights of a batch may lie on several processes. The task puts
        its tensors on the module's device. Random numbers come from torch's global generators.
        """

    @abstractmethod
    def validate(self) -> dict[str, float]:
        """Return numbers about the module as it is, "score" among them, higher is better.

        Without a "score" every epoch counts as better than the one before. The module is in evaluation mode, no
        gradient is kept, and only the first process is asked, unless `together`. The numbers become part of the
        history, so their names must not be those of `ricorda.training.loop`'s own ("loss", "step", "seconds", ...).
        """

    def batches(self, size: int, *, seed: int, epoch: int) -> list[Rows]:
        """Return the rows of every step of an epoch, at most ``size`` each; as many steps in every epoch.

        A task may give arrays [rows, ...] as rows of its own kind, and then counts their steps in `steps` as well.
        """
        return batches(self.lengths, size, seed=seed, epoch=epoch)

    def share(self, batch: Rows, rank: int, size: int) -> Rows:
        """Return the rows of a batch that process ``rank`` of ``size`` learns from, possibly none."""
        return rows_of_process(batch, rank, size)

    def rows(self) -> int:
        """Return how many rows an epoch has, by which batches are sized where that is left to the data."""
        return len(self.lengths)

    def steps(self, rows: Rows) -> int:
        """Return how many steps the rows of a batch have; speed is counted in them."""
        lengths: NDArray[np.integer] = np.asarray(self.lengths)  # The loop has made it an array.
        return int(lengths[rows].sum())

    def tensors(self) -> Mapping[str, Tensor]:
        """Return the tensors that the task carries from batch to batch of an epoch; they are part of a checkpoint.

        Dimension 1 of each are the rows of this process's share of the batch, so that others can carry them on.
        """
        return {}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:  # noqa: B027 - most tasks carry nothing
        """Restore what `tensors` returned, before the batch that follows; nothing if this process has no row of it."""
