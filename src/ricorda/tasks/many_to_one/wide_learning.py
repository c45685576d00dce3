"""Learns the wide part of a network: linear models of the tokens and pairs that a text has, and what they say unseen.

Two models share each weight. In one, grams count by how much more often they occur in a class than outside it (Wang,
Manning 2012, "Baselines and Bigrams"); in the other, rare grams count more. Their mean errs less than either.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse  # type: ignore[import-untyped]
from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]
from scipy.special import log_softmax  # type: ignore[import-untyped]
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold
from torch import Tensor

from ricorda.tasks.many_to_one.wide import Wide

Array = NDArray[np.float64]
Matrix = Any
"""A sparse matrix [N, F] that has a one where a text has a gram."""

MOST_TEXTS, MOST_GRAMS, MOST_CLASSES = 20_000, 200_000, 100
"""Texts that are learned from, the grams that are kept, and the classes for which that takes seconds."""

FOLDS = 5
"""Parts of the texts; what the linear models say of one is learned from the others."""

CONTRAST_STRENGTH, RARITY_STRENGTH = 10.0, 1.0
"""The inverse regularisation of each model: the best on the training parts of three sets, by cross-validation."""

NUMBERS_STRENGTH = 10.0
"""The regularisation of a ridge regression, chosen alike."""


@dataclass(frozen=True)
class Linear:
    """Scores of each gram and a bias, [F, C] and [C], of texts whose grams count one over the root of their number."""

    weights: Array
    bias: Array

    def scores(self, grams: Matrix) -> Array:
        """The scores [N, C] of texts, of which only grams that were learned from count."""
        known = grams @ sparse.diags_array(self.weights.any(axis=1).astype(float))
        said: Array = _even(known) @ self.weights + self.bias
        return said

    def times(self, factor: float) -> Linear:
        """All scores times a factor."""
        return Linear(self.weights * factor, self.bias * factor)


@dataclass(frozen=True)
class LearnedWide:
    """The wide part of a network.

    Parameters
    ----------
    keys : int array [F, 2]
        The tokens of each gram, in order; the second is padding if there is one only.
    linear : Linear
        Their scores.
    offsets : array [N, C]
        What models that never saw a training text say of it: the network learns what is left.
    """

    keys: NDArray[np.int32]
    linear: Linear
    offsets: Array

    def put_into(self, wide: Wide) -> None:
        """Give a network's wide part these grams and their scores."""
        wide.keys.copy_(torch.from_numpy(self.keys))
        wide.weights.copy_(torch.from_numpy(self.linear.weights))
        wide.bias.copy_(torch.from_numpy(self.linear.bias))


def learn_classes(
    sequences: Sequence[Tensor], vocabulary: int, targets: NDArray[np.intp], classes: int, weights: Array | None
) -> LearnedWide:
    """Learn to tell classes: [N] indices of them; `weights` [classes] count examples of each class."""
    counted = np.ones(len(targets)) if weights is None else weights[targets]

    def fit(grams: Matrix, rows: NDArray[np.intp]) -> Linear:
        return _class_scores(grams, targets[rows], classes, counted[rows])

    def error(scores: Array) -> float:
        of_truth = log_softmax(scores, axis=1)[np.arange(len(targets)), targets]
        return -float((counted * of_truth).sum())

    return _learn(sequences, vocabulary, fit, error)


def learn_numbers(sequences: Sequence[Tensor], vocabulary: int, targets: Array) -> LearnedWide:
    """Learn standardised numbers [N, C]."""

    def fit(grams: Matrix, rows: NDArray[np.intp]) -> Linear:
        rare = _rarity(grams)
        model = Ridge(NUMBERS_STRENGTH, solver="sparse_cg", tol=1e-6)
        model.fit(_even(grams) @ sparse.diags_array(rare), targets[rows])
        return Linear((rare * np.atleast_2d(model.coef_)).T, np.reshape(model.intercept_, -1))

    return _learn(sequences, vocabulary, fit, lambda scores: float(np.square(scores - targets).sum()))


