"""Classifiers and regressors as ONNX, and how one file of them runs in the place of the network."""

from __future__ import annotations

from typing import Any

import numpy as np

from ricorda.data.tokenization import PADDING
from ricorda.errors import ArgumentError
from ricorda.export.to_onnx.graph import Graph
from ricorda.export.to_onnx.layer import last_outputs
from ricorda.export.to_onnx.loop import Steps
from ricorda.export.to_onnx.signature import B, Signature, T
from ricorda.tasks.many_to_one.network import ManyToOne
from ricorda.tasks.many_to_one.pooling import Pooling
from ricorda.tasks.many_to_one.wide import Wide

NEVER = -np.inf

LEAST = float(np.finfo(np.float32).min)
"""What a largest number begins with; JSON, in which a file says so, has no infinity."""


def graphs(model: Any, form: str) -> dict[str, Signature]:
    """The graph of a classifier or a regressor.

    Raises
    ------
    ArgumentError
        If it cannot take one step at a time.
    """
    return {"": _sequence(model) if form == "sequence" else _step(model)}


def _sequence(model: Any) -> Signature:
    network: ManyToOne = model.network_
    signature = Signature.of(network.recurrent)
    g = signature.graph
    inputs, x, beside = _read(signature, model, (T, B))
    lengths = signature.ids("lengths", B)
    steps = Steps.of(g, inputs, lengths)
    ran = signature.layer(network.recurrent, x, steps=steps, inputs=beside)
    last = last_outputs(g, network.recurrent, ran, steps)
    final = g.Concat(*last, axis=1) if len(last) > 1 else last[0]
    scores = g.linear(_pooled(g, network.pooling, ran.output, final, steps, lengths), network.head, "head")
    if network.wide is not None:
        scores = g.Add(scores, _wide(g, network.wide, inputs, steps.alive))
    _say(signature, model, scores)
    return signature


def _step(model: Any) -> Signature:
    network: ManyToOne = model.network_
    if network.recurrent.bidirectional:
        raise ArgumentError(
            "the model reads in both directions, so that it has no step: take the form 'sequence', or train one with "
            "bidirectional=False (--one-direction)"
        )
    if network.wide is not None:
        raise ArgumentError(
            "the model has a wide part, which looks at whole texts: take the form 'sequence', or train one with "
            "wide=False (--no-wide)"
        )
    signature = Signature.of(network.recurrent)
    _, x, beside = _read(signature, model, (B,))
    entered = signature.states_of(network.recurrent)
    ran = signature.layer(network.recurrent, x, states=entered, inputs=beside, one_step=True)
    signature.carry(network.recurrent, entered, ran.states)
    pooled = _pooled_so_far(signature, network.pooling, ran.output, network.head.in_features)
    _say(signature, model, signature.graph.linear(pooled, network.head, "head"))
    return signature


def _read(signature: Signature, model: Any, free: tuple[str, ...]) -> tuple[str, str, dict[str, str]]:
    """The input as it comes, as the recurrent layers read it, and what they read beside it."""
    network, g = model.network_, signature.graph
    if model.encoder_.vocabulary:
        ids = signature.ids("ids", *free)
        return ids, g.Gather(g.numbers(network.embedding.weight, "embedding"), ids), {}
    numbers = signature.numbers("numbers", *free, model.encoder_.width)
    x, inputs = read_beside(g, network.beside, numbers, network.mean, network.scale, len(free))
    return numbers, x, inputs


def read_beside(g: Graph, beside: Any, numbers: str, mean: Any, scale: Any, axis: int) -> tuple[str, dict[str, str]]:
    """`Beside.read` as nodes: numbers in deviations from the mean, and what the cell reads beside them."""
    count, column = len(mean), beside.column
    others = np.array([feature for feature in range(count) if feature != column])
    known = g.slice(numbers, count, 2 * count, axis) if beside.mask else None
    values = g.slice(numbers, 0, count, axis) if beside.mask else numbers
    x = g.Div(g.Sub(values, g.numbers(mean, "mean")), g.numbers(scale, "scale"))
    inputs = {}

    def without_times(name: str) -> str:
        return name if column is None else g.Gather(name, others, axis=axis)

    if known is not None:
        x = g.Mul(x, known)
        inputs["mask"] = without_times(known)
    if beside.gap:
        if column is None:
            first = g.slice(values, 0, 1, axis)
            inputs["gap"] = g.Expand(1.0, g.Shape(first))
        else:
            of_mean = float(mean[column])
            times = g.slice(values, column, column + 1, axis)
            inputs["gap"] = g.Div(times, of_mean if of_mean > 0 else 1.0)
    return without_times(x), inputs


def _pooled(g: Graph, pooling: Pooling, y: str, last: str, steps: Steps, lengths: str) -> str:
    """`Pooling` as nodes."""
    if pooling.kind == "last":
        return last
    if pooling.kind == "mean":
        return g.Div(g.ReduceSum(y, [0], keepdims=0), g.Unsqueeze(g.Cast(lengths, to=g.type), [1]))
    if pooling.kind == "max":
        return g.ReduceMax(g.Where(steps.alive, y, NEVER), [0], keepdims=0)
    weights = g.Softmax(g.Where(steps.alive, _fit(g, pooling, y), NEVER), axis=0)
    return g.ReduceSum(g.Mul(weights, y), [0], keepdims=0)


