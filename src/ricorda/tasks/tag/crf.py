"""A linear-chain conditional random field over a recurrent network's scores (Lafferty et al. 2001).

No CRF library is maintained (the last release of pytorch-crf was in 2019), so this is ours. It is two recursions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LinearChain(nn.Module):
    """Scores of whole tag sequences: of each step's tag, of each pair of neighbours, of the first and the last tag.

    Time is the first dimension. Steps beyond a row's length are never counted.

    Parameters
    ----------
    tags : int
        The number K of tags.

    Attributes
    ----------
    transitions : Parameter [K, K]
        Score of a tag (column) after another (row).
    first, last : Parameter [K]
        Score of a tag at the beginning and at the end.
    """

    def __init__(self, tags: int) -> None:
        super().__init__()
        self.transitions = nn.Parameter(torch.zeros(tags, tags))
        self.first = nn.Parameter(torch.zeros(tags))
        self.last = nn.Parameter(torch.zeros(tags))

    def log_likelihood(self, scores: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """Logarithm of the probability of tags [T, B] under scores [T, B, K], for rows of lengths [B]: [B]."""
        return self.score(scores, tags, lengths) - self.log_partition(scores, lengths)

    def score(self, scores: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """Score of tag sequences [T, B]: [B]."""
        alive = _alive(scores, lengths)
        tags = tags.masked_fill(~alive, 0)
        total = (scores.gather(2, tags.unsqueeze(2)).squeeze(2) * alive).sum(0)
        total = total + (self.transitions[tags[:-1], tags[1:]] * alive[1:]).sum(0)
        ends = tags.gather(0, lengths.to(tags.device).unsqueeze(0) - 1).squeeze(0)
        return total + self.first[tags[0]] + self.last[ends]

    def log_partition(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """Logarithm of the sum of exp(score) over all tag sequences, by the forward algorithm: [B]."""
        alive = _alive(scores, lengths)
        forward = self.first + scores[0]  # [B, K]: all beginnings, by their last tag.
        for step in range(1, len(scores)):
            longer = torch.logsumexp(forward.unsqueeze(2) + self.transitions, 1) + scores[step]
            forward = torch.where(alive[step].unsqueeze(1), longer, forward)
        return torch.logsumexp(forward + self.last, 1)

    def marginals(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """Probability of each tag at each step, [T, B, K]: the gradient of the log partition by the scores."""
        with torch.inference_mode(False), torch.enable_grad():
            leaf = scores.detach().clone().requires_grad_()
            (gradient,) = torch.autograd.grad(self.log_partition(leaf, lengths).sum(), leaf)
        return gradient

    def decode(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """The best tag sequence of each row, by Viterbi's algorithm: [T, B], 0 beyond a row's length."""
        alive = _alive(scores, lengths)
        best = self.first + scores[0]
        same = torch.arange(scores.shape[2], device=scores.device).expand_as(best)
        came_from = []
        for step in range(1, len(scores)):
            longer, previous = (best.unsqueeze(2) + self.transitions).max(1)
            here = alive[step].unsqueeze(1)
            best = torch.where(here, longer + scores[step], best)
            came_from.append(torch.where(here, previous, same))
        tags = [(best + self.last).argmax(1)]
        for pointers in reversed(came_from):
            tags.append(pointers.gather(1, tags[-1].unsqueeze(1)).squeeze(1))
        return torch.stack(tags[::-1]).masked_fill(~alive, 0)


def _alive(scores: Tensor, lengths: Tensor) -> Tensor:
    steps = torch.arange(len(scores), device=scores.device)
    return steps.unsqueeze(1) < lengths.to(scores.device)  # [T, B]
