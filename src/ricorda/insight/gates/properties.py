"""Units that follow a property of the text: found by correlation, shown on it (Karpathy, Johnson, Fei-Fei 2015)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ricorda.errors import ArgumentError, DataError
from ricorda.insight.gates.units_result import Followers
from ricorda.insight.gates.view import layer_and_side
from ricorda.insight.passage import Passage, passage
from ricorda.nn.sequences import states_of
from ricorda.tasks.estimator import SequenceEstimator
from ricorda.tasks.many_to_one.network import ManyToOne

Array = NDArray[Any]
Property = Callable[[Sequence[str]], ArrayLike]
"""Maps the tokens of a text to a number for each token, or nan where it has none."""

VERDICT = "verdict"
LONGEST_VERDICT = 400
"""The most steps of a text for which the verdict so far is computed: each beginning of it is read anew."""

_OPENING, _CLOSING = "“«„", "”»"
_BRACKETS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}
_TREEBANK = {"-lrb-": "(", "-rrb-": ")", "-lsb-": "[", "-rsb-": "]", "-lcb-": "{", "-rcb-": "}"}
_QUOTES = {"``": "“", "''": "”"}


def position(tokens: Sequence[str]) -> Array:
    """The number of steps read so far."""
    return np.arange(1, len(tokens) + 1)


def end(tokens: Sequence[str]) -> Array:
    """The number of steps left, which only the direction that reads from the end can know."""
    return np.arange(len(tokens))[::-1]


def quotation(tokens: Sequence[str]) -> Array:
    """Whether the text is inside a quotation after a token."""
    inside, flags = False, []
    for token in map(_plain, tokens):
        for mark in _QUOTES.get(token, token):
            inside = True if mark in _OPENING else False if mark in _CLOSING else inside != (mark == '"')
        flags.append(inside)
    return np.array(flags, dtype=float)


def parentheses(tokens: Sequence[str]) -> Array:
    """Whether the text is inside parentheses, brackets or braces after a token."""
    depth, flags = 0, []
    for token in map(_plain, tokens):
        for mark in _TREEBANK.get(token.lower(), token):
            depth = max(0, depth + _BRACKETS.get(mark, 0))
        flags.append(depth > 0)
    return np.array(flags, dtype=float)


def word_begin(tokens: Sequence[str]) -> Array:
    """Whether a token begins a word; useful if tokens are characters or parts of words."""
    if any("▁" in token for token in tokens):
        return np.array([token[:1] == "▁" and token[1:2].isalnum() for token in tokens], dtype=float)
    letters = [token[:1].isalnum() for token in tokens]
    if any(len(token) > 1 for token in tokens):
        return np.array(letters, dtype=float)
    return np.array([now and not before for before, now in pairwise([False, *letters])], dtype=float)


def upper_case(tokens: Sequence[str]) -> Array:
    """Whether a token begins with a capital."""
    return np.array([_plain(token)[:1].isupper() for token in tokens], dtype=float)


PROPERTIES: dict[str, Property] = {
    rule.__name__: rule for rule in (position, end, quotation, parentheses, word_begin, upper_case)
}
"""The properties by name; classifiers have the verdict so far in addition."""


def verdict_so_far(model: Any, read: Passage) -> dict[str, Array]:
    """What a classifier would say if its text ended at each step: the log-odds of its classes, [T] each.

    Parameters
    ----------
    model : SequenceClassifier
        A trained one.
    read : Passage
        The passage that its recurrent layers read.

    Returns
    -------
    dict of array [T]
        With two classes, "verdict": the log-odds of the second against the first. With more, "verdict=CLASS" for each
        class: its log-odds against all others. Each beginning is read anew; values after the first 400 steps are nan.
    """
    network, T = model.network_, len(read)
    with torch.no_grad():
        scores = torch.full((T, len(model.classes_)), torch.nan, dtype=read.inputs.dtype)
        last = min(T, LONGEST_VERDICT)
        for first in range(0, last, 50):
            lengths = torch.arange(first + 1, min(first + 50, last) + 1)
            said = _scores(network, read.inputs[: int(lengths[-1])], lengths)
            if read.ids is not None:
                said += network.wide(read.ids[: int(lengths[-1]), None].expand(-1, len(lengths)), lengths)
            scores[first : first + len(lengths)] = said.cpu()
    odds = scores.double()
    if odds.shape[1] == 2:
        return {VERDICT: (odds[:, 1] - odds[:, 0]).numpy()}
    chances = odds.softmax(1)
    return {
        f"{VERDICT}={name}": torch.logit(chances[:, column]).numpy()
        for column, name in enumerate(model.classes_.tolist())
    }


def _scores(network: Any, inputs: Tensor, lengths: Tensor) -> Tensor:
    """The scores [B, classes] of the beginnings of a text, which have the lengths [B]."""
    y, state = network.recurrent(inputs[:, None].expand(-1, len(lengths), -1).contiguous(), lengths=lengths)
    final = states_of(state)[0]
    directions = 2 if network.recurrent.bidirectional else 1
    scores: Tensor = network.head(network.pooling(y, torch.cat(tuple(final[-directions:]), dim=1), lengths))
    return scores


def followers_of(
    model: SequenceEstimator,
    examples: Iterable[Any],
    *,
    show: Any = None,
    properties: Mapping[str, Property] | None = None,
    value: str | None = None,
    layer: int | None = None,
    backward: bool = False,
) -> Followers:
    """Find the units that follow properties of the text.

    Parameters
    ----------
    model : SequenceEstimator
        A trained model of tokens.
    examples : texts or token lists
        What the model reads, one after the other, so there may be many.
    show : text or token list, optional
        The example on which units are shown; by default the first one.
    properties : mapping of str to function, optional
        Functions from the tokens of a text to a number for each token, by name. By default `PROPERTIES`, and the
        verdict so far of a classifier.
    value : str, optional
        The named value of the cell whose units are compared; by default its last state (`c` of an LSTM).
    layer, backward
        As for `gates_of`.

    Raises
    ------
    ArgumentError
        If the cell has no such value, or there is no such layer or direction.
    DataError
        If there is no example, an example is invalid, or a property does not have one number for each token.
    """
    moments: dict[str, _Moments] = {}
    shown: Passage | None = None if show is None else passage(model, show)
    program = None
    for example in examples:
        read = passage(model, example)
        shown = shown or read
        program = read.layer.program
        value = value or program.states[-1].name
        level, side = layer_and_side(read.layer, layer, backward)
        activations = _activations(read, value, level, side)
        for name, numbers in _measured(model, read, properties, side).items():
            moments.setdefault(name, _Moments()).add(activations, numbers)
    if shown is None or program is None or value is None:
        raise DataError("there is no example to look into: give at least one")
    return Followers(
        value=value,
        correlations={name: sums.correlation() for name, sums in moments.items()},
        steps={name: sums.steps for name, sums in moments.items()},
        tokens=shown.tokens,
        activations=_activations(shown, value, *layer_and_side(shown.layer, layer, backward)),
    )


def _activations(read: Passage, value: str, level: int, side: int) -> Array:
    if value not in dict(read.layer.program.names):
        known = ", ".join(name for name, _ in read.layer.program.names)
        raise ArgumentError(f"value is {value!r}, and cell {read.layer.program.name} has {known}")
    activations: Array = read.values([value])[value][level, side].cpu().numpy()
    return activations


def _measured(
    model: SequenceEstimator, read: Passage, properties: Mapping[str, Property] | None, side: int
) -> dict[str, Array]:
    """The numbers of each property on one text."""
    if properties is None:
        wanted = {name: rule for name, rule in PROPERTIES.items() if name != "end" or side == 1}
        classifies = isinstance(model.network_, ManyToOne) and hasattr(model, "classes_")
        verdict = verdict_so_far(model, read) if classifies else {}
        return {**{name: np.asarray(rule(read.tokens), dtype=float) for name, rule in wanted.items()}, **verdict}
    measured = {}
    for name, rule in properties.items():
        numbers = np.asarray(rule(read.tokens), dtype=float)
        if numbers.shape != (len(read),):
            raise DataError(f"property {name!r} gave {numbers.shape} numbers for {len(read)} tokens: give one a token")
        measured[name] = numbers
    return measured


class _Moments:
    """Pearson's correlation of units with a number, over steps that arrive in parts.

    Means and sums of squares of the parts are joined as in Chan, Golub, LeVeque 1983, without losing digits.
    """

    def __init__(self) -> None:
        self.steps = 0

    def add(self, units: Array, numbers: Array) -> None:
        """Add steps: units [n, H] and numbers [n]; a step whose number is nan does not count."""
        counts = np.isfinite(numbers)
        x, y, n = units[counts].astype(np.float64), numbers[counts][:, None], int(counts.sum())
        if n == 0:
            x, y, n = np.zeros((0, units.shape[1])), np.zeros((0, 1)), 0
        mean_x, mean_y = (values.mean(0) if n else np.zeros(values.shape[1]) for values in (x, y))
        parts = (((x - mean_x) ** 2).sum(0), ((y - mean_y) ** 2).sum(0), ((x - mean_x) * (y - mean_y)).sum(0))
        if not self.steps:
            self.mean_x, self.mean_y, (self.xx, self.yy, self.xy), self.steps = mean_x, mean_y, parts, n
            return
        total = self.steps + n
        dx, dy, weight = mean_x - self.mean_x, mean_y - self.mean_y, self.steps * n / total
        self.xx, self.yy, self.xy = (
            own + part + weight * product
            for own, part, product in zip((self.xx, self.yy, self.xy), parts, (dx * dx, dy * dy, dx * dy), strict=True)
        )
        self.mean_x, self.mean_y = self.mean_x + dx * (n / total), self.mean_y + dy * (n / total)
        self.steps = total

    def correlation(self) -> Array:
        """The correlation of each unit, [H]; nan where the unit or the number never changes."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.where(self.xx * self.yy > 0, self.xy / np.sqrt(self.xx * self.yy), np.nan))


def _plain(token: str) -> str:
    """A token without the marker of a word's beginning."""
    return token.replace("▁", "")
