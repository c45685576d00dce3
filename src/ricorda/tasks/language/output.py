"""From a layer's outputs to what comes next: one of a vocabulary's tokens, or any of a piano's keys."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Softmax(nn.Module):
    """One of V tokens: `softmax(W h + b)`.

    Parameters
    ----------
    size, vocabulary : int
        The length of an output h, and the number V of tokens.
    tied : nn.Embedding, optional
        An embedding whose matrix is W (Press, Wolf 2017); if its vectors are not as long as h, a matrix stands between.
    """

    def __init__(self, size: int, vocabulary: int, tied: nn.Embedding | None = None) -> None:
        super().__init__()
        width = size if tied is None else tied.embedding_dim
        self.between = nn.Identity() if width == size else nn.Linear(size, width, bias=False)
        self.linear = nn.Linear(width, vocabulary)
        nn.init.zeros_(self.linear.bias)
        if tied is not None:
            self.linear.weight = tied.weight

    def forward(self, outputs: Tensor) -> Tensor:
        """Scores [N, V] before the softmax, of outputs [N, size]."""
        scores: Tensor = self.linear(self.between(outputs))
        return scores

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Negative log-probability [N] of targets [N], in nats."""
        return F.cross_entropy(self(outputs).float(), targets, reduction="none")

    def log_probabilities(self, outputs: Tensor) -> Tensor:
        """Log-probability of every token, [N, V]."""
        scores: Tensor = self(outputs).float().log_softmax(1)
        return scores


class AdaptiveSoftmax(nn.Module):
    """One of V tokens; rare ones share a cluster and a smaller matrix (Grave et al. 2017).

    Ids are ordered by frequency: the most frequent tenth is in the head, the next four tenths in the first cluster.
    """

    def __init__(self, size: int, vocabulary: int) -> None:
        super().__init__()
        self.clusters = nn.AdaptiveLogSoftmaxWithLoss(size, vocabulary, [vocabulary // 10, vocabulary // 2])

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """As `Softmax.losses`."""
        with torch.autocast(outputs.device.type, enabled=False):  # It adds parts of one dtype.
            losses: Tensor = -self.clusters(outputs.float(), targets).output
        return losses

    def log_probabilities(self, outputs: Tensor) -> Tensor:
        """As `Softmax.log_probabilities`."""
        with torch.autocast(outputs.device.type, enabled=False):
            return self.clusters.log_prob(outputs.float())


class Keys(nn.Module):
    """Any of K keys at once, each with a probability of its own: `sigmoid(W h + b)`."""

    def __init__(self, size: int, keys: int) -> None:
        super().__init__()
        self.linear = nn.Linear(size, keys)

    def forward(self, outputs: Tensor) -> Tensor:
        """Scores [N, K] before the sigmoid, of outputs [N, size]."""
        scores: Tensor = self.linear(outputs)
        return scores

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Negative log-likelihood [N] of steps [N, K], the sum over the keys, in nats."""
        scores = self(outputs).float()
        return F.binary_cross_entropy_with_logits(scores, targets.to(scores), reduction="none").sum(1)
