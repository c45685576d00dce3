"""How good a tagger is: figures for tags or numbers, from their definition or a library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import mean_absolute_error, mean_squared_error, precision_recall_fscore_support, r2_score

from ricorda.tasks.scores import Figures, log_loss
from ricorda.tasks.worth import of_classes


@dataclass(frozen=True)
class TagScore:
    """Precision, recall and F1 of a tag, or of a type of span."""

    label: Any
    precision: float
    recall: float
    f1: float
    count: int


@dataclass(frozen=True, repr=False)
class TagReport(Figures):
    """An evaluation of tags.

    Parameters
    ----------
    sequences, steps : int
        The number of sequences, and of their steps.
    accuracy : float
        Share of steps with the right tag.
    unseen : int
        Words outside the vocabulary: those that the training never saw, in any case if `lowercase`.
    unseen_accuracy : float, optional
        Share of right tags among these words; None if there are none.
    log_loss : float
        Mean of -ln of the probability of the true tag, under a CRF its marginal, in nats.
    tags : a score for each tag of the model
    span_f1 : float, optional
        F1 of whole spans if the tags are BIO (Tjong Kim Sang, De Meulder 2003), by seqeval.
    spans : a score for each type of span
    """

    sequences: int
    steps: int
    accuracy: float
    unseen: int
    unseen_accuracy: float | None
    log_loss: float
    tags: tuple[TagScore, ...]
    span_f1: float | None
    spans: tuple[TagScore, ...]


@dataclass(frozen=True, repr=False)
class NumberReport(Figures):
    """An evaluation of numbers over all steps: mean squared and absolute error, share of variance explained."""

    sequences: int
    steps: int
    mse: float
    mae: float
    r2: float


def tag_report(
    truth: Sequence[NDArray[np.int64]],
    probabilities: Sequence[NDArray[np.float64]],
    verdicts: Sequence[NDArray[np.int64]],
    seen: Sequence[NDArray[np.bool_]],
    labels: Sequence[Any],
) -> TagReport:
    """Compare tags with the truth.

    Parameters
    ----------
    truth, verdicts : int arrays [T], one a sequence
        The index of each step's tag.
    probabilities : arrays [T, tags]
        The probability of each tag.
    seen : bool arrays [T]
        Whether the vocabulary holds each word.
    labels : sequence
        The names of the tags.
    """
    true, said, known = np.concatenate(truth), np.concatenate(verdicts), np.concatenate(seen)
    right = true == said
    of_truth = np.concatenate(
        [rows[np.arange(len(tags)), tags] for rows, tags in zip(probabilities, truth, strict=True)]
    )
    numbers = np.arange(len(labels))
    scores = precision_recall_fscore_support(true, said, labels=numbers, zero_division=0.0)
    span_f1, spans = _span_scores(_named(truth, labels), _named(verdicts, labels))
    return TagReport(
        sequences=len(truth),
        steps=len(true),
        accuracy=float(right.mean()),
        unseen=int((~known).sum()),
        unseen_accuracy=float(right[~known].mean()) if not known.all() else None,
        log_loss=log_loss(of_truth),
        tags=_scores(labels, scores),
        span_f1=span_f1,
        spans=spans,
        **of_classes({}, true, [], true, "tag"),
    )


def number_report(truth: Sequence[NDArray[Any]], said: Sequence[NDArray[Any]]) -> NumberReport:
    """Compare numbers [T, O], one array for each sequence, with the truth."""
    true, guess = np.concatenate(truth).astype(np.float64), np.concatenate(said).astype(np.float64)
    return NumberReport(
        sequences=len(truth),
        steps=len(true),
        mse=float(mean_squared_error(true, guess)),
        mae=float(mean_absolute_error(true, guess)),
        r2=float(r2_score(true, guess)) if len(true) > 1 else 0.0,
    )


def _named(tags: Sequence[NDArray[np.int64]], labels: Sequence[Any]) -> list[list[str]]:
    return [[str(labels[tag]) for tag in sequence] for sequence in tags]


def _span_scores(truth: list[list[str]], verdicts: list[list[str]]) -> tuple[float | None, tuple[TagScore, ...]]:
    occurring = {tag for tags in truth for tag in tags}
    if not all(tag == "O" or tag.startswith(("B-", "I-")) for tag in occurring) or occurring <= {"O"}:
        return None, ()
    from seqeval.metrics import f1_score
    from seqeval.metrics.sequence_labeling import get_entities
    from seqeval.metrics.sequence_labeling import precision_recall_fscore_support as scores_of_spans

    types = sorted({kind for part in (truth, verdicts) for kind, _, _ in get_entities(part)})
    return (
        float(f1_score(truth, verdicts, zero_division=0)),
        _scores(types, scores_of_spans(truth, verdicts, zero_division=0)),
    )


def _scores(labels: Sequence[Any], columns: Sequence[Any]) -> tuple[TagScore, ...]:
    return tuple(
        TagScore(label, float(precision), float(recall), float(f1), int(count))
        for label, precision, recall, f1, count in zip(labels, *columns, strict=True)
    )
