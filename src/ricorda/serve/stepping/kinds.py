"""Which models take steps; and forecasters, which take theirs without recurrent layers that go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ricorda.errors import ArgumentError, DataError
from ricorda.serve.stepping.session import Session
from ricorda.serve.stepping.stepped import NUMBERS, LanguageStepped, ManyToOneStepped, Stepped, TagStepped

Numbers = np.ndarray[Any, np.dtype[Any]]


class ForecastStepped(Stepped):
    """A forecaster: the steps to come, from the last ones of the stream."""

    def __init__(self, model: Any) -> None:
        if model.facts_.covariates:
            raise ArgumentError("a stream has no covariates of the steps to come, which the model reads: use predict")
        self.model, self.features = model, len(model.facts_.inputs)
        self.work = model.facts_.context * sum(weight.numel() for weight in model.network_.parameters())

    def begin(self) -> Session:
        """A session without any step."""
        return Session({"window": np.zeros((0, self.features), np.float64)})

    def read(self, step: Any) -> list[Any]:
        """A list of numbers, or a number alone where there is one."""
        step = [step] if type(step) in NUMBERS else step
        if not isinstance(step, list) or len(step) != self.features:
            names = ", ".join(self.model.facts_.inputs)
            raise DataError(f'a step is a list of {self.features} numbers ({names}): send it as in {{"step": [...]}}')
        try:
            row = np.array(step, np.float64)
        except (TypeError, ValueError, OverflowError):
            row = np.full(1, np.nan)
        if row.ndim != 1 or not np.isfinite(row).all():
            raise DataError("a step has a value that is no finite number: replace it")
        return [row]

    def take(self, sessions: Sequence[Session], steps: Sequence[Any]) -> None:
        """Keep a step of each session."""
        for session, step in zip(sessions, steps, strict=True):
            window = np.concatenate([session.arrays["window"], step[None]])[-self.model.facts_.context :]
            session.arrays["window"], session.steps = window, session.steps + 1

    def say(self, sessions: Sequence[Session]) -> list[Numbers]:
        """The forecasts [steps, variables, 1 + levels] of sessions with enough steps; empty of others."""
        return [self._forecast(session) for session in sessions]

    def _forecast(self, session: Session) -> Numbers:
        window = session.arrays["window"]
        if len(window) < self.model.facts_.context:
            return np.zeros(0, np.float32)
        forecast = self.model.forecast(window)
        values: Numbers = forecast.values[..., None]
        return values if forecast.quantiles is None else np.concatenate([values, forecast.quantiles], axis=2)

    def tell(self, session: Session, said: Numbers) -> dict[str, Any]:
        """The steps to come, each with the values and quantiles of its variables; or how many steps are missing."""
        if not len(said):
            return {"missing": self.model.facts_.context - len(session.arrays["window"])}
        facts, levels = self.model.facts_, self.model.network_.head.levels
        steps = []
        for row in said:
            variables = {}
            for name, (value, *bands) in zip(facts.targets, row.tolist(), strict=True):
                quantiles = {"quantiles": dict(zip(map(str, levels), bands, strict=True))} if bands else {}
                variables[name] = {"value": value, **quantiles}
            steps.append(variables)
        return {"forecast": steps}


_KINDS: dict[str, Callable[[Any], Stepped]] = {
    "classify": ManyToOneStepped,
    "regress": ManyToOneStepped,
    "tag": TagStepped,
    "language": LanguageStepped,
    "forecast": ForecastStepped,
}


def stepped(model: Any) -> Stepped:
    """A model as it takes steps.

    Raises
    ------
    ArgumentError
        If it cannot: it reads from both ends, attends to all steps together, or is a translator.
    """
    kind = _KINDS.get(model.TASK)
    if kind is None:
        raise ArgumentError(f"a model of the task {model.TASK} takes no steps: use predict")
    recurrent = getattr(model.network_, "recurrent", None)
    if recurrent is not None and recurrent.bidirectional:
        raise ArgumentError("the model reads from both ends, and a stream has no end: train it with --one-direction")
    return kind(model)
