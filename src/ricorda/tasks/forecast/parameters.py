"""The parameters of a forecaster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ricorda.errors import ArgumentError
from ricorda.tasks.parameters import Parameters, parameter
from ricorda.tasks.rules import COUNT, FLAG, OPTIONAL_COUNT, Rule, is_number, one_of

if TYPE_CHECKING:
    from ricorda.program.cell import Cell
    from ricorda.program.ir import Program

SERIES = "The series"
AS_THEY_ARE = "none"
"""The value of `--normalize` for numbers that stay as they are."""


def _are_levels(value: Any) -> bool:
    """Whether a value is a sequence of quantile levels."""
    if not isinstance(value, list | tuple) or not all(is_number(level) and 0 < level < 1 for level in value):
        return False
    return 0.5 in value and list(value) == sorted(set(value))


def _levels(text: str) -> list[float]:
    try:
        return [float(level) for level in text.split(",")]
    except ValueError:
        raise ArgumentError(
            f"--quantiles is {text!r:.40}: give numbers with commas between them, as 0.1,0.5,0.9"
        ) from None


@dataclass(repr=False, eq=False, kw_only=True)
class ForecastParameters(Parameters):
    """The parameters of `Forecaster`."""

    cell: str | Cell | Program | Callable[..., Any] = field(default="gru", kw_only=False)
    hidden_size: int = 64
    dropout: float = 0.2
    learning_rate: float = 1e-3
    horizon: int = parameter(1, COUNT, "Steps to forecast.", panel="")
    context: int | None = parameter(
        None,
        OPTIONAL_COUNT,
        "Steps that a forecast is made from.",
        "With None four seasons or three horizons, at most a quarter of the series.",
        panel=SERIES,
    )
    patch: int = parameter(
        1, COUNT, "Steps read together as one.", "24 hours as one day; it divides `context`.", panel=SERIES
    )
    season: int | None = parameter(
        None,
        OPTIONAL_COUNT,
        "Steps of a season, as 24 of hours; the calendar says it if nothing else does.",
        "For the baseline and MASE.",
        panel=SERIES,
    )
    strategy: str = parameter(
        "direct", one_of("direct", "recursive"), "direct: all steps at once; recursive: one, which is fed back."
    )
    head: str = parameter(
        "point", one_of("point", "quantile", "gaussian"), "What is said of a step: point, quantile or gaussian."
    )
    loss: str = parameter("mse", one_of("mse", "mae"), "Of the head point: mse or mae.", "The others have their own.")
    quantiles: Sequence[float] = parameter(
        (0.1, 0.5, 0.9),
        Rule(_are_levels, "rising numbers between 0 and 1, with 0.5 among them"),
        "Quantiles of the bands, as 0.1,0.5,0.9.",
        "Of the heads quantile and gaussian.",
        read=_levels,
    )
    normalize: str | None = parameter(
        "window",
        Rule(one_of("window", "series").holds, "window, series or None", optional=True),
        "What is brought to mean 0 and deviation 1: each window, the whole series, or none.",
        "Windows as in RevIN (Kim et al. 2022); with None the numbers are taken as they are.",
        read=lambda text: None if text == AS_THEY_ARE else text,
    )
    affine: bool = parameter(
        False,
        FLAG,
        "Whether it has a learned gain and shift.",
        "The normalisation of windows, for each variable.",
        option="affine/--no-affine",
    )
    independent: bool = parameter(
        True,
        FLAG,
        "Whether each variable is forecast from itself alone.",
        "By one and the same network; otherwise the network sees all at once.",
        option="independent/--together",
    )
    autoregression: bool = parameter(
        True,
        FLAG,
        "Whether a linear map runs beside the network.",
        "From a variable's own window (LSTNet: Lai et al. 2018).",
        option="autoregression/--no-autoregression",
    )
