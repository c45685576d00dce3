"""The baseline in a model's folder, which evaluations compare with: a bag of tokens, or their frequencies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from torch import Tensor

from ricorda.errors import ModelFolderError

Baseline = Mapping[str, Tensor]
"""Its numbers by name: those of BAG, or COUNTS alone; none where there is no baseline."""

BAG = ("tokens", "idf", "weights", "bias")
"""Ids [V] and inverse document frequencies [V]; weights [outputs, V] of the TF-IDF, and biases [outputs]."""

COUNTS = "counts"
"""How often each id, [vocabulary], stands in the training text."""

_MOST_TEXTS = 20_000
"""Texts that the bag of tokens learns from at most, so that it costs about a second."""

_MOST_NUMBERS = 2_000_000
"""Weights of a bag of tokens at most, 8 MB; there is none where it would have more."""

_NEVER = -1e9
"""The bias of a class that none of the texts has that the bag learned from."""


def bag_of_classes(sequences: Sequence[Tensor], targets: NDArray[Any], classes: int) -> Baseline:
    """A logistic regression on a bag of tokens; nothing where numbers are read, or it would be too large."""
    texts, known = sequences[:_MOST_TEXTS], np.unique(targets[:_MOST_TEXTS])
    if not _is_for(sequences, classes) or len(known) < 2:
        return {}
    vectors, model = TfidfVectorizer(analyzer=Tensor.tolist), LogisticRegression(max_iter=1_000)
    model.fit(vectors.fit_transform(texts), targets[:_MOST_TEXTS])
    weights, bias = np.zeros((classes, model.coef_.shape[1])), np.full(classes, _NEVER)
    rows = known[1:] if len(known) == 2 else known  # Of two classes it has the second's weights alone.
    bias[known] = 0
    weights[rows], bias[rows] = model.coef_, model.intercept_
    return _tensors(vectors, weights, bias)


def bag_of_numbers(sequences: Sequence[Tensor], targets: NDArray[Any]) -> Baseline:
    """A ridge regression of targets [N, outputs] on a bag of tokens; nothing where there is none of classes."""
    outputs = targets.shape[1]
    if not _is_for(sequences, outputs):
        return {}
    vectors, model = TfidfVectorizer(analyzer=Tensor.tolist), Ridge()
    model.fit(vectors.fit_transform(sequences[:_MOST_TEXTS]), targets[:_MOST_TEXTS])
    return _tensors(vectors, model.coef_.reshape(outputs, -1), np.reshape(model.intercept_, outputs))


def by_bag(bag: Baseline, sequences: Sequence[Tensor]) -> NDArray[np.float64]:
    """What a bag of tokens says of sequences, [N, outputs]: numbers, or scores of classes."""
    tokens, idf, weights, bias = (bag[name].double().numpy() for name in BAG)
    vectors = TfidfVectorizer(analyzer=Tensor.tolist, vocabulary={int(id): row for row, id in enumerate(tokens)})
    vectors.idf_ = idf
    said: NDArray[np.float64] = vectors.transform(sequences) @ weights.T + bias
    return said


def frequencies(ids: Tensor, vocabulary: int) -> Baseline:
    """How often each id stands in a text."""
    return {COUNTS: torch.bincount(ids.flatten().long(), minlength=vocabulary)}


def check_baseline(baseline: Baseline, *, outputs: int = 0, vocabulary: int = 0) -> None:
    """Hold the baseline of a file to the model's sizes: that of a bag's outputs, or of a vocabulary.

    Raises
    ------
    ModelFolderError
        If it is none, or one of other sizes.
    """
    if not baseline:
        return
    shapes = {name: tuple(tensor.shape) for name, tensor in baseline.items()}
    tokens = np.unique(baseline.get("tokens", []))
    of_bag = (len(tokens),), (len(tokens),), (outputs, len(tokens)), (outputs,)
    wanted = dict(zip(BAG, of_bag, strict=True)) if outputs else {COUNTS: (vocabulary,)}
    numbers = all(t.dtype in (torch.int64, torch.float32) and t.isfinite().all() for t in baseline.values())
    if shapes != wanted or not numbers or (COUNTS in wanted and baseline[COUNTS].min() < 0):
        raise ModelFolderError("its baseline is not that of the model's sizes")


def _is_for(sequences: Sequence[Tensor], outputs: int) -> bool:
    """Whether token ids are read, and not so many of so many outputs that the bag would be too large."""
    if not sequences or sequences[0].is_floating_point():
        return False
    highest = max(int(sequence.max()) for sequence in sequences if len(sequence))
    return (highest + 1) * outputs <= _MOST_NUMBERS


def _tensors(vectors: TfidfVectorizer, weights: NDArray[Any], bias: NDArray[Any]) -> Baseline:
    tokens = np.array(vectors.get_feature_names_out().tolist(), dtype=np.int64)
    parts = (tokens, *(array.astype(np.float32) for array in (vectors.idf_, weights, bias)))
    return {name: torch.from_numpy(np.ascontiguousarray(part)) for name, part in zip(BAG, parts, strict=True)}
