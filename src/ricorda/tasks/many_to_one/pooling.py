"""From a sequence of outputs to one vector: the many-to-one step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ricorda.tasks.evaluating import added_up


class Pooling(nn.Module):
    """One vector for each row of a layer's outputs.

    Parameters
    ----------
    kind : {"last", "mean", "max", "attention"}
        The final states of both directions, the mean or the largest value of each unit over the steps, or a mean
        weighted by `softmax_t(v . tanh(W y_t + b))` (Yang et al. 2016, equations 5 to 7).
    size : int
        Numbers in each step's output.
    """

    def __init__(self, kind: str, size: int) -> None:
        super().__init__()
        self.kind = kind
        if kind == "attention":
            self.hidden = nn.Linear(size, size)
            self.query = nn.Linear(size, 1, bias=False)

    def forward(self, y: Tensor, last: Tensor, lengths: Tensor) -> Tensor:
        """Pool outputs y [T, B, size], or take the final states `last` [B, size]; lengths [B] are positive."""
        if self.kind == "last":
            return last
        alive = (torch.arange(y.shape[0], device=y.device)[:, None] < lengths.to(y.device)).unsqueeze(2)  # [T, B, 1]
        if self.kind == "mean":
            return y.sum(0) / lengths.to(y)[:, None]  # Outputs beyond a row's length are zero.
        if self.kind == "max":
            return y.masked_fill(~alive, -torch.inf).amax(0)
        return self._attended(y, alive)

    def apart(self, y: Tensor, last: Tensor, lengths: Tensor) -> Tensor:
        """What `forward` says; each row's vector is, to the last bit, the one that it has alone."""
        if self.kind == "mean":
            return added_up(y) / lengths.to(y)[:, None]
        if self.kind != "attention":
            return self.forward(y, last, lengths)
        rows = [y[:length, row : row + 1].clone() for row, length in enumerate(lengths.tolist())]
        return torch.cat([self._attended(steps, torch.ones_like(steps[..., :1], dtype=torch.bool)) for steps in rows])

    def _attended(self, y: Tensor, alive: Tensor) -> Tensor:
        weights = self.query(torch.tanh(self.hidden(y))).masked_fill(~alive, -torch.inf).softmax(0)
        weighted: Tensor = (weights * y).sum(0)
        return weighted
