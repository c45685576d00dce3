"""The columns that a model's answers make beside those of its input."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from ricorda.errors import ArgumentError, DataError

PREDICTION, PROBABILITY = "prediction", "probability"
Place = Callable[[int], str]


class Placed(list[Any]):
    """Examples that know what they are called in messages."""

    def __init__(self, examples: Sequence[Any], place: Place) -> None:
        super().__init__(examples)
        self.place = place


def text_column(model: Any, given: str | None) -> str:
    """The column that a model reads: the one given, or else the one that it was trained on."""
    option = "--source" if model.TASK == "translate" else "--text"
    return given or model.columns_.get(option) or option.removeprefix("--")


def refuse_taken(names: Collection[str], taken: Collection[str], where: str) -> None:
    """Raise DataError if the input has a column that the answers need."""
    for name in names:
        if name in taken:
            raise DataError(
                f"{where} has a column {name!r} already, where the prediction would stand: rename it, or leave it out"
            )


def predicted(
    model: Any, values: Sequence[Any], place: Place, *, probabilities: bool, search: Mapping[str, Any]
) -> dict[str, list[Any]]:
    """The columns of predictions of some examples, in their order.

    | task | columns | with `probabilities` |
    | --- | --- | --- |
    | classify | prediction, probability | probability_CLASS of each class |
    | regress | prediction; of several outputs prediction_NAME | refused |
    | tag | prediction: a list of tags | probability: a list |
    | translate | prediction | score: the log-probability that the beam compares |
    | language | nats_per_token, log_probability | tokens, token_log_probabilities: lists |

    Raises
    ------
    ArgumentError
        If the task has no such predictions.
    DataError
        If an example is invalid.
    """
    columns = _COLUMNS.get(model.TASK)
    if columns is None:
        raise ArgumentError(
            f"a model of the task {model.TASK!r} gives no answer for each row: use ricorda.load(FOLDER)"
        )
    if model.TASK == "regress" and probabilities:
        raise ArgumentError("a regressor gives numbers, which have no probabilities: leave --probabilities out")
    answers = list(model.answers(_examples(model, values, place), **search))
    return columns(model, answers, probabilities)


def _examples(model: Any, values: Sequence[Any], place: Place) -> Any:
    if model.TASK in ("classify", "regress"):
        from ricorda.data.inputs import as_inputs
        from ricorda.data.places import SourceRows
        from ricorda.data.read import Examples

        _, inputs = as_inputs(values, place, missing=True)
        return Examples(inputs, None, "", places=SourceRows("", files=[place(row) for row in range(len(values))]))
    if model.TASK == "tag":
        from ricorda.data.tagged import split_words

        sentences = [split_words(value) if isinstance(value, str) else list(value or ()) for value in values]
        for index, words in enumerate(sentences):
            if not words:
                raise DataError(f"{place(index)} is empty: give a sentence, its words apart by spaces")
        return Placed(sentences, place)
    return Placed(values, place)


def _classes(model: Any, answers: list[Any], probabilities: bool) -> dict[str, list[Any]]:
    columns = {PREDICTION: [one["label"] for one in answers], PROBABILITY: [one["probability"] for one in answers]}
    if probabilities:
        for name in map(str, model.classes_.tolist()):
            columns[f"{PROBABILITY}_{name}"] = [one["probabilities"][name] for one in answers]
    return columns


def _numbers(model: Any, answers: list[Any], _probabilities: bool) -> dict[str, list[Any]]:
    names = list(model.target_names_)
    if len(names) == 1:
        return {PREDICTION: [one[names[0]] for one in answers]}
    return {f"{PREDICTION}_{name}": [one[name] for one in answers] for name in names}


def _tags(_model: Any, answers: list[Any], probabilities: bool) -> dict[str, list[Any]]:
    columns = {PREDICTION: [one["tags"] for one in answers]}
    return {**columns, PROBABILITY: [one["probabilities"] for one in answers]} if probabilities else columns


def _translations(_model: Any, answers: list[Any], probabilities: bool) -> dict[str, list[Any]]:
    best = [one["translations"][0] for one in answers]
    columns = {PREDICTION: [one["text"] for one in best]}
    return {**columns, "score": [one["score"] for one in best]} if probabilities else columns


def _likelihoods(_model: Any, answers: list[Any], probabilities: bool) -> dict[str, list[Any]]:
    columns = {name: [one[key] for one in answers] for name, key in _OF_LANGUAGE.items()}
    if probabilities:
        tokens = [one.get("tokens") or [] for one in answers]  # Those of very long texts are left out.
        columns["tokens"] = [[one["token"] for one in row] for row in tokens]
        columns["token_log_probabilities"] = [[one["log_probability"] for one in row] for row in tokens]
    return columns


_OF_LANGUAGE = {"nats_per_token": "nats", "log_probability": "log_probability"}
_COLUMNS: dict[str, Callable[[Any, list[Any], bool], dict[str, list[Any]]]] = {
    "classify": _classes,
    "regress": _numbers,
    "tag": _tags,
    "translate": _translations,
    "language": _likelihoods,
}
