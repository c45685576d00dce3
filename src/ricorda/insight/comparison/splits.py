"""One split of the data for every training of a comparison: what is trained on, chosen by, and measured on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ricorda.data.fingerprint import fingerprint
from ricorda.data.series import Series
from ricorda.errors import ArgumentError
from ricorda.tasks.estimator import SequenceEstimator
from ricorda.tasks.measure import Part


@dataclass(frozen=True)
class Split:
    """The data of a comparison.

    Attributes
    ----------
    X, y, validation
        What every `fit` is given; `validation` is None where the task holds out the same whatever the seed.
    test : (X, y)
        What the cells are measured on.
    where : str
        What that is: "test" data, or the "validation" data by which epochs and rates are chosen too.
    """

    X: Any
    y: Any
    validation: Any
    test: tuple[Any, Any]
    where: str

    @cached_property
    def digest(self) -> str:
        """A hash of what is trained on and chosen by."""
        return fingerprint(*map(_plain, (self.X, self.y, self.validation)))


def split(model: SequenceEstimator, X: Any, y: Any, *, validation: Any, test: Any, seed: int) -> Split:
    """Split the data once, as the task itself would with this seed.

    Parameters
    ----------
    model : SequenceEstimator
        Its task decides how, its `validation_fraction` how much is held out.
    X, y
        What `fit` takes.
    validation : as `fit` takes it, optional
        Instead of a part of X.
    test : (X, y), optional
        Instead of the validation data, to measure on.
    seed : int
        Of the split.

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
    """Data as `fingerprint` hashes it whole."""
    if isinstance(data, Series):
        return data.values, data.observed, data.covariates, data.names, data.targets
    if isinstance(data, tuple | list) and any(isinstance(part, Series | Part) for part in data):
        return [_plain(part) for part in data]
    return getattr(data, "inputs", data)
