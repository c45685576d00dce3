"""One series or several, read from an argument of a Python call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ricorda.data.series import Series, as_series
from ricorda.errors import DataError


def read_several(
    value: Any, argument: str, covariates: Any, targets: Sequence[Any], *, missing: bool = False
) -> list[Series]:
    """One series, or a list of several arrays or `Series`, which must have the same variables.

    If `missing`, a number may be NaN; see `as_series`.

    Raises
    ------
    DataError
        If one is invalid, or has other variables than the first.
    """
    if not are_several(value):
        return [as_series(value, argument, covariates=covariates, targets=targets, missing=missing)]
    if covariates is not None and (not isinstance(covariates, list | tuple) or len(covariates) != len(value)):
        raise DataError(f"{argument} holds {len(value)} series: give covariates as a list of as many arrays")
    known = [None] * len(value) if covariates is None else covariates
    parts = [
        as_series(series, f"{argument}[{index}]", covariates=beside, targets=targets, missing=missing)
        for index, (series, beside) in enumerate(zip(value, known, strict=True))
    ]
    for index, part in enumerate(parts):
        for what in ("names", "covariate_names", "targets"):
            first, other = getattr(parts[0], what), getattr(part, what)
            if first != other:
                raise DataError(
                    f"{argument}[{index}] has the {what.replace('_', ' ')} {', '.join(other) or 'none'}, and "
                    f"{argument}[0] {', '.join(first) or 'none'}: give all series the same"
                )
        if (part.clock.unit, part.clock.count) != (parts[0].clock.unit, parts[0].clock.count):
            raise DataError(
                f"{argument}[{index}] has steps of {part.clock.words}, and {argument}[0] of {parts[0].clock.words}: "
                "give series of the same"
            )
    return parts


def are_several(value: Any) -> bool:
    """Whether an argument is a list of several series, and not the numbers of one."""
    return (
        isinstance(value, list | tuple)
        and len(value) > 0
        and all(isinstance(part, Series) or getattr(part, "ndim", 0) > 0 for part in value)
    )
