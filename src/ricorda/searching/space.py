"""What is searched: a parameter's values, from the table of this file or from a user's own file."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sklearn.base import clone

from ricorda.errors import RicordaError, SpaceError
from ricorda.program.ir import Program
from ricorda.searching.extra import optuna
from ricorda.tasks.cells import as_program
from ricorda.tasks.estimator import SequenceEstimator
from ricorda.tasks.parameters import POOLINGS, READING, about, parameters_of, type_of

FloatDistribution = optuna.distributions.FloatDistribution
IntDistribution = optuna.distributions.IntDistribution
CategoricalDistribution = optuna.distributions.CategoricalDistribution
Distribution = FloatDistribution | IntDistribution | CategoricalDistribution
Row = Callable[[Any], Distribution]
"""From a parameter's default to the values that are tried."""


def _around(low: float, high: float) -> Row:
    """From `low` to `high` times the default, as densely everywhere on a logarithmic scale."""

    def row(default: Any) -> Distribution:
        if isinstance(default, int):
            return IntDistribution(max(1, round(low * default)), max(1, round(high * default)), log=True)
        return FloatDistribution(low * default, high * default, log=True)

    return row


def _between(low: float, high: float) -> Row:
    """From `low` to `high`, or to the default if that is higher."""
    return lambda default: FloatDistribution(low, max(high, default))


def _among(*choices: Any) -> Row:
    """The default, or one of the choices."""
    return lambda default: CategoricalDistribution(list(dict.fromkeys([default, *choices])))


ROWS: Mapping[str, Row] = {
    "cell": _among("lstm", "gru"),
    "hidden_size": _around(1 / 4, 2),
    "num_layers": lambda default: IntDistribution(1, max(2, default)),
    "dropout": _between(0.0, 0.7),
    "batch_size": _around(1 / 4, 4),
    "learning_rate": _around(1 / 10, 10),
    "weight_decay": _around(1 / 10, 10),
    "embedding_size": _around(1 / 2, 2),
    "word_dropout": _between(0.0, 0.5),
    "pooling": _among(*POOLINGS),
    "character_hidden_size": _around(1 / 2, 2),
    "crf": _among(False, True),
    "attention": _among("multiplicative", "additive"),
    "label_smoothing": _between(0.0, 0.2),
    "state_dropout": _between(0.0, 0.5),
}
"""A row for each parameter that a search tries by itself, in the tasks that have it."""

OF_TOKENS = ("embedding_size", "word_dropout", "character_hidden_size")
"""Those that have no meaning where arrays are read."""

MEASURE = ("random_state", "validation_fraction", "scoring", "device", "horizon", "pretrained")
"""Parameters that decide what a trial is measured by, or where: trials that differ in them do not compare."""


