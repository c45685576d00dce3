"""What each step gave to the verdict of a classifier or a regressor, computed in three ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ricorda.errors import ArgumentError
from ricorda.insight.memory.attribution import (
    STEPS_PER_BATCH,
    Integrated,
    erasure,
    integrated_gradients,
    rank_agreement,
)
from ricorda.insight.memory.remains import Remains, Weighing
from ricorda.insight.passage import Passage
from ricorda.nn.sequences import last_outputs
from ricorda.shown import Shown

LONGEST_WHOLE = 2_000
"""The most steps of a sequence for which erasure and integrated gradients read all of it, not the window alone."""

COMPLETENESS = 0.01
"""If the completeness error of integrated gradients is above this, they are computed in float64."""

LONGEST_DOUBLE = 100
"""The most steps for which float64 is tried: in longer sequences it takes seconds, and may not help."""

Array = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Verdict(Shown):
    """What each step of a window gave to what the model says.

    A classifier's verdict is explained as the score of a class less that of the strongest other one (log-odds, in
    nats), a regressor's as the number itself, in its unit. Positive contributions speak for the verdict.

    Parameters
    ----------
    label, rival : object
        The class and the strongest other class; for a regressor, the number's name and None.
    labels : tuple
        The classes, or the names of the numbers, C.
    scores : array [C]
        The model's scores.
    shares : array [W, C], optional
        The contribution of each step to each score by the decomposition. With `rest`, `initial` and `bias` [C] (all
        other steps, the initial states, the head) they add up to `scores`. None if the decomposition does not reach the
        verdict.
    wide : array [W, C], optional
        How much of that comes through the wide part, from each token and its pairs; None if there is no such part.
    integrated : Integrated
        Integrated gradients of the window.
    erasure : array [W]
        How much lower the verdict is without each step.
    alone : bool
        Whether erasure and integrated gradients read the window alone, as they do if the text is long.
    """

    label: Any
    rival: Any
    labels: tuple[Any, ...]
    scores: Array
    shares: Array | None
    wide: Array | None
    rest: Array
    initial: Array
    bias: Array
    integrated: Integrated
    erasure: Array
    alone: bool

    def of(self, scores: Array) -> Array:
        """Scores [..., C] of the label, less those of its rival."""
        own = scores[..., self.labels.index(self.label)]
        return own if self.rival is None else own - scores[..., self.labels.index(self.rival)]

    @property
    def claim(self) -> str:
        """The quantity that is explained, in words."""
        return f"{self.label}" if self.rival is None else f"{self.label} rather than {self.rival}"

    @property
    def decomposed(self) -> Array | None:
        """The contribution of each step to the verdict by the decomposition, [W]."""
        return None if self.shares is None else self.of(self.shares)

    @property
    def best(self) -> tuple[str, Array]:
        """The name and values of the most exact account that there is: the decomposition's, or integrated gradients."""
        if self.decomposed is None:
            return "integrated gradients", self.integrated.values
        return "decomposition", self.decomposed

    @property
    def agreement(self) -> dict[tuple[str, str], float]:
        """Spearman's rank correlation of each pair of accounts."""
        accounts = {"decomposition": self.decomposed, "integrated gradients": self.integrated.values}
        named = [(name, values) for name, values in {**accounts, "erasure": self.erasure}.items() if values is not None]
        return {
            (one, other): rank_agreement(first, second)
            for place, (one, first) in enumerate(named)
            for other, second in named[place + 1 :]
        }


@contextmanager
def at_rest(network: nn.Module) -> Iterator[None]:
    """Within the block a network is in evaluation mode and its weights need no gradient."""
    training, learning = network.training, [weight for weight in network.parameters() if weight.requires_grad]
    network.eval().requires_grad_(False)
    try:
        yield
    finally:
        network.train(training)
        for weight in learning:
            weight.requires_grad_(True)


@contextmanager
def _in_double(network: nn.Module) -> Iterator[None]:
    """Within the block a network computes in float64."""
    weights = {name: weight.clone() for name, weight in network.state_dict().items()}
    dtype = next(network.parameters()).dtype
    network.double()
    try:
        yield
    finally:
        network.to(dtype).load_state_dict(weights)


