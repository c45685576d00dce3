"""A passage: the steps of one example as they enter a model's recurrent layers, each with a name."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from ricorda.errors import DataError
from ricorda.nn import Recurrent
from ricorda.nn.sequences import states_of
from ricorda.shown import Shown
from ricorda.tasks.encoding import Encoder
from ricorda.tasks.estimator import SequenceEstimator

NOTHING_BESIDE: Mapping[str, Tensor] = MappingProxyType({})


@dataclass(frozen=True, repr=False)
class Passage(Shown):
    """The input of recurrent layers, and their initial states.

    Parameters
    ----------
    layer : Recurrent
        The layers, in evaluation mode.
    tokens : tuple of str
        The name of each step: its token, or its number, from 1.
    inputs : Tensor [T, I]
        The input of the first layer.
    initial : tuple of Tensor [num_layers * directions, size], optional
        The states before the first step; zeros if None.
    ids : Tensor [T], optional
        The tokens' ids, if a wide part reads them too.
    beside : mapping of str to Tensor [T, size]
        The inputs that the cell takes besides the first.
    """

    layer: Recurrent
    tokens: tuple[str, ...]
    inputs: Tensor
    initial: tuple[Tensor, ...] | None = None
    ids: Tensor | None = None
    beside: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.inputs)

    def values(self, names: Sequence[str] | None = None) -> dict[str, Tensor]:
        """Named values of every layer, direction and step, [num_layers, directions, T, size]; all names by default.

        They come from the engine's records. In the second direction, step t is where the input has step t.
        """
        names = [name for name, _ in self.layer.program.names] if names is None else list(names)
        initial = None if self.initial is None else tuple(state[:, None] for state in self.initial)
        if initial is not None and len(initial) == 1:
            (initial,) = initial  # type: ignore[assignment]
        row = 0 if self.layer.batch_first else 1
        inputs = {name: values.unsqueeze(row) for name, values in self.beside.items()}
        with torch.no_grad():
            _, _, records = self.layer(self.inputs.unsqueeze(row), initial, record=names, inputs=inputs)
        row = 2 if self.layer.batch_first else 3
        return {name: records[name].squeeze(row) for name in names}


def recurrent_layers(model: SequenceEstimator) -> Recurrent:
    """The recurrent layers of a trained model that read its input."""
    check_is_fitted(model, "network_")
    layers: Recurrent = getattr(model.network_, model.READER)
    return layers


def passage(model: SequenceEstimator, example: Any = None) -> Passage:
    """What the recurrent layers of a trained model read of one example.

    Parameters
    ----------
    model : SequenceEstimator
        A trained model of any task; of a translator, its encoder reads.
    example : text, token list, or array [T, I]
        As the model's own `predict` takes one, of any length; None for the end of a forecaster's training series.

    Raises
    ------
    DataError
        If there is no example, or it is empty or of another kind than the model was trained on.
    """
    layer = recurrent_layers(model)
    if example is None and not model.GOES_ON:
        raise DataError("there is no example to look into: give a text, a token list or an array of numbers")
    if isinstance(example, str) and not example.strip():
        raise DataError("the text is empty: give one with at least one word")
    reader: Any = _reading_all(model)
    with _noting_inputs(layer) as calls:
        tokens = reader._read_example(example)
    inputs, states, beside = calls[0]
    if tokens is None or len(tokens) != len(inputs):
        tokens = [str(step + 1) for step in range(len(inputs))]
    ids = None if getattr(model.network_, "wide", None) is None else reader._encode([example])[0].to(inputs.device)
    return Passage(layer, tuple(tokens), inputs, states, ids, beside)


def spaced(tokens: Sequence[str]) -> tuple[str, ...]:
    """Tokens as they stand in a line: a space before each word, none before its other parts or a character."""
    if any("▁" in token for token in tokens):
        return tuple(token.replace("▁", " ") for token in tokens)
    apart = any(len(token) > 1 and token != "<unk>" for token in tokens)
    return tuple(f" {token}" if apart else token for token in tokens)


def _reading_all(model: Any) -> Any:
    """A copy of the model that reads sequences of any length."""
    reader = copy.copy(model)
    if isinstance(getattr(model, "encoder_", None), Encoder):
        reader.encoder_ = replace(reader.encoder_, longest=None)
    return reader


_Call = tuple[Tensor, tuple[Tensor, ...] | None, dict[str, Tensor]]
"""The steps [T, I] of a row, its initial states, and its second inputs."""


@contextmanager
def _noting_inputs(layer: Recurrent) -> Iterator[list[_Call]]:
    """Collects the input of a layer within the block, the first row of each call."""
    calls: list[_Call] = []

    def note(_: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        x, state = arguments[0], arguments[1] if len(arguments) > 1 else options.get("hx")
        lengths = options.get("lengths")
        steps = len(x) if lengths is None else int(lengths[0])
        states = None if state is None else states_of(state)
        with torch.inference_mode(False):  # Autograd may use these tensors.
            first = None if states is None else tuple(values[:, 0].detach().clone() for values in states)
            beside = (options.get("inputs") or {}).items()
            others = {name: values[:steps, 0].detach().clone().reshape(steps, -1) for name, values in beside}
            calls.append((x[:steps, 0].detach().clone(), first, others))

    handle = layer.register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield calls
    finally:
        handle.remove()
