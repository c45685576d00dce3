"""What a page holds of a trained model, task by task, as JSON; the arrays stand in `Numbers`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import NormalDist
from typing import Any

from torch import nn

from ricorda.data.beside import NOTHING
from ricorda.export.model import refuse
from ricorda.export.to_page.layers import layers_of
from ricorda.export.to_page.numbers import Numbers
from ricorda.export.to_page.tokens import tokenizer_of
from ricorda.nn import Recurrent
from ricorda.tasks.forecast.heads import LEAST_DEVIATION
from ricorda.tasks.forecast.network import LEAST_VARIANCE
from ricorda.tasks.tag.words import LONGEST_WORD

WAY = "a page"


def classify(model: Any, numbers: Numbers) -> dict[str, Any]:
    """A classifier of texts, token lists or arrays."""
    network, encoder = model.network_, model.encoder_
    pooling: dict[str, Any] = {"kind": network.pooling.kind}
    if network.pooling.kind == "attention":
        pooling["hidden"] = numbers.linear(network.pooling.hidden)
        pooling["query"] = numbers.keep(network.pooling.query.weight[0])
    wide = None
    if network.wide is not None:
        wide = {
            "keys": numbers.keep(network.wide.keys),  # Whole numbers below 2^24, which float32 holds.
            "weights": numbers.keep(network.wide.weights),
            "bias": numbers.keep(network.wide.bias),
        }
    if encoder.tokenizer is None:
        beside = encoder.beside
        reads = {
            "features": encoder.features,
            "mean": numbers.keep(network.mean),
            "scale": numbers.keep(network.scale),
            "beside": {"mask": beside.mask, "gap": beside.gap, "column": beside.column},
        }
    else:
        reads = {"tokenizer": tokenizer_of(encoder.tokenizer), "embedding": numbers.keep(network.embedding.weight)}
    return {
        "kind": encoder.kind,
        "labels": [str(label) for label in model.classes_.tolist()],
        "most": model.max_length,
        "pooling": pooling,
        "head": numbers.linear(network.head),
        "wide": wide,
        **reads,
        **_recurrent(network.recurrent, numbers),
    }


def tag(model: Any, numbers: Numbers) -> dict[str, Any]:
    """A tagger of words."""
    network, vocabulary = model.network_, model.reading_.vocabulary
    if vocabulary is None or model.classes_ is None:
        refuse(WAY, "a tagger that reads or gives numbers", "use it from Python")
    if network.context is not None:
        refuse(WAY, "a tagger with pretrained language models", "train it without --pretrained")
    spelling = chain = None
    if network.spelling is not None:
        spelling = {
            "tokenizer": tokenizer_of(vocabulary.characters),
            "embedding": numbers.keep(network.alphabet.weight),
            "longest": LONGEST_WORD,
            **_recurrent(network.spelling, numbers),
        }
    if network.crf is not None:
        parts = ("transitions", "first", "last")
        chain = {name: numbers.keep(getattr(network.crf, name)) for name in parts}
    return {
        "labels": [str(label) for label in model.classes_.tolist()],
        "tokenizer": tokenizer_of(vocabulary.words),
        "lowercase": vocabulary.lowercase,
        "embedding": numbers.keep(network.embedding.weight),
        "spelling": spelling,
        "head": numbers.linear(network.head),
        "chain": chain,
        **_recurrent(network.recurrent, numbers),
    }


def language(model: Any, numbers: Numbers) -> dict[str, Any]:
    """A language model of text or of token lists."""
    network, reader = model.network_, model.reader_
    if reader.vocabulary is None:
        refuse(WAY, "a model of music", "use it from Python")
    if model.reverse:
        refuse(WAY, "a model that reads from the end", "train it without --reverse")
    if network.sizes.condition:
        refuse(WAY, "a language model with a condition", "use it from Python")
    if network.sizes.adaptive:
        refuse(WAY, "a language model with an adaptive softmax", "train it without --adaptive-softmax")
    between = network.output.between
    return {
        "kind": reader.kind,
        "unit": reader.vocabulary.kind,
        "ends": reader.ends,
        "before": reader.before,
        "knows_unknown": reader.knows_unknown,
        "tokenizer": tokenizer_of(reader.vocabulary.tokenizer),
        "embedding": numbers.keep(network.embedding.weight),
        "between": None if isinstance(between, nn.Identity) else numbers.linear(between),
        "head": numbers.linear(network.output.linear),
        **_recurrent(network.recurrent, numbers),
    }


def forecast(model: Any, numbers: Numbers) -> dict[str, Any]:
    """A forecaster without covariates, of a cell that reads nothing beside its input."""
    network, facts = model.network_, model.facts_
    sizes, head = network.sizes, network.head
    if network.beside != NOTHING:
        refuse(WAY, f"a forecaster of cell {network.layers.program.name}", "choose a cell of one input")
    if sizes.covariates:
        refuse(WAY, "a forecaster with covariates", "export it as ONNX, or train it without them")
    scaling = facts.scaling.variables
    own = scaling.undo(network.end.double().cpu().numpy())
    affine = network.gain is not None
    return {
        "labels": list(facts.targets),
        "variables": list(facts.inputs),
        "targets": list(sizes.targets),
        "context": sizes.context,
        "steps": sizes.steps,
        "horizon": model.horizon,
        "patch": sizes.patch,
        "independent": network.independent,
        "window": network.window,
        "least": LEAST_VARIANCE,
        "gain": numbers.keep(network.gain) if affine else None,
        "shift": numbers.keep(network.shift) if affine else None,
        "autoregression": None if network.autoregression is None else numbers.linear(network.autoregression),
        "output": numbers.linear(network.output),
        "head": {"kind": head.kind, "size": head.size, "levels": list(head.levels), "least": LEAST_DEVIATION},
        "normals": [NormalDist().inv_cdf(level) for level in head.levels],
        "scaling": {"mean": scaling.mean.tolist(), "scale": scaling.scale.tolist()},
        "end": None if facts.several else own.tolist(),
        **_recurrent(network.layers, numbers),
    }


def _recurrent(layer: Recurrent, numbers: Numbers) -> dict[str, Any]:
    """The recurrent layers, the names of what they read, and what is said of them below the page."""
    return {
        "layers": layers_of(layer, numbers),
        "inputs": [value.name for value in layer.stack.program.inputs],
        "about": {
            "cell": layer.program.title,
            "units": layer.hidden_size,
            "layers": layer.num_layers,
            "directions": 2 if layer.bidirectional else 1,
        },
    }


READERS: Mapping[str, Callable[[Any, Numbers], dict[str, Any]]] = {
    "classify": classify,
    "tag": tag,
    "language": language,
    "forecast": forecast,
}


def described(model: Any, numbers: Numbers) -> dict[str, Any]:
    """All that the page of a model holds.

    Raises
    ------
    ArgumentError
        If the model's task has no page, or a part of the model cannot be taken along.
    """
    if model.TASK not in READERS:
        refuse(WAY, f"a model of the task {model.TASK}", "export it as ONNX (ricorda export onnx)")
    weights = sum(weight.numel() for weight in model.network_.parameters())
    description = READERS[model.TASK](model, numbers)
    description["about"]["weights"] = weights
    return {"format": 1, "task": model.TASK, **description}
