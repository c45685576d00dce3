"""How good a classifier is: figures from their definition or from scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from ricorda.tasks.scores import Figures, log_loss

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class ClassReport:
    """Precision, recall and F1 of one class."""

    label: Any
    precision: float
    recall: float
    f1: float
    examples: int


@dataclass(frozen=True)
class Bin:
    """The predictions whose confidence, the probability of the verdict, is from `low` to less than `high`, or 1.

    Parameters
    ----------
    confidence, right : float
        Their mean confidence, and the share of them that is right.
    """

    low: float
    high: float
    examples: int
    confidence: float
    right: float


@dataclass(frozen=True, repr=False)
class Report(Figures):
    """An evaluation.

    Parameters
    ----------
    accuracy, macro_f1 : float
        Share of right predictions; mean F1 of the classes that occur in the truth or the predictions.
    calibration_error : float
        Expected calibration error: mean distance between confidence and accuracy, over 10 bins of confidence
        weighted by their examples (Guo et al. 2017, equation 3).
    log_loss : float
        Mean of -ln of the probability of the true class, in nats.
    classes : a report for each class
    confusion : [truth][verdict], counts in the order of `classes`
    reliability : the bins of confidence that have examples (DeGroot, Fienberg 1983)
    """

    examples: int
    accuracy: float
    macro_f1: float
    calibration_error: float
    log_loss: float
    classes: tuple[ClassReport, ...]
    confusion: tuple[tuple[int, ...], ...]
    reliability: tuple[Bin, ...]

    def plot(self) -> Figure:
        """The reliability diagram."""
        from ricorda.tasks.classify.pictures import draw_reliability

        return draw_reliability(self.reliability, self.calibration_error)


def report(truth: NDArray[np.intp], probabilities: NDArray[np.floating], labels: Sequence[Any]) -> Report:
    """Compare probabilities with the truth.

    Parameters
    ----------
    truth : int array [N]
        The index of each example's class.
    probabilities : array [N, classes]
        Rows that sum to one.
    labels : sequence
        The names of the classes.
    """
    verdict = probabilities.argmax(1)
    numbers = np.arange(len(labels))
    precision, recall, f1, examples = precision_recall_fscore_support(truth, verdict, labels=numbers, zero_division=0.0)
    confusion = confusion_matrix(truth, verdict, labels=numbers)
    occurring = (confusion.sum(0) + confusion.sum(1)) > 0
    of_truth = probabilities[np.arange(len(truth)), truth]
    return Report(
        examples=len(truth),
        accuracy=float(accuracy_score(truth, verdict)),
        macro_f1=float(np.mean(f1[occurring])),
        calibration_error=calibration_error(probabilities.max(1), verdict == truth),
        log_loss=log_loss(of_truth),
        classes=tuple(
            ClassReport(label, float(p), float(r), float(f), int(n))
            for label, p, r, f, n in zip(labels, precision, recall, f1, examples, strict=True)
        ),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        reliability=reliability(probabilities.max(1), verdict == truth),
    )


def calibration_error(confidence: NDArray[np.floating], right: NDArray[np.bool_], bins: int = 10) -> float:
    """Expected calibration error of predictions; see `Report`."""
    filled = reliability(confidence, right, bins)
    return sum(one.examples * abs(one.right - one.confidence) for one in filled) / len(right)


def reliability(confidence: NDArray[np.floating], right: NDArray[np.bool_], bins: int = 10) -> tuple[Bin, ...]:
    """The bins of equal width that have predictions; see `Report`."""
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    return tuple(
        Bin(
            index / bins,
            (index + 1) / bins,
            int(chosen.sum()),
            float(confidence[chosen].mean()),
            float(right[chosen].mean()),
        )
        for index in np.unique(bin_of).tolist()
        for chosen in (bin_of == index,)
    )
