"""The baseline in a model's folder, which evaluations compare with: a linear model, or the frequencies of tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from ricorda.errors import ModelFolderError

Baseline = Mapping[str, Tensor]
"""Its numbers by name: those of BAG or LINEAR, or COUNTS alone; none where there is no baseline."""

LINEAR = ("weights", "bias")
"""Weights [outputs, V] of an example's vector, and biases [outputs]. The vector of an array is its numbers at steps
evenly apart, V = steps * I."""

BAG = ("tokens", "idf", *LINEAR)
"""Ids [V] and inverse document frequencies [V], so that the vector of a text is TF-IDF; and the model on it."""

COUNTS = "counts"
"""How often each id, [vocabulary], stands in the training text."""

_MOST_TEXTS, _MOST_NUMBERS, _MOST_STEPS = 20_000, 2_000_000, 50
"""Texts, numbers of arrays, and steps of each that a linear model learns from at most: it costs about a second."""

_MOST_WEIGHTS = 2_000_000
"""Weights of a linear model at most, 8 MB; there is none where it would have more."""

_NEVER = -1e9
"""The bias of a class that none of the examples has that the linear model learned from."""


def linear_of_classes(sequences: Sequence[Tensor], targets: NDArray[Any], classes: int) -> Baseline:
    """A logistic regression on a bag of tokens or on steps of arrays; nothing where it would be too large."""
    count = _count(sequences, classes)
    known = np.unique(targets[:count])
    if len(known) < 2:
        return {}
    vectors, numbers = _vectors(sequences[:count])
    model = LogisticRegression(max_iter=1_000).fit(numbers, targets[:count])
    weights, bias = np.zeros((classes, model.coef_.shape[1])), np.full(classes, _NEVER)
    rows = known[1:] if len(known) == 2 else known  # Of two classes it has the second's weights alone.
    bias[known] = 0
    weights[rows], bias[rows] = model.coef_, model.intercept_
    return _tensors(vectors, weights, bias)


def linear_of_numbers(sequences: Sequence[Tensor], targets: NDArray[Any]) -> Baseline:
    """A ridge regression of targets [N, outputs], of the same vectors; nothing where there is none of classes."""
    outputs = targets.shape[1]
    count = _count(sequences, outputs)
    if not count:
        return {}
    vectors, numbers = _vectors(sequences[:count])
    model = Ridge().fit(numbers, targets[:count])
    return _tensors(vectors, model.coef_.reshape(outputs, -1), np.reshape(model.intercept_, outputs))


def by_linear(baseline: Baseline, sequences: Sequence[Tensor]) -> NDArray[np.float64]:
    """What a linear model says of sequences, [N, outputs]: numbers, or scores of classes."""
    weights, bias = (baseline[name].double().numpy() for name in LINEAR)
    if "tokens" in baseline:
        tokens, idf = (baseline[name].double().numpy() for name in ("tokens", "idf"))
        vectors = TfidfVectorizer(analyzer=Tensor.tolist, vocabulary={int(id): row for row, id in enumerate(tokens)})
        vectors.idf_ = idf
        numbers = vectors.transform(sequences)
    else:
        numbers = evenly(sequences, weights.shape[1] // sequences[0].shape[1])
    said: NDArray[np.float64] = numbers @ weights.T + bias
    return said


def evenly(sequences: Sequence[Tensor], steps: int) -> NDArray[np.float64]:
    """Numbers [N, steps * I] of sequences [T, I], interpolated at steps evenly apart from the first to the last."""
    rows = []
    for sequence in sequences:
        values, at = sequence.double().numpy(), np.linspace(0, len(sequence) - 1, steps)
        low = at.astype(int)
        share, high = (at - low)[:, None], np.minimum(low + 1, len(values) - 1)
        rows.append(((1 - share) * values[low] + share * values[high]).ravel())
    return np.stack(rows)


def frequencies(ids: Tensor, vocabulary: int) -> Baseline:
    """How often each id stands in a text."""
    return {COUNTS: torch.bincount(ids.flatten().long(), minlength=vocabulary)}


def check_baseline(baseline: Baseline, *, outputs: int = 0, features: int = 0, vocabulary: int = 0) -> None:
    """Hold the baseline of a file to the model's sizes: outputs and features of a linear model, or a vocabulary.

    Raises
    ------
    ModelFolderError
        If it is none, or one of other sizes.
    """
    if not baseline:
        return
    shapes = {name: tuple(tensor.shape) for name, tensor in baseline.items()}
    tokens, width = np.unique(baseline.get("tokens", [])), shapes.get("weights", (0,))[-1]
    of_bag = (len(tokens),), (len(tokens),), (outputs, len(tokens)), (outputs,)
    wanted: dict[str, tuple[int, ...]] = {COUNTS: (vocabulary,)}
    if outputs:
        wanted = dict(zip(BAG, of_bag, strict=True))
    if features:
        wanted = {"weights": (outputs, max(width // features, 1) * features), "bias": (outputs,)}
    numbers = all(t.dtype in (torch.int64, torch.float32) and t.isfinite().all() for t in baseline.values())
    if shapes != wanted or not numbers or (COUNTS in wanted and baseline[COUNTS].min() < 0):
        raise ModelFolderError("its baseline is not that of the model's sizes")


def _count(sequences: Sequence[Tensor], outputs: int) -> int:
    """Examples that a linear model of so many outputs learns from; 0 if it would be too large, or there are none."""
    if not sequences:
        return 0
    if sequences[0].is_floating_point():
        width = _steps(sequences) * sequences[0].shape[1]
        return len(sequences[: _MOST_NUMBERS // width]) if width * outputs <= _MOST_WEIGHTS else 0
    highest = max(int(sequence.max()) for sequence in sequences if len(sequence))
    return len(sequences[:_MOST_TEXTS]) if (highest + 1) * outputs <= _MOST_WEIGHTS else 0


def _steps(sequences: Sequence[Tensor]) -> int:
    """Their mean length, within bounds."""
    return min(round(sum(map(len, sequences)) / len(sequences)), _MOST_STEPS)


def _vectors(sequences: Sequence[Tensor]) -> tuple[Any, Any]:
    """What makes vectors of sequences, fitted, and its vectors of these."""
    if sequences[0].is_floating_point():
        scaler = StandardScaler()
        return scaler, scaler.fit_transform(evenly(sequences, _steps(sequences)))
    vectors = TfidfVectorizer(analyzer=Tensor.tolist)
    return vectors, vectors.fit_transform(sequences)


def _tensors(vectors: Any, weights: NDArray[Any], bias: NDArray[Any]) -> Baseline:
    parts: dict[str, NDArray[Any]] = {}
    if isinstance(vectors, StandardScaler):
        weights = weights / vectors.scale_
        bias = bias - weights @ vectors.mean_
    else:
        parts = {"tokens": np.array(vectors.get_feature_names_out().tolist(), dtype=np.int64)}
        parts["idf"] = vectors.idf_.astype(np.float32)
    if max(np.abs(weights).max(), np.abs(bias).max()) > np.finfo(np.float32).max:  # The numbers read are tiny ones.
        return {}
    parts |= {"weights": weights.astype(np.float32), "bias": bias.astype(np.float32)}
    return {name: torch.from_numpy(np.ascontiguousarray(part)) for name, part in parts.items()}