def _fit(g: Graph, pooling: Pooling, y: str) -> str:
    return g.linear(g.Tanh(g.linear(y, pooling.hidden, "pooling.hidden")), pooling.query, "pooling.query")


def _pooled_so_far(signature: Signature, pooling: Pooling, y: str, width: int) -> str:
    """The same of all steps until now, from sums [B, width] that the caller carries on."""
    g = signature.graph
    if pooling.kind == "last":
        return y
    if pooling.kind == "max":
        entered = signature.numbers("largest_in", B, width)
        largest = g.Max(entered, y)
        signature.carry_on(entered, largest, LEAST, B, width)
        return largest
    if pooling.kind == "mean":
        summed, counted = signature.numbers("sum_in", B, width), signature.numbers("count_in", B, 1)
        total, count = g.Add(summed, y), g.Add(counted, 1.0)
        signature.carry_on(summed, total, 0.0, B, width)
        signature.carry_on(counted, count, 0.0, B, 1)
        return g.Div(total, count)
    best_in, weight_in = signature.numbers("best_in", B, 1), signature.numbers("weight_in", B, 1)
    summed = signature.numbers("sum_in", B, width)
    fit = _fit(g, pooling, y)
    best = g.Max(best_in, fit)  # The sums are those of exp(fit - best), which no score can make too large.
    kept, new = g.Exp(g.Sub(best_in, best)), g.Exp(g.Sub(fit, best))
    weight = g.Add(g.Mul(weight_in, kept), new)
    total = g.Add(g.Mul(summed, kept), g.Mul(y, new))
    signature.carry_on(best_in, best, LEAST, B, 1)
    signature.carry_on(weight_in, weight, 0.0, B, 1)
    signature.carry_on(summed, total, 0.0, B, width)
    return g.Div(total, weight)


def _wide(g: Graph, wide: Wide, tokens: str, alive: str) -> str:
    """`Wide` as nodes."""
    count = len(wide.keys)
    known = g.constant(wide.keys[:, 0].long() * wide.vocabulary + wide.keys[:, 1], "grams")
    alive = g.Squeeze(alive, [2])
    tokens = g.Where(alive, tokens, np.array(PADDING))
    following = g.Concat(g.slice(tokens, 1, 2**62, 0), g.Mul(g.slice(tokens, 0, 1, 0), np.array(0)), axis=0)
    alone = g.Mul(tokens, np.array(wide.vocabulary))
    grams = g.Concat(alone, g.Add(alone, following), axis=0)  # [2 T, B]
    is_gram = g.Concat(alive, g.Not(g.Equal(following, np.array(PADDING))), axis=0)
    places = _last_not_above(g, known, count, grams)
    is_known = g.And(is_gram, g.Equal(g.Gather(known, places), grams))
    places = g.Where(is_known, places, np.array(count))
    rows = g.size(places, 0)
    ordered = g.add("TopK", places, rows, outputs=2, axis=0, largest=0)[0]
    before = g.Concat(g.Sub(g.slice(ordered, 0, 1, 0), np.array(1)), g.slice(ordered, 0, -1, 0), axis=0)
    first = g.And(g.Less(ordered, np.array(count)), g.Not(g.Equal(ordered, before)))
    first = g.Cast(first, to=g.type)
    weights = g.Gather(g.numbers(wide.weights, "wide.weights"), g.Min(ordered, np.array(count - 1)))
    total = g.ReduceSum(g.Mul(weights, g.Unsqueeze(first, [2])), [0], keepdims=0)
    root = g.Sqrt(g.Max(g.ReduceSum(first, [0], keepdims=0), 1.0))
    return g.Add(g.Div(total, g.Unsqueeze(root, [1])), g.numbers(wide.bias, "wide.bias"))


def _last_not_above(g: Graph, known: str, count: int, values: str) -> str:
    """The place of the last of sorted numbers [count] that is not above each value; 0 if all are. A binary search."""
    places = g.Mul(values, np.array(0))
    for power in reversed(range((count - 1).bit_length())):
        further = g.Min(g.Add(places, np.array(1 << power)), np.array(count - 1))
        places = g.Where(g.LessOrEqual(g.Gather(known, further), values), further, places)
    return places


def _say(signature: Signature, model: Any, scores: str) -> None:
    """The outputs: a classifier's scores and probabilities, a regressor's numbers in their own units."""
    g = signature.graph
    outputs = model.network_.head.out_features
    if model.TASK == "classify":
        signature.says("scores", scores, B, outputs)
        signature.says("probabilities", g.Softmax(scores, axis=1), B, outputs)
        return
    scaling = model.scaling_
    numbers = g.Add(g.Mul(g.cast(scores, np.float64), scaling.scale), scaling.mean)
    signature.says("predictions", numbers, B, outputs, type=np.float64)
