"""A forecast: its values, their bands, and their times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ricorda.data.clock import Clock
from ricorda.data.series import Values
from ricorda.shown import Shown

if TYPE_CHECKING:
    import polars
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class Forecast(Shown):
    """The forecast of the steps after a series.

    Attributes
    ----------
    values : array [steps, V]
        The forecast: the median, or the mean if the head is "gaussian" or the loss is squared.
    quantiles : array [steps, V, levels], optional
        The quantiles at `levels`; None if the model gives one number.
    levels : tuple of float
        Shares of the truth that should lie below each quantile.
    names : tuple of str
        The names of the variables.
    history : array [T, V]
        The steps that the forecast was made from.
    clock : Clock
        The times of the steps. The first forecast is step 0; steps of the history are negative.
    time : str, optional
        The name of the times.
    """

    values: Values
    quantiles: Values | None
    levels: tuple[float, ...]
    names: tuple[str, ...]
    history: Values
    clock: Clock
    time: str | None = None

    @property
    def times(self) -> tuple[str, ...]:
        """The time of each step, as text."""
        return tuple(map(self.clock.text, range(len(self.values))))

    def to_frame(self) -> polars.DataFrame:
        """A row for each step and variable: `time, variable, value`, and a column for each level of quantiles."""
        import polars

        bands = (
            {}
            if self.quantiles is None
            else {f"{level:g}": self.quantiles[..., at].ravel() for at, level in enumerate(self.levels)}
        )
        steps, variables = self.values.shape
        times = [time for time in self.times for _ in range(variables)]
        named = {"time": times, "variable": self.names * steps, "value": self.values.ravel()}
        return polars.DataFrame({**named, **bands})

    def plot(self) -> Figure:
        """Each variable's last steps, the forecast after them and its bands."""
        from ricorda.tasks.forecast.pictures import draw_forecast

        return draw_forecast(self)

    def to_json(self) -> list[dict[str, Any]]:
        """An object for each step: its time, and the value of each variable, with its quantiles by level."""
        steps = []
        for step, time in enumerate(self.times):
            variables = {}
            for position, name in enumerate(self.names):
                bands = {}
                if self.quantiles is not None:
                    bands = dict(zip(map(str, self.levels), self.quantiles[step, position].tolist(), strict=True))
                variables[name] = {
                    "value": float(self.values[step, position]),
                    **({"quantiles": bands} if bands else {}),
                }
            steps.append({"time": time, "variables": variables})
        return steps
