"""The wide part of a many-to-one network: a linear score of the tokens and pairs of neighbours that a text has."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ricorda.data.tokenization import PADDING


def _sum(parts: Tensor) -> Tensor:
    return parts.sum(0)


class Wide(nn.Module):
    """Adds to the scores of a text what each of its distinct known grams says, over the root of their number.

    A gram is a token, or a pair of neighbours. Its weights are learned beforehand (`learn_wide`), so that the recurrent
    layers learn what is left (Cheng et al. 2016, "Wide & Deep Learning").

    Parameters
    ----------
    vocabulary : int
        Token ids V.
    grams, outputs : int
        Known grams F, and scores C of each.
    """

    keys: Tensor
    weights: Tensor
    bias: Tensor

    def __init__(self, vocabulary: int, grams: int, outputs: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.register_buffer("keys", torch.zeros(grams, 2, dtype=torch.int32))
        self.register_buffer("weights", torch.zeros(grams, outputs))
        self.register_buffer("bias", torch.zeros(outputs))

    def forward(self, tokens: Tensor, lengths: Tensor, add: Callable[[Tensor], Tensor] = _sum) -> Tensor:
        """Scores [B, C] of token ids [T, B]; `add` adds up over the first dimension."""
        grams = self.places(tokens, lengths).flatten(0, 1).sort(0).values  # [2 T, B]
        first = (grams < len(self.keys)) & (grams != grams.roll(1, 0))
        first[0] = grams[0] < len(self.keys)
        scores = add(self.weights[grams.clamp(max=len(self.keys) - 1)] * first[..., None])
        return scores / first.sum(0).clamp(min=1).to(scores).sqrt()[:, None] + self.bias

    def shares(self, tokens: Tensor) -> Tensor:
        """What each token of one text [T] gives, float64 [T, C]; they add up to the scores less the bias.

        A gram that occurs several times is shared by its places, and a pair by its two tokens.
        """
        grams = self.places(tokens[:, None], torch.tensor([len(tokens)]))[..., 0]  # [2, T]
        known = grams < len(self.keys)
        distinct, kind, times = torch.unique(grams[known], return_inverse=True, return_counts=True)
        given = self.weights.new_zeros(*grams.shape, self.weights.shape[1], dtype=torch.float64)
        given[known] = (self.weights[distinct].double() / times[:, None] / max(len(distinct), 1) ** 0.5)[kind]
        alone, pairs = given[0], given[1]
        return alone + (pairs + pairs.roll(1, 0)) / 2  # No pair begins at the last token, so nothing comes round.

    def places(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """The gram of each token, and of the pair that begins at it, [2, T, B]; F where there is none that is known."""
        alive = torch.arange(len(tokens), device=tokens.device)[:, None] < lengths.to(tokens.device)
        tokens = tokens.masked_fill(~alive, PADDING)
        following = torch.cat([tokens[1:], tokens.new_full((1, tokens.shape[1]), PADDING)])
        alone = torch.stack([tokens * self.vocabulary, tokens * self.vocabulary + following])
        is_gram = torch.stack([alive, following != PADDING])
        known = self.keys[:, 0].long() * self.vocabulary + self.keys[:, 1]
        places = torch.searchsorted(known, alone).clamp(max=len(known) - 1)
        return places.masked_fill(~is_gram | (known[places] != alone), len(known))
