"""One split of the data, used by every training of a comparison: training, validation and test data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ricorda.data.fingerprint import fingerprint
from ricorda.data.held_out import Part
from ricorda.data.series import Series
from ricorda.errors import ArgumentError
from ricorda.tasks.estimator import SequenceEstimator


@dataclass(frozen=True)
class Split:
    """The data of a comparison.

    Attributes
    ----------
    X, y, validation
        The arguments of every `fit`. `validation` is None if the task holds out the same examples for every seed.
    test : (X, y)
        The data that the cells are measured on.
    where : str
        Their name: "test", or "validation" if these data also choose epochs and learning rates.
    """

    X: Any
    y: Any
    validation: Any
    test: tuple[Any, Any]
    where: str

    @cached_property
    def digest(self) -> str:
        """A hash of the training and validation data."""
        return fingerprint(*map(_plain, (self.X, self.y, self.validation)))


def split(model: SequenceEstimator, X: Any, y: Any, *, validation: Any, test: Any, seed: int) -> Split:
    """Split the data once, as the task itself does with this seed.

    Parameters
    ----------
    model : SequenceEstimator
        Its task decides how to split, and its `validation_fraction` how much to hold out.
    X, y
        As `fit` takes them.
    validation : as `fit` takes it, optional
        Validation data, instead of a part of X.
    test : (X, y), optional
        Test data to measure on, instead of the validation data.
    seed : int
        Seed of the split.

    Raises
    ------
    ArgumentError
        If nothing would be left to measure on.
    """
    if validation is None and not model.validation_fraction:
        raise ArgumentError(
            "validation_fraction is 0, which leaves nothing to choose epochs and learning rates by: "
            "hold some examples out, or give others to validate on"
        )
    if validation is None:
        X, y, validation = model._hold_out(X, y, seed)
    return Split(X, y, validation, model._measured_on(X, validation, test), "validation" if test is None else "test")


def _plain(data: Any) -> Any:
    """Data in a form that `fingerprint` hashes completely."""
    if isinstance(data, Series):
        return data.values, data.observed, data.covariates, data.names, data.targets
    if isinstance(data, tuple | list) and any(isinstance(part, Series | Part) for part in data):
        return [_plain(part) for part in data]
    return getattr(data, "inputs", data)
