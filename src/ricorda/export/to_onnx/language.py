"""Language models as ONNX: log-probabilities of the next step, and the states that go on to the next call."""

from __future__ import annotations

from typing import Any

from ricorda.errors import ArgumentError
from ricorda.export.to_onnx.graph import Graph
from ricorda.export.to_onnx.loop import Steps
from ricorda.export.to_onnx.signature import B, Signature, T
from ricorda.tasks.language.network import NextStep
from ricorda.tasks.language.output import AdaptiveSoftmax, Keys, Softmax


def graphs(model: Any, form: str) -> dict[str, Signature]:
    """The graph of a language model.

    Raises
    ------
    ArgumentError
        If it cannot take one step at a time.
    """
    network: NextStep = model.network_
    one_step = form == "step"
    if one_step and network.sizes.condition:
        raise ArgumentError(
            "the model begins with a vector that says what it is about, so that its first step is not like the others: "
            "take the form 'sequence'"
        )
    signature = Signature.of(network.recurrent)
    g = signature.graph
    free = (B,) if one_step else (T, B)
    if network.sizes.keys:
        x = signature.numbers("keys", *free, network.sizes.keys)
    else:
        ids = signature.ids("ids", *free)
        x = g.Gather(g.numbers(network.embedding.weight, "embedding"), ids)
    lengths = None if one_step else signature.ids("lengths", B)
    condition = signature.numbers("condition", B, network.sizes.condition) if network.sizes.condition else None
    entered = signature.states_of(network.recurrent) if condition is None else _opened(g, network, condition)
    steps = None if lengths is None else Steps.of(g, x, lengths)
    ran = signature.layer(network.recurrent, x, steps=steps, states=entered, one_step=one_step)
    _say(signature, network, ran.output, free)
    signature.carry(network.recurrent, None if condition else entered, ran.states)
    return {"": signature}


def _opened(g: Graph, network: NextStep, condition: str) -> list[str]:
    """`NextStep.initial` as nodes."""
    sizes, count = network.sizes, len(network.recurrent.program.states)
    standard = g.Div(g.Sub(condition, g.numbers(network.mean, "mean")), g.numbers(network.scale, "scale"))
    opened = g.Tanh(g.linear(standard, network.opening, "opening"))
    parts = g.Reshape(opened, [0, count, sizes.layers, sizes.hidden])
    by_state = g.Transpose(parts, perm=[1, 2, 0, 3])
    return [g.Gather(by_state, number, axis=0) for number in range(count)]


def _say(signature: Signature, network: NextStep, y: str, free: tuple[str, ...]) -> None:
    g, output = signature.graph, network.output
    if isinstance(output, Keys):
        scores = g.linear(y, output.linear, "output")
        signature.says("scores", scores, *free, network.sizes.keys)
        signature.says("probabilities", g.Sigmoid(scores), *free, network.sizes.keys)
        return
    said = _softmax(g, output, y) if isinstance(output, Softmax) else _adaptive(g, output, y)
    signature.says("log_probabilities", said, *free, network.sizes.vocabulary)


def _softmax(g: Graph, output: Softmax, y: str) -> str:
    between = output.between
    y = y if not hasattr(between, "weight") else g.linear(y, between, "output.between")
    return g.LogSoftmax(g.linear(y, output.linear, "output"), axis=-1)


def _adaptive(g: Graph, output: AdaptiveSoftmax, y: str) -> str:
    """All clusters' words: the probability of a word is that of its cluster times its own within it."""
    clusters = output.clusters
    head = g.LogSoftmax(g.linear(y, clusters.head, "output.head"), axis=-1)
    shortlist = clusters.shortlist_size
    parts = [g.slice(head, 0, shortlist, -1)]
    for number, tail in enumerate(clusters.tail):
        inner, outer = tail.children()
        narrow = g.linear(y, inner, f"output.tail{number}")
        own = g.LogSoftmax(g.linear(narrow, outer, f"output.tail{number}"), axis=-1)
        parts.append(g.Add(own, g.slice(head, shortlist + number, shortlist + number + 1, -1)))
    return g.Concat(*parts, axis=-1)
