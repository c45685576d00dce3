"""How good predicted numbers are: each figure from scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from ricorda.tasks.scores import Figures


@dataclass(frozen=True)
class OutputReport:
    """The errors of one output, in its own unit."""

    name: str
    r2: float
    mae: float
    rmse: float


@dataclass(frozen=True, repr=False)
class Report(Figures):
    """An evaluation.

    Parameters
    ----------
    examples : int
    r2 : float
        Share of the variance that is explained, the mean over outputs: 1 is perfect, 0 is as good as the mean of the
        truth, and less is worse. If the truth is constant it is 1 if met exactly and 0 if not.
    mae, rmse : float
        Mean absolute error and root of the mean squared error, the mean over outputs.
    outputs : a report for each output
    """

    examples: int
    r2: float
    mae: float
    rmse: float
    outputs: tuple[OutputReport, ...]


def report(truth: NDArray[np.float64], said: NDArray[np.float64], names: Sequence[str]) -> Report:
    """Compare predicted numbers with the truth.

    Parameters
    ----------
    truth, said : array [N, outputs]
        At least two rows.
    names : sequence of str
        The names of the outputs.
    """
    columns = [
        [float(value) for value in measure(truth, said, multioutput="raw_values")]
        for measure in (r2_score, mean_absolute_error, root_mean_squared_error)
    ]
    outputs = tuple(OutputReport(*figures) for figures in zip(names, *columns, strict=True))
    r2, mae, rmse = (float(np.mean(column)) for column in columns)
    return Report(len(truth), r2, mae, rmse, outputs)