@dataclass(frozen=True)
class Space:
    """The parameters that a search tries.

    Parameters
    ----------
    distributions : mapping
        For each parameter the values, as Optuna has them.
    cells : mapping
        The program of each cell among them, by the name that it has there.
    """

    distributions: Mapping[str, Distribution]
    cells: Mapping[str, Program] = field(default_factory=dict)

    def suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        """The parameters of a trial."""
        return {name: _suggest(trial, name, values) for name, values in self.distributions.items()}

    def has(self, parameters: Mapping[str, Any]) -> bool:
        """Whether a search could come to these parameters."""
        return all(_has(values, parameters[name]) for name, values in self.distributions.items())

    def arguments(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters as an estimator takes them."""
        cell = {"cell": self.cells[parameters["cell"]]} if "cell" in parameters else {}
        return {**parameters, **cell}

    def to_json(self) -> dict[str, Any]:
        """All that the search depends on."""
        to_json = optuna.distributions.distribution_to_json
        values = {name: json.loads(to_json(values)) for name, values in self.distributions.items()}
        return {**values, **({"cells": {name: p.to_json() for name, p in self.cells.items()}} if self.cells else {})}


def searched_names(model: SequenceEstimator, fixed: Collection[str] | None = None) -> list[str]:
    """The parameters of a task that have a row and are not fixed: by default, those that the model leaves at default.

    Parameters
    ----------
    fixed : collection of str, optional
        Parameters that the user has given.
    """
    if fixed is None:
        fixed = [parameter.name for parameter, _ in parameters_of(type(model)) if _differs(model, parameter)]
    return [known.name for known, _ in parameters_of(type(model)) if known.name in ROWS and known.name not in fixed]


def own_space(model: SequenceEstimator, defaults: Callable[[str], Any], names: Collection[str]) -> Space:
    """The space of the table's rows.

    Parameters
    ----------
    defaults : callable
        A parameter's default value in this training, with a number where it is "auto".
    names : collection of str
        From `searched_names`.
    """
    distributions: dict[str, Distribution] = {}
    for name in names:
        default = defaults(name)
        if default or isinstance(default, float | bool):  # Without an attention, say, there is none to choose.
            values = ROWS[name](default)
            if not (isinstance(values, FloatDistribution) and values.high <= values.low):
                distributions[name] = values
    cells = _ends(distributions["cell"]) if "cell" in distributions else []
    return Space(distributions, {cell: _program(model, cell) for cell in cells})


def read_space(source: str | Path | Mapping[str, Any], model: SequenceEstimator, fixed: Collection[str] = ()) -> Space:
    """A user's own space.

    Parameters
    ----------
    source : path or mapping
        A TOML file, or what is in one: for each parameter `{low=..., high=...}`, with `log=true` or `step=...` if
        wanted, a list of values, or one value.
    fixed : collection of str
        Parameters that the user has given.

    Raises
    ------
    SpaceError
        If the file cannot be read, a parameter is unknown or given, or a value breaks the parameter's own rule.
    """
    written, place = (source, "space") if isinstance(source, Mapping) else (_toml(Path(source)), str(source))
    if not written:
        raise SpaceError(f"{place} has no parameter: give one at least, as learning_rate = {{low=1e-4, high=1e-2}}")
    known = {parameter.name: type_of(parameter) for parameter, _ in parameters_of(type(model))}
    distributions, cells = {}, {}
    for name, values in written.items():
        if name not in known:
            near = difflib.get_close_matches(str(name), known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"
            raise SpaceError(f"{place} has {name!r:.40}, which is no parameter of the task {model.TASK}: {hint}")
        if name in MEASURE or (model.TASK == "language" and about(type(model), name).panel == READING):
            raise SpaceError(f"{place} has {name!r}, which decides what trials are measured by: leave it out")
        if name in fixed:
            raise SpaceError(f"{name} is given, and {place} has it too: leave one of them out")
        distributions[name] = _distribution(place, name, known[name], _read(model, name, values))
        for value in _ends(distributions[name]):
            program = _checked(model, name, value, place)
            if program is not None:
                cells[value] = program
    order = [name for name in known if name in distributions]
    return Space({name: distributions[name] for name in order}, cells)


def _differs(model: Any, parameter: Any) -> bool:
    value = getattr(model, parameter.name)
    return type(value) is not type(parameter.default) or bool(value != parameter.default)


def _toml(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpaceError(f"{path} was not read ({error.strerror}): give a TOML file of parameters") from None
    except ValueError as error:  # of TOML and of UTF-8
        raise SpaceError(f"{path} is no TOML: {error}") from None


def _read(model: SequenceEstimator, name: str, values: Any) -> Any:
    """Values as they are written, and as the estimator takes them: TOML has no None, which options have by a name."""
    read = about(type(model), name).read
    if isinstance(values, list | tuple):
        return [_read(model, name, value) for value in values]
    return read(values) if read is not None and isinstance(values, str) else values


def _distribution(place: str, name: str, kind: str, values: Any) -> Distribution:
    if not isinstance(values, Mapping):
        choices = list(values) if isinstance(values, list | tuple) else [values]
        if not choices or not all(value is None or isinstance(value, bool | int | float | str) for value in choices):
            raise SpaceError(f"{place}: {name} is {values!r:.60}: give {{low=..., high=...}} or a list of values")
        return CategoricalDistribution(choices)
    strange = sorted(set(values) - {"low", "high", "log", "step"})
    if strange or not {"low", "high"} <= set(values):
        what = f"has {strange[0]!r:.40}" if strange else "lacks low or high"
        raise SpaceError(f"{place}: {name} {what}: give {{low=..., high=...}}, with log=true or step=... if wanted")
    if not kind.startswith(("int", "float")):
        raise SpaceError(f"{place}: {name} is no number: give a list of values, as [..., ...]")
    try:
        if kind.startswith("int"):
            values = {"step": 1, **values}
            whole = all(type(values[part]) is int for part in ("low", "high", "step"))
            if not whole:
                raise ValueError("it is a whole number")
            return IntDistribution(**values)
        return FloatDistribution(**values)
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise SpaceError(f"{place}: {name} is {dict(values)}, which Optuna refuses ({reason}): change it") from None


def _ends(values: Distribution) -> list[Any]:
    """The values of a distribution that a rule is tried on: all of a list, the ends of a range."""
    return list(values.choices) if isinstance(values, CategoricalDistribution) else [values.low, values.high]


def _checked(model: SequenceEstimator, name: str, value: Any, place: str) -> Program | None:
    """Check a value by the parameter's own rule; the program if it is a cell."""
    try:
        if name == "cell":
            return _program(model, value)
        clone(model).set_params(**{name: value}).check_parameters()
    except RicordaError as error:
        raise SpaceError(f"{place}: {error}") from None
    return None


def _program(model: SequenceEstimator, cell: Any) -> Program:
    title = getattr(model.cell, "title", None)
    return as_program(model.cell if cell == title else cell, beside=model.READS_BESIDE)


def _suggest(trial: optuna.Trial, name: str, values: Distribution) -> Any:
    if isinstance(values, CategoricalDistribution):
        return trial.suggest_categorical(name, values.choices)
    if isinstance(values, IntDistribution):
        return trial.suggest_int(name, values.low, values.high, step=values.step, log=values.log)
    return trial.suggest_float(name, values.low, values.high, step=values.step, log=values.log)


def _has(values: Distribution, value: Any) -> bool:
    if isinstance(values, CategoricalDistribution):
        return value in values.choices
    return isinstance(value, int | float) and bool(values.low <= value <= values.high)