def _learn(
    sequences: Sequence[Tensor],
    vocabulary: int,
    fit: Callable[[Matrix, NDArray[np.intp]], Linear],
    error: Callable[[Array], float],
) -> LearnedWide:
    keys, grams = _grams(sequences, vocabulary)
    rows = np.random.default_rng(0).permutation(grams.shape[0])
    seen, others = rows[:MOST_TEXTS], rows[MOST_TEXTS:]
    whole = fit(grams[seen], seen)
    offsets = np.zeros((len(rows), len(whole.bias)))
    offsets[others] = whole.scores(grams[others])
    if len(seen) > 1:
        for training, held_out in KFold(min(FOLDS, len(seen))).split(seen):
            training, held_out = seen[training], seen[held_out]
            offsets[held_out] = fit(grams[training], training).scores(grams[held_out])
    # How far the scores are to be trusted is known from texts that were not learned from; few leave them as they are.
    factor = float(np.exp(minimize_scalar(lambda log: error(offsets * np.exp(log)) + log**2, bounds=(-3, 3)).x))
    return LearnedWide(keys, whole.times(factor), offsets * factor)


def _class_scores(grams: Matrix, targets: NDArray[np.intp], classes: int, counted: Array) -> Linear:
    weights, bias = np.zeros((grams.shape[1], classes)), np.zeros(classes)
    even, rare = _even(grams), _rarity(grams)
    for label in range(classes) if classes > 2 else (1,):
        own = targets == label
        if own.all() or not own.any():
            bias[label] = np.log(len(own) + 1) * (1 if own.all() else -1)
            continue
        for scale, strength in ((_contrast(grams, own), CONTRAST_STRENGTH), (rare, RARITY_STRENGTH)):
            model = LogisticRegression(C=strength, solver="liblinear", dual=True, random_state=0, max_iter=200)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(even @ sparse.diags_array(scale), own, sample_weight=counted)
            weights[:, label] += scale * model.coef_[0] / 2
            bias[label] += float(model.intercept_[0]) / 2
    if classes == 2:  # The difference of two scores is one model's.
        weights, bias = weights / 2, bias / 2
        weights[:, 0], bias[0] = -weights[:, 1], -bias[1]
    return Linear(weights, bias)


def _grams(sequences: Sequence[Tensor], vocabulary: int) -> tuple[NDArray[np.int32], Matrix]:
    """The keys [F, 2] of the grams of texts, in order, and which text has which."""
    lengths = [len(sequence) for sequence in sequences]
    tokens = torch.cat(list(sequences)).numpy()
    rows = np.repeat(np.arange(len(lengths)), lengths)
    joined = rows[1:] == rows[:-1]
    keys = np.concatenate([tokens * vocabulary, (tokens[:-1] * vocabulary + tokens[1:])[joined]])
    known, columns, counts = np.unique(keys, return_inverse=True, return_counts=True)
    places = np.concatenate([rows, rows[1:][joined]]).astype(np.int32), columns.astype(np.int32)  # For scikit-learn.
    ones = (np.ones(len(keys)), places)
    grams = sparse.csr_array(ones, shape=(len(lengths), len(known)))
    grams.data[:] = 1.0
    if len(known) > MOST_GRAMS:
        frequent = np.sort(np.argsort(-counts, kind="stable")[:MOST_GRAMS])
        known, grams = known[frequent], grams[:, frequent]
    return np.stack(np.divmod(known, vocabulary), axis=1).astype(np.int32), grams


def _even(grams: Matrix) -> Matrix:
    """Each row over the root of its sum."""
    return sparse.diags_array(1 / np.sqrt(np.maximum(grams.sum(axis=1), 1))) @ grams


def _rarity(grams: Matrix) -> Array:
    """Inverse document frequency of each gram, [F]; zero if it does not occur."""
    count = grams.sum(axis=0)
    return np.where(count > 0, 1 + np.log((1 + grams.shape[0]) / (1 + count)), 0.0)


def _contrast(grams: Matrix, own: NDArray[np.bool_]) -> Array:
    """How much more frequent each gram is in a class than outside it, a logarithm, [F]; zero if it does not occur."""
    inside, outside = grams[own].sum(axis=0), grams[~own].sum(axis=0)
    ratio = np.log((1 + inside) / (1 + inside).sum()) - np.log((1 + outside) / (1 + outside).sum())
    return np.where(inside + outside > 0, ratio, 0.0)