class Explained:
    """A many-to-one model's verdict on a passage, and how its pooling weighs the outputs.

    Parameters
    ----------
    model : SequenceClassifier or SequenceRegressor
        A model whose network is `at_rest`.
    read : Passage
        The passage that it read.
    target : class or name of a number, optional
        The class or number whose score is explained.

    Raises
    ------
    ArgumentError
        If the model has no such class or number.
    """

    def __init__(self, model: Any, read: Passage, target: Any) -> None:
        self.network, self.read = model.network_, read
        classes = getattr(model, "classes_", None)
        self.labels = tuple(model.target_names_ if classes is None else classes.tolist())
        scaling = getattr(model, "scaling_", None)
        self.scale = np.ones(len(self.labels)) if scaling is None else scaling.scale
        self.mean = np.zeros(len(self.labels)) if scaling is None else scaling.mean
        with torch.no_grad():
            self.steps = torch.cat([read.inputs, *read.beside.values()], dim=1)  # All inputs side by side.
            self.outputs = self._outputs(self.steps[None])[0][:, 0]  # [T, size]
            said = self._scores(self.steps[None])[0].double()
            if read.ids is not None:
                said += self.network.wide(read.ids[:, None], torch.tensor([len(read)]))[0]
            self.scores = said.cpu().numpy() * self.scale + self.mean
        best = int(self.scores.argmax()) if classes is not None else 0
        self.label = best if target is None else self._place(target)
        others = [place for place in np.argsort(-self.scores) if place != self.label]
        self.rival = int(others[0]) if classes is not None else None

    def weighings(self) -> Sequence[Weighing]:
        """How the pooling weighs each direction's outputs; weights that depend on the outputs are held fixed."""
        y, pooling = self.outputs, self.network.pooling
        halves = y.chunk(2 if self.read.layer.bidirectional else 1, dim=1)
        if pooling.kind == "attention":
            weights = pooling.query(torch.tanh(pooling.hidden(y))).softmax(0).double().cpu()  # [T, 1]
            return [weights.__getitem__] * len(halves)
        if pooling.kind == "mean":
            share = torch.full((1,), 1 / len(y), dtype=torch.float64)
            return [lambda step: share] * len(halves)
        if pooling.kind == "last":
            ends = (len(y) - 1, 0)  # The second direction ends where the text begins.
            winners = [torch.full((half.shape[1],), ends[direction]) for direction, half in enumerate(halves)]
        else:
            winners = [half.argmax(0).cpu() for half in halves]
        return [_where(steps) for steps in winners]

    def verdict(self, remains: Sequence[Remains], start: int, stop: int) -> Verdict:
        """The verdict and what each step of a window gave to it."""
        bias = self.network.head.bias.double().cpu().numpy() * self.scale + self.mean
        shares, wide, rest, initial = None, None, np.zeros_like(bias), np.zeros_like(bias)
        if remains and remains[0].shown is not None:
            weight = self.network.head.weight.double().cpu().numpy() * self.scale[:, None]
            halves = np.split(weight, len(remains), axis=1)
            shares, rest, initial = (
                sum(getattr(direction, part) @ half.T for direction, half in zip(remains, halves, strict=True))
                for part in ("shown", "rest", "initial")
            )
        alone = len(self.read) > LONGEST_WHOLE
        steps = self.steps[start:stop] if alone else self.steps
        x = steps[:, : self.read.inputs.shape[1]]
        first, last = (0, len(x)) if alone else (start, stop)
        erased = erasure(self._explained_score, steps, first, last)
        score = self._score_beside(steps)
        integrated = integrated_gradients(score, x)
        if integrated.error > COMPLETENESS and len(x) <= LONGEST_DOUBLE:
            with _in_double(self.network):
                integrated = integrated_gradients(score, x.double())
        if self.read.ids is not None:
            ids = self.read.ids[start:stop] if alone else self.read.ids
            given = self.network.wide.shares(self.read.ids).cpu().numpy() * self.scale
            wide, others = given[start:stop], np.delete(given, np.s_[start:stop], axis=0).sum(0)
            shares = None if shares is None else shares + wide
            rest, bias = rest + others, bias + self.network.wide.bias.double().cpu().numpy() * self.scale
            erased = erased + self._explained(self._wide_without(ids, first, last))
            # The wide part is linear in what is there, so its integrated gradients are its shares.
            integrated.values[first:last] += self._explained(wide)
        return Verdict(
            label=self.labels[self.label],
            rival=None if self.rival is None else self.labels[self.rival],
            labels=self.labels,
            scores=self.scores,
            shares=shares,
            wide=wide,
            rest=rest,
            initial=initial,
            bias=bias,
            integrated=Integrated(integrated.values[first:last], integrated.error, integrated.points),
            erasure=erased,
            alone=alone,
        )

    def _place(self, target: Any) -> int:
        for place, label in enumerate(self.labels):
            if label == target or str(label) == str(target):
                return place
        raise ArgumentError(
            f"target is {target!r}, which the model does not have: give one of {', '.join(map(str, self.labels))}"
        )

    def _score_beside(self, steps: Tensor) -> Callable[[Tensor], Tensor]:
        """The quantity that is explained, [B], of first inputs [B, T, I] where the others are as in `steps`."""

        def score(x: Tensor) -> Tensor:
            others = steps[:, x.shape[2] :].to(x.dtype).expand(len(x), -1, -1)
            return self._explained_score(torch.cat([x, others], dim=2))

        return score

    def _explained_score(self, x: Tensor) -> Tensor:
        """The quantity that is explained, [B], of sequences [B, T, I + others]."""
        scores = self._scores(x)
        own = scores[:, self.label] * float(self.scale[self.label])
        return own if self.rival is None else own - scores[:, self.rival]

    def _explained(self, scores: Array) -> Array:
        """The quantity that is explained, of scores [..., C] in the model's unit."""
        explained: Array = scores[..., self.label] - (0.0 if self.rival is None else scores[..., self.rival])
        return explained

    def _wide_without(self, ids: Tensor, first: int, last: int) -> Array:
        """How much lower the wide part's scores are without each token from `first` to `last`, [last - first, C]."""
        wide, T = self.network.wide, len(ids)
        if T == 1:
            alone: Array = wide.shares(ids).cpu().numpy() * self.scale
            return alone
        everything, lower = torch.arange(T - 1, device=ids.device), list[Tensor]()
        whole = wide(ids[:, None], torch.tensor([T]))
        for steps in torch.split(torch.arange(first, last, device=ids.device), max(STEPS_PER_BATCH // T, 1)):
            others = everything[:, None] + (everything[:, None] >= steps)  # [T - 1, rows]: all but one
            lower.append(whole - wide(ids[others], torch.full((len(steps),), T - 1)))
        result: Array = torch.cat(lower).double().cpu().numpy() * self.scale
        return result

    def _scores(self, x: Tensor) -> Tensor:
        """The head's scores [B, C] of sequences [B, T, I + others] as they enter the recurrent layers."""
        y, last = self._outputs(x)
        scores: Tensor = self.network.head(self.network.pooling(y, last, torch.full((len(x),), x.shape[1])))
        return scores

    def _outputs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The last layer's outputs [T, B, size], and the final states of its directions side by side [B, size]."""
        sizes = [values.shape[1] for values in (self.read.inputs, *self.read.beside.values())]
        steps, *others = torch.split(x.transpose(0, 1), sizes, dim=2)
        y, state = self.read.layer(steps, inputs=dict(zip(self.read.beside, others, strict=True)))
        return y, torch.cat(tuple(last_outputs(self.read.layer.stack, y, state, torch.full((len(x),), len(y)))), dim=1)


def _where(winners: Tensor) -> Weighing:
    """The weighing of a pooling that takes each unit [H] from one step."""
    steps = set(winners.tolist())
    return lambda step: (winners == step).double() if step in steps else None
