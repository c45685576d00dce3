"""A trained model, or a layer alone, lowered once: what it reads, its steps, what it makes of their outputs.

C and WebAssembly print the same `Network`. What none of them can do is refused here; what one of them cannot
do, it refuses itself by `refuse`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor, nn

from ricorda.data.beside import NOTHING, Beside
from ricorda.data.tokenization import UNKNOWN
from ricorda.errors import ArgumentError
from ricorda.export.stages import Array, Step
from ricorda.export.step import steps_of
from ricorda.nn.recurrent import Recurrent
from ricorda.tasks.estimator import SequenceEstimator


@dataclass(frozen=True, eq=False)
class Dense:
    """A linear map: matrix [rows, columns] and bias [rows], float32."""

    matrix: Array
    bias: Array


@dataclass(frozen=True, eq=False)
class Tokens:
    """What reads token numbers: an embedding [V, D]; a number that is none of them is read as `unknown`."""

    embedding: Array
    unknown: int = UNKNOWN


@dataclass(frozen=True, eq=False)
class Numbers:
    """What reads F numbers a step: (number - mean) / scale, [F] each, and what the cell takes beside them.

    `beside` says whether numbers may be missing (NaN), and which feature holds elapsed times; see `Beside.read`.
    """

    mean: Array
    scale: Array
    beside: Beside = NOTHING


@dataclass(frozen=True, eq=False)
class Attention:
    """Weights of steps: softmax over the steps of query . tanh(hidden(y))."""

    hidden: Dense
    query: Array


@dataclass(frozen=True, eq=False)
class Grams:
    """The wide part: known tokens and pairs of neighbours `keys` [F, 2] in order, their scores [F, C], and a bias [C].

    A key's second token is 0 for a token alone. The scores of the distinct grams of a text are added up and divided by
    the root of their number.
    """

    keys: Any
    scores: Array
    bias: Array


@dataclass(frozen=True, eq=False)
class Network:
    """A model as exports print it.

    Parameters
    ----------
    task : "classify", "regress", "tag" or "language"; "layer" for a layer alone
    reads : what makes the first layer's input of a step; None for the input itself
    layers : a step for each level and direction
    pooling : "each": every step has an output; or "last", "mean", "max", "attention": what the head is given after the
        last step, see `tasks.many_to_one.pooling`
    head : linear maps, one after the other; none for a layer alone
    gives : "vector"; "classes": softmax; "keys": sigmoid; "numbers": times `scale` plus `shift`
    labels : names of the outputs
    most : steps of a sequence that are read; None for all
    """

    task: str
    reads: Tokens | Numbers | None
    layers: tuple[tuple[Step, ...], ...]
    pooling: str = "each"
    head: tuple[Dense, ...] = ()
    gives: str = "vector"
    labels: tuple[str, ...] = ()
    scale: Array = field(default_factory=lambda: np.ones(0, np.float32))
    shift: Array = field(default_factory=lambda: np.zeros(0, np.float32))
    most: int | None = None
    attention: Attention | None = None
    grams: Grams | None = None

    @property
    def outputs(self) -> int:
        """How many numbers it gives."""
        if self.head:
            return len(self.head[-1].bias)
        return sum(step.output.size for step in self.layers[-1])

    @property
    def bidirectional(self) -> bool:
        """Whether it reads from the end too."""
        return len(self.layers[0]) > 1


def network_of(model: Any, way: str) -> Network:
    """A model or a layer, lowered.

    Parameters
    ----------
    model : Recurrent, or a trained estimator
    way : the form that it is to have, for messages, such as "C"

    Raises
    ------
    ArgumentError
        If it is neither, or has a part that no step by step form has: a translator, a tagger that reads characters, a
        language model with a condition or an adaptive softmax.
    """
    if isinstance(model, Recurrent):
        return Network("layer", None, steps_of(model))
    task = getattr(model, "TASK", "")
    if not isinstance(model, SequenceEstimator) or not hasattr(model, "network_"):
        raise ArgumentError(
            f"a {type(model).__name__} cannot be exported: give a ricorda.nn.Recurrent, or a trained model as "
            "ricorda.load(FOLDER) gives it"
        )
    if task not in _READERS:
        refuse(way, f"a model of the task {task}", "export it as ONNX")
    return _READERS[task](model, way)


def check_weights(model: Any) -> None:
    """Refuse a model or a layer that has a weight which is no finite number.

    Raises
    ------
    ArgumentError
        If there is one: C and JSON cannot write it, and nothing that is computed with it says anything.
    """
    module = model if isinstance(model, nn.Module) else getattr(model, "network_", None)
    for name, weight in module.named_parameters() if isinstance(module, nn.Module) else ():
        wrong = weight.detach()[~weight.detach().isfinite()]
        if len(wrong):
            raise ArgumentError(
                f"{name} has {float(wrong[0])} among its weights, with which nothing can be computed: train the model "
                "anew, with a lower learning rate"
            )


def refuse(way: str, what: str, way_out: str) -> None:
    """Say that something has no place in a form, and what to do; raises ArgumentError always."""
    raise ArgumentError(f"{what} cannot be exported as {way}: {way_out}")


def _array(tensor: Tensor) -> Array:
    return tensor.detach().float().cpu().numpy()


def _dense(linear: nn.Linear) -> Dense:
    matrix = _array(linear.weight)
    bias = np.zeros(len(matrix), np.float32) if linear.bias is None else _array(linear.bias)
    return Dense(matrix, bias)


def _reading(network: Any, beside: Beside = NOTHING) -> Tokens | Numbers:
    if hasattr(network, "embedding"):
        return Tokens(_array(network.embedding.weight))
    return Numbers(_array(network.mean), _array(network.scale), beside)


def _many_to_one(model: Any, way: str) -> Network:
    network, kind = model.network_, model.network_.pooling.kind
    attention = grams = None
    if kind == "attention":
        pooling = network.pooling
        attention = Attention(_dense(pooling.hidden), _array(pooling.query.weight)[0])
    if network.wide is not None:
        wide = network.wide
        grams = Grams(wide.keys.cpu().numpy(), _array(wide.weights), _array(wide.bias))
    facts: dict[str, Any] = {"gives": "classes"}
    if model.TASK == "classify":
        facts["labels"] = tuple(map(str, model.classes_.tolist()))
    else:
        scaling = model.scaling_
        facts |= {"gives": "numbers", "labels": tuple(model.target_names_)}
        facts |= {"scale": scaling.scale.astype(np.float32), "shift": scaling.mean.astype(np.float32)}
    return Network(
        model.TASK,
        _reading(network, network.beside),
        steps_of(network.recurrent),
        kind,
        (_dense(network.head),),
        most=model.max_length,
        attention=attention,
        grams=grams,
        **facts,
    )


def _tag(model: Any, way: str) -> Network:
    network = model.network_
    if network.spelling is not None:
        refuse(way, "a tagger that reads the characters of its words", "train it with --character-hidden-size 0")
    if network.context is not None:
        refuse(way, "a tagger with pretrained language models", "train it without --pretrained")
    if network.crf is not None:
        refuse(way, "a tagger that scores neighbouring tags together", "train it with --no-crf, or export it as ONNX")
    facts: dict[str, Any] = {"gives": "numbers"}
    if model.classes_ is not None:
        facts = {"gives": "classes", "labels": tuple(map(str, model.classes_.tolist()))}
    else:
        facts |= {"scale": _array(network.target_scale), "shift": _array(network.target_mean)}
    head = (_dense(network.head),)
    return Network("tag", _reading(network, network.beside), steps_of(network.recurrent), "each", head, **facts)


def _language(model: Any, way: str) -> Network:
    network = model.network_
    if network.sizes.condition:
        refuse(way, "a language model with a condition", "use it from Python")
    if network.sizes.adaptive:
        refuse(way, "a language model with an adaptive softmax", "train it without --adaptive-softmax")
    steps = steps_of(network.recurrent)
    if network.sizes.keys:
        return Network("language", None, steps, "each", (_dense(network.output.linear),), "keys")
    between = network.output.between
    head = () if isinstance(between, nn.Identity) else (_dense(between),)
    reads = Tokens(_array(network.embedding.weight))
    return Network("language", reads, steps, "each", (*head, _dense(network.output.linear)), "classes")


_READERS: Mapping[str, Callable[[Any, str], Network]] = {
    "classify": _many_to_one,
    "regress": _many_to_one,
    "tag": _tag,
    "language": _language,
}
