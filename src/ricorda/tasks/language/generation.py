"""Generation step by step: each step is drawn from the model's output, and read by the model before the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ricorda.errors import ArgumentError
from ricorda.nn.sequences import of_each_state
from ricorda.tasks.language.network import NextStep
from ricorda.tasks.language.output import AdaptiveSoftmax, Keys, Softmax

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Sampling:
    """How a token is drawn.

    Parameters
    ----------
    temperature : float
        The scores are divided by it; 0 always takes the most probable token.
    top_k : int, optional
        Only the k most probable may be drawn (Fan et al. 2018).
    top_p : float, optional
        Only the most probable that together have this probability may be drawn (Holtzman et al. 2020).

    Raises
    ------
    ArgumentError
        If one is invalid.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        if not _is_number(self.temperature) or not 0 <= self.temperature < np.inf:
            raise ArgumentError(
                f"temperature is {self.temperature!r}: give a number from 0, which is the most probable"
            )
        if self.top_k is not None and (type(self.top_k) is not int or self.top_k < 1):
            raise ArgumentError(f"top_k is {self.top_k!r}: give a whole number of at least 1")
        if self.top_p is not None and (not _is_number(self.top_p) or not 0 < self.top_p <= 1):
            raise ArgumentError(f"top_p is {self.top_p!r}: give a number above 0 and up to 1")

    def probabilities(self, scores: Floats) -> NDArray[np.float64]:
        """The probability of each token [V] to be drawn, from its score."""
        if self.temperature == 0:
            best: NDArray[np.float64] = np.zeros(len(scores))
            best[scores.argmax()] = 1.0
            return best
        wide = scores.astype(np.float64)
        weights: NDArray[np.float64] = np.exp((wide - wide.max()) / self.temperature)
        if self.top_k is not None and self.top_k < len(weights):
            weights[np.argpartition(weights, -self.top_k)[: -self.top_k]] = 0.0
        weights /= weights.sum()
        if self.top_p is not None and self.top_p < 1:
            order = np.argsort(-weights, kind="stable")
            before = np.cumsum(weights[order]) - weights[order]
            weights[order[before >= self.top_p]] = 0.0
            weights /= weights.sum()
        return weights


def tokens(
    module: NextStep,
    opening: Sequence[int],
    sampling: Sampling,
    *,
    length: int,
    seed: int,
    never: Sequence[int] = (),
    end: int | None = None,
    condition: Tensor | None = None,
) -> Iterator[int]:
    """Draw the tokens that follow an opening.

    Parameters
    ----------
    module : NextStep
        The network of a model with a vocabulary.
    opening : sequence of int
        Ids that are read first; at least one.
    sampling : Sampling
        How each token is drawn.
    length : int
        The most tokens.
    seed : int
        The same seed draws the same tokens.
    never : sequence of int
        Ids that are never drawn.
    end : int, optional
        The id that ends the text; it is not yielded.
    condition : Tensor [C], optional
        The vector that the states begin with.
    """
    stream = _begin(module, condition)
    vectors = module.embedding.weight.detach().float().cpu().numpy()
    scores_of = _scorer(module)
    random = torch.Generator().manual_seed(seed)
    for id in opening:
        output = stream(vectors[id])
    for _ in range(length):
        scores = scores_of(output)
        scores[list(never)] = -np.inf
        cumulative = np.cumsum(sampling.probabilities(scores))
        drawn = float(torch.rand((), generator=random, dtype=torch.float64)) * cumulative[-1]
        id = int(np.searchsorted(cumulative, drawn, side="right"))
        if id == end:
            return
        yield id
        output = stream(vectors[id])


def keys(
    module: NextStep,
    opening: Sequence[NDArray[Any]],
    temperature: float,
    *,
    length: int,
    seed: int,
    condition: Tensor | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """Draw steps of music [K] after an opening of at least one step; a temperature of 0 takes the probable keys."""
    stream = _begin(module, condition)
    assert isinstance(module.output, Keys)
    matrix, bias = (weight.detach().float().cpu().numpy() for weight in module.output.linear.parameters())
    random = torch.Generator().manual_seed(seed)
    for step in opening:
        output = stream(step.astype(np.float32))
    for _ in range(length):
        scores = matrix @ output + bias
        if temperature == 0:
            drawn = (scores > 0).astype(np.uint8)
        else:
            wide = np.clip(scores.astype(np.float64) / temperature, -700.0, 700.0)
            uniform = torch.rand(len(bias), generator=random, dtype=torch.float64).numpy()
            drawn = (uniform < 1 / (1 + np.exp(-wide))).astype(np.uint8)
        yield drawn
        output = stream(drawn.astype(np.float32))


def _begin(module: NextStep, condition: Tensor | None) -> Any:
    """A stream in the state that a sequence with this vector begins with."""
    stream = module.recurrent.stream()
    if condition is not None:
        with torch.inference_mode():
            state = module.initial(condition[None].to(module.mean))
        one = of_each_state(lambda part: part[:, 0], state)
        stream.state = one
    return stream


def _scorer(module: NextStep) -> Any:
    """A function from an output [H] to the scores of all tokens [V]."""
    output = module.output
    if isinstance(output, AdaptiveSoftmax):
        device = next(module.parameters()).device

        def adaptive(y: Floats) -> Floats:
            with torch.inference_mode():
                scores: Floats = output.log_probabilities(torch.from_numpy(y)[None].to(device))[0].cpu().numpy()
            return scores

        return adaptive
    assert isinstance(output, Softmax)
    matrix, bias = (weight.detach().float().cpu().numpy() for weight in (output.linear.weight, output.linear.bias))
    if isinstance(output.between, torch.nn.Identity):
        return lambda y: matrix @ y + bias
    between = output.between.weight.detach().float().cpu().numpy()
    return lambda y: matrix @ (between @ y) + bias


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
