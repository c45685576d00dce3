"""The parameters of a regressor."""

from __future__ import annotations

from dataclasses import dataclass

from ricorda.tasks.parameters import TRAINING, ManyToOneParameters, parameter
from ricorda.tasks.rules import one_of


@dataclass(repr=False, eq=False, kw_only=True)
class RegressParameters(ManyToOneParameters):
    """The parameters of `SequenceRegressor`. Dropout costs more than it gains where exact numbers are read."""

    learning_rate: float = 5e-3
    loss: str = parameter(
        "mse",
        one_of("mse", "mae"),
        "mse or mae: squared or absolute error.",
        "Of the standardised targets; the second minds outliers less.",
        panel=TRAINING,
    )
