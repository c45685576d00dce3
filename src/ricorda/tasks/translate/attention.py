"""Attention: how well each step of the source fits a decoder's state, and the mean of the steps by these weights.

Both forms score with the decoder's state of the step that they serve, as Luong et al. (2015) do: the recurrence then
does not wait for the attention, and runs over all steps at once. Bahdanau et al. (2015) score with the state of the
step before and feed what was read into the recurrence; with `input_feeding` the network here does the latter too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

AT_ONCE = 2**24
"""The most numbers of an additive attention's [B, n, S, A] that are kept for BPTT; more are computed twice."""


@dataclass(frozen=True)
class SourceMemory:
    """The sources of a batch, as a decoder reads them.

    Parameters
    ----------
    values : Tensor [B, S, M]
        The encoder's outputs.
    keys : Tensor [B, S, A]
        The numbers that queries are compared with.
    closed : bool Tensor [B, S]
        True beyond a source's end.
    """

    values: Tensor
    keys: Tensor
    closed: Tensor

    def take(self, rows: Tensor) -> SourceMemory:
        """Some of the sources."""
        return SourceMemory(self.values[rows], self.keys[rows], self.closed[rows])


class Attention(nn.Module):
    """Weights of a source's steps, and the mean of their values by these weights.

    Parameters
    ----------
    form : {"multiplicative", "additive"}
        score = q' W v ("general": Luong et al. 2015, equation 8), or w' tanh(U q + W v) (Bahdanau et al. 2015,
        appendix A.1.2).
    query_size, value_size : int
        The lengths of a query and of a value.
    """

    def __init__(self, form: str, query_size: int, value_size: int) -> None:
        super().__init__()
        self.form = form
        self.key = nn.Linear(value_size, query_size, bias=False)
        if form == "additive":
            self.query = nn.Linear(query_size, query_size)
            self.score = nn.Parameter(torch.empty(query_size).uniform_(-1, 1) / math.sqrt(query_size))

    def memory(self, values: Tensor, lengths: Tensor) -> SourceMemory:
        """The memory of encoder outputs [B, S, M] with lengths [B]: all that does not depend on queries."""
        steps = torch.arange(values.shape[1], device=values.device)
        return SourceMemory(values, self.key(values), steps >= lengths.to(values.device).unsqueeze(1))

    def forward(self, queries: Tensor, memory: SourceMemory) -> tuple[Tensor, Tensor]:
        """The means [B, n, M] that queries [B, n, A] read, and the weights of the source's steps, [B, n, S]."""
        scores = self._additive(queries, memory.keys) if self.form == "additive" else queries @ memory.keys.mT
        weights = scores.masked_fill(memory.closed.unsqueeze(1), -math.inf).softmax(2)
        return weights.to(memory.values.dtype) @ memory.values, weights

    def _additive(self, queries: Tensor, keys: Tensor) -> Tensor:
        queries = self.query(queries)
        rows = max(1, AT_ONCE // keys.numel())
        parts = torch.split(queries, rows, dim=1)
        if len(parts) == 1 or not torch.is_grad_enabled():
            scores = [_additive_scores(part, keys, self.score) for part in parts]
        else:
            scores = [
                checkpoint(_additive_scores, part, keys, self.score, use_reentrant=False, preserve_rng_state=False)
                for part in parts
            ]
        return torch.cat(scores, dim=1)


def _additive_scores(queries: Tensor, keys: Tensor, score: Tensor) -> Tensor:
    return (queries.unsqueeze(2) + keys.unsqueeze(1)).tanh() @ score.to(keys.dtype)
