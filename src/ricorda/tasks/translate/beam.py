"""Beam search: the most probable translations, of many sentences at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ricorda.tasks.parameters import about
from ricorda.tasks.translate.network import BOUNDARY, EncoderDecoder, Started
from ricorda.tasks.translate.parameters import TranslateParameters


@dataclass(frozen=True)
class Search:
    """How translations are searched and ranked.

    Parameters
    ----------
    beam_size : int
        Unfinished translations of a sentence that are kept at each step; 1 is the greedy search.
    length_penalty : float
        alpha of Wu et al. (2016), equation 14: log-probabilities are divided by ((5 + n) / 6) ** alpha for the n tokens
        of a translation with its end. 0 ranks by probability, which prefers short ones.
    coverage_penalty : float
        beta of the same equation: beta * sum over the source's steps of ln(min(attention that the step got, 1)) is
        added, which counts against translations that leave something out.

    Raises
    ------
    ArgumentError
        If a parameter is invalid.
    """

    beam_size: int = 5
    length_penalty: float = 1.0
    coverage_penalty: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            rule = about(TranslateParameters, name).rule
            assert rule is not None
            rule.check(name, value)


@dataclass(frozen=True)
class Hypothesis:
    """A finished translation: its tokens without the end, its rank's score, and ln of its probability."""

    tokens: tuple[int, ...]
    score: float
    log_probability: float


@torch.inference_mode()
def search(network: EncoderDecoder, started: Started, limits: Sequence[int], options: Search) -> list[list[Hypothesis]]:
    """The best translations of sentences, best first, at most `beam_size` each and at least one.

    At each step the most probable continuations of a sentence's beam are looked at. Those that end among the first
    `beam_size` are finished; once there are `beam_size` of them the sentence leaves the batch. The most probable others
    go on. So the search is exact if the beam is as wide as there are translations.

    Parameters
    ----------
    network : EncoderDecoder
        The network in evaluation mode.
    started : Started
        The sentences, one row for each.
    limits : whole numbers [B]
        The most tokens of each translation; one that reaches its limit is ended there.
    options : Search
        The width of the beam, and the penalties.
    """
    beams = _Beams(network, started, limits, options)
    while beams.sentences.numel():
        beams.step()
    nothing = [Hypothesis((), -math.inf, -math.inf)]  # where weights give no numbers, or none that can be compared
    return [sorted(beam or nothing, key=lambda one: -one.score)[: options.beam_size] for beam in beams.finished]


class _Beams:
    """The unfinished sentences of a batch, `K` rows of the decoder each.

    Attributes
    ----------
    sentences : int Tensor [b]
        The numbers of the sentences.
    scores : Tensor [b, K]
        ln of the probability of each row; -inf for an empty row.
    tokens : int Tensor [b, K, t]
        The tokens of the rows so far.
    covered : Tensor [b, K, S] or None
        The attention that each step of the source got so far.
    """

    def __init__(self, network: EncoderDecoder, started: Started, limits: Sequence[int], options: Search) -> None:
        rows, device = started.state[0].shape[1], started.state[0].device
        self.network, self.options, self.started = network, options, started
        self.limits = torch.tensor(list(limits), device=device)
        self.sentences = torch.arange(rows, device=device)
        self.scores = torch.zeros(rows, 1, dtype=started.state[0].dtype, device=device)  # A beam begins as one row.
        self.tokens = torch.empty(rows, 1, 0, dtype=torch.long, device=device)
        self.covered: Tensor | None = None
        if options.coverage_penalty and started.memory is not None:
            self.covered = torch.zeros_like(started.memory.keys[:, None, :, 0])
        self.finished: list[list[Hypothesis]] = [[] for _ in range(rows)]

    def step(self) -> None:
        """Continue every row, take out what is finished, and keep the best of the rest."""
        b, K, t = self.tokens.shape
        last = self.tokens[:, :, -1].flatten() if t else self.sentences.new_full((b * K,), BOUNDARY)
        outputs, self.started, weights = self.network.step(last, self.started)
        if self.covered is not None:
            assert weights is not None
            self.covered = self.covered + weights
        totals = self.scores.unsqueeze(2) + outputs.log_softmax(1).view(b, K, -1)  # [b, K, vocabulary]
        vocabulary = totals.shape[2]
        at_limit = t >= self.limits[self.sentences]
        if at_limit.any():
            ends = totals[at_limit, :, BOUNDARY]
            totals[at_limit] = -torch.inf
            totals[at_limit, :, BOUNDARY] = ends
        width = self.options.beam_size
        best, places = totals.flatten(1).topk(min(2 * width, K * vocabulary), dim=1)
        parents, tokens = places // vocabulary, places % vocabulary
        ending = (tokens == BOUNDARY) & (best > -torch.inf)
        self._finish(ending[:, :width], best, parents)
        done = at_limit | torch.tensor(
            [len(self.finished[sentence]) >= width for sentence in self.sentences.tolist()], device=best.device
        )
        # Each row ends in one way only, so at least `width` of twice as many continuations go on.
        order = (tokens == BOUNDARY).to(torch.uint8).sort(dim=1, stable=True).indices[:, :width]
        best = best.masked_fill(tokens == BOUNDARY, -torch.inf)
        self._go_on(~done, *(values.gather(1, order) for values in (best, parents, tokens)))

    def _finish(self, ending: Tensor, best: Tensor, parents: Tensor) -> None:
        length = self.tokens.shape[2] + 1
        scale = ((5 + length) / 6) ** self.options.length_penalty
        for row, column in ending.nonzero().tolist():
            parent = int(parents[row, column])
            log_probability = float(best[row, column])
            score = log_probability / scale
            if self.covered is not None and self.started.memory is not None:
                open_steps = self.covered[row, parent][~self.started.memory.closed[row]]
                score += self.options.coverage_penalty * float(open_steps.double().clamp(max=1.0).log().sum())
            said = tuple(self.tokens[row, parent].tolist())
            self.finished[int(self.sentences[row])].append(Hypothesis(said, score, log_probability))

    def _go_on(self, alive: Tensor, scores: Tensor, parents: Tensor, tokens: Tensor) -> None:
        """Rows of the sentences that are alive, each in the place of its parent."""
        K = self.tokens.shape[1]
        kept = alive.nonzero()[:, 0]
        everything = bool(alive.all())
        parents, tokens = parents[kept], tokens[kept]
        rows = (kept.unsqueeze(1) * K + parents).flatten()
        memory = self.started.memory
        if memory is not None and not everything:
            memory = memory.take(kept)
        self.started = Started(memory, tuple(state.index_select(1, rows) for state in self.started.state))
        self.sentences, self.scores = self.sentences[kept], scores[kept]
        said = self.tokens.flatten(0, 1)[rows].view(*parents.shape, self.tokens.shape[2])
        self.tokens = torch.cat([said, tokens.unsqueeze(2)], dim=2)
        if self.covered is not None:
            self.covered = self.covered.flatten(0, 1)[rows].view(*parents.shape, self.covered.shape[2])


def longest(source_lengths: Sequence[int]) -> list[int]:
    """The most tokens of the translations of sentences of these lengths: twice as many and ten."""
    return [int(2 * length + 10) for length in np.asarray(source_lengths)]
