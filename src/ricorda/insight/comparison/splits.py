"""One split of the data for every training of a comparison: what is trained on, chosen by, and measured on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ricorda.data.inputs import as_list, place_of, read_inputs
from ricorda.data.labels import read_labels
from ricorda.data.places import Place
from ricorda.data.series import Series
from ricorda.errors import ArgumentError
from ricorda.tasks.estimator import SequenceEstimator
from ricorda.tasks.fingerprint import fingerprint


@dataclass(frozen=True)
class Part:
    """Some of the examples, which know their places still."""

    inputs: list[Any]
    place: Place
    target_names: tuple[str, ...] = ()


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
    where = "validation" if test is None else "test"
    if model.TASK == "forecast":
        return Split(X, y, validation, (_ends(model, X, validation if test is None else test[0]), None), where)
    if validation is None:
        X, y, validation = _SPLITS[model.TASK](model, X, y, seed)
    if test is None:
        test = (validation, None) if model.TASK == "language" else validation
    return Split(X, y, validation, (test[0], test[1]), where)


def _rows(X: Any, y: Any, training: Any, held_out: Any) -> tuple[Any, Any, Any]:
    """Examples and their answers, and as validation those of other rows."""
    if not len(held_out):
        raise ArgumentError("every example is needed to train on, each having something that no other has: give more")
    inputs, answers = as_list(getattr(X, "inputs", X)), as_list(y)
    assert inputs is not None
    assert answers is not None
    place, names = place_of(X), tuple(getattr(X, "target_names", ()))

    def part(rows: Any) -> tuple[Part, list[Any]]:
        chosen = Part([inputs[row] for row in rows], lambda index: place(int(rows[index])), names)
        return chosen, [answers[row] for row in rows]

    return *part(training), part(held_out)


def _classify(model: Any, X: Any, y: Any, seed: int) -> tuple[Any, Any, Any]:
    from ricorda.tasks.classify.examples import split as split_rows

    labels = read_labels(y, len(read_inputs(X)[1]))
    return _rows(X, y, *split_rows(np.unique(labels, return_inverse=True)[1], model.validation_fraction, seed))


def _regress(model: Any, X: Any, y: Any, seed: int) -> tuple[Any, Any, Any]:
    from ricorda.data.targets import read_targets
    from ricorda.tasks.regress.examples import split as split_rows

    targets = read_targets(y, len(read_inputs(X)[1]))
    return _rows(X, targets, *split_rows(len(targets), model.validation_fraction, seed))


def _tag(model: Any, X: Any, y: Any, seed: int) -> tuple[Any, Any, Any]:
    from ricorda.tasks.tag.examples import split as split_rows
    from ricorda.tasks.tag.reading import read_sequences
    from ricorda.tasks.tag.targets import read_targets

    _, inputs = read_sequences(X, place_of(X))
    kind, targets = read_targets(y, inputs, place_of(X))
    training, held_out = split_rows(len(inputs), model.validation_fraction, seed)
    if kind == "tags":  # a sequence with a tag that stands nowhere else is trained on
        known = {tag for row in training for tag in targets[row]}
        unknown = np.array([not known.issuperset(targets[row]) for row in held_out], dtype=bool)
        training, held_out = np.sort(np.concatenate([training, held_out[unknown]])), held_out[~unknown]
    return _rows(X, y, training, held_out)


def _translate(model: Any, X: Any, y: Any, seed: int) -> tuple[Any, Any, Any]:
    from ricorda.tasks.translate.examples import read_pairs_of
    from ricorda.tasks.translate.examples import split as split_rows

    sources, _ = read_pairs_of(X, y)
    return _rows(X, y, *split_rows(sources.texts, model.validation_fraction, seed))


def _language(model: Any, X: Any, y: Any, _seed: int) -> tuple[Any, Any, Any]:
    from ricorda.tasks.language.given import read_given

    first, last = read_given(X).split(float(model.validation_fraction), anywhere=model.tokenizer == "char")
    assert last is not None  # the share is not 0
    parts = [part.parts[0] if part.kind == "stream" else list(part.parts) for part in (first, last)]
    return parts[0], y, parts[1]


def _ends(model: Any, X: Any, others: Any) -> list[Series]:
    """The series to measure a forecaster on: others, or else the ends that its `fit` holds out."""
    from ricorda.tasks.forecast.examples import read_parts
    from ricorda.tasks.forecast.preparation import prepare

    given = read_parts(X, "X", None, ())
    return prepare(model, given, None if others is None else read_parts(others, "validation", None, ())).held_out


_SPLITS: dict[str, Callable[[Any, Any, Any, int], tuple[Any, Any, Any]]] = {
    "classify": _classify,
    "regress": _regress,
    "tag": _tag,
    "translate": _translate,
    "language": _language,
}


def _plain(data: Any) -> Any:
    """Data as `fingerprint` hashes it whole."""
    if isinstance(data, Series):
        return data.values, data.observed, data.covariates, data.names, data.targets
    if isinstance(data, tuple | list) and any(isinstance(each, Series | Part) for each in data):
        return [_plain(each) for each in data]
    return getattr(data, "inputs", data)
