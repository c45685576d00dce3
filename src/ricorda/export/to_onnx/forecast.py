"""Forecasters as ONNX: a window goes in and the steps after it come out, both in the series' own units."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ricorda.data.beside import NOTHING
from ricorda.errors import ArgumentError
from ricorda.export.to_onnx.graph import Graph
from ricorda.export.to_onnx.layer import add_layer
from ricorda.export.to_onnx.signature import B, Signature
from ricorda.tasks.forecast.heads import LEAST_DEVIATION
from ricorda.tasks.forecast.network import LEAST_VARIANCE, ForecastNetwork
from ricorda.tasks.scaling import Scaling

F64 = np.float64


def graphs(model: Any, form: str) -> dict[str, Signature]:
    """The graph of a forecaster.

    Raises
    ------
    ArgumentError
        If one step is asked for, or the cell reads a mask or elapsed times.
    """
    if form == "step":
        raise ArgumentError(
            f"a forecast is made from a whole window of {model.facts_.context} steps, so that the model has no step: "
            "take the form 'sequence'"
        )
    network: ForecastNetwork = model.network_
    if network.beside != NOTHING:
        raise ArgumentError(
            f"a forecaster of cell {network.layers.program.name}, which reads what was measured, cannot be exported as "
            "ONNX: choose a cell of one input, or ricorda.export.onnx(model.network_.layers, ...) for its layers alone"
        )
    sizes, facts = network.sizes, model.facts_
    signature = Signature.of(network.layers)
    g = signature.graph
    past = g.input("past", F64, [B, sizes.context, sizes.variables])
    covariates = None
    if sizes.covariates:
        known = g.input("covariates", F64, [B, sizes.context + sizes.steps, sizes.covariates])
        covariates = _standardised(g, known, facts.scaling.known)
    said = _network(g, network, _standardised(g, past, facts.scaling.variables), covariates)
    _say(signature, model, said)
    return {"": signature}


def _standardised(g: Graph, values: str, scaling: Scaling) -> str:
    """Values [B, steps, V] in deviations from the mean, as the network reads them: [B, V, steps]."""
    standard = g.Div(g.Sub(values, scaling.mean), scaling.scale)
    return g.Transpose(g.Cast(standard, to=g.type), perm=[0, 2, 1])


def _network(g: Graph, network: ForecastNetwork, past: str, covariates: str | None) -> str:
    """`ForecastNetwork.forward` as nodes: [B, targets, steps, head.size] of a window [B, V, context]."""
    chosen = np.array(network.sizes.targets)
    normal, mean, deviation = past, None, None
    if network.window:
        mean = g.ReduceMean(past, [2])
        centred = g.Sub(past, mean)
        deviation = g.Sqrt(g.Add(g.ReduceMean(g.Mul(centred, centred), [2]), LEAST_VARIANCE))
        normal = g.Div(centred, deviation)
        mean, deviation = (g.Gather(part, chosen, axis=1) for part in (mean, deviation))
    if network.gain is not None and network.shift is not None:
        gain, shift = (g.numbers(part[:, None]) for part in (network.gain, network.shift))
        normal = g.Add(g.Mul(normal, gain), shift)
        divisor = g.numbers(network.gain[[*chosen], None] + LEAST_VARIANCE**2)
        deviation = g.Div(1.0 if deviation is None else deviation, divisor)
        moved = g.Mul(g.numbers(network.shift[[*chosen], None]), deviation)
        mean = g.Neg(moved) if mean is None else g.Sub(mean, moved)
    output = _read(g, network, normal, covariates)
    if network.autoregression is not None:
        own = g.Unsqueeze(g.linear(g.Gather(normal, chosen, axis=1), network.autoregression, "autoregression"), [3])
        if network.head.kind == "gaussian":  # It moves the mean alone.
            own = g.Pad(own, [0, 0, 0, 0, 0, 0, 0, 1])
        output = g.Add(output, own)
    return _scaled_back(g, network, output, mean, deviation)


def _read(g: Graph, network: ForecastNetwork, normal: str, covariates: str | None) -> str:
    """The output of the recurrent layers, [B, targets, steps, head.size]."""
    sizes, head = network.sizes, network.head.size
    targets = len(sizes.targets)
    rows, together = normal, sizes.variables
    if network.independent:
        together = 1
        rows = g.Reshape(g.Gather(normal, np.array(sizes.targets), axis=1), [-1, 1, sizes.context])
        if covariates is not None:  # Each target's row has those of its window.
            repeated = g.Concat(*[g.Unsqueeze(covariates, [1])] * targets, axis=1)
            covariates = g.Reshape(repeated, [-1, sizes.covariates, sizes.context + sizes.steps])
    future = None
    if covariates is not None:
        rows = g.Concat(rows, g.slice(covariates, 0, sizes.context, 2), axis=1)
        future = g.slice(covariates, sizes.context, sizes.context + sizes.steps, 2)
    features = together + sizes.covariates
    patches = g.Reshape(rows, [0, features, sizes.context // sizes.patch, sizes.patch])
    x = g.Reshape(g.Transpose(patches, perm=[2, 0, 1, 3]), [0, 0, features * sizes.patch])
    ran = add_layer(g, network.layers, x, name="layers")
    read = g.Gather(ran.output, -1, axis=0)
    if network.known is not None and future is not None:
        read = _gelu(g, g.linear(g.Concat(read, g.Flatten(future, axis=1), axis=1), network.known, "known"))
    output = g.linear(read, network.output, "output")
    if network.independent:
        return g.Reshape(output, [-1, targets, sizes.steps, head])
    return g.Transpose(g.Reshape(output, [-1, sizes.steps, targets, head]), perm=[0, 2, 1, 3])


def _gelu(g: Graph, x: str) -> str:
    """GELU of x by the error function, which ONNX Runtime has in float32 only."""
    error = g.Erf(g.cast(g.Div(x, math.sqrt(2.0)), np.float32))
    return g.Mul(g.Mul(x, 0.5), g.Add(g.Cast(error, to=g.type), 1.0))


def _scaled_back(g: Graph, network: ForecastNetwork, output: str, mean: str | None, deviation: str | None) -> str:
    """`Head.read` as nodes."""
    scale = 1.0 if deviation is None else g.Unsqueeze(deviation, [3])
    shift = 0.0 if mean is None else g.Unsqueeze(mean, [3])
    if network.head.kind == "gaussian":
        said, wide = g.split(output, [1, 1])
        wide = g.Add(g.Mul(g.Softplus(wide), g.Abs(scale)), LEAST_DEVIATION)
        return g.Concat(g.Add(g.Mul(said, scale), shift), wide, axis=3)
    said = g.Add(g.Mul(output, scale), shift)
    if network.head.kind == "quantile":
        return g.add("TopK", said, [network.head.size], outputs=2, axis=3, largest=0)[0]
    return said


def _say(signature: Signature, model: Any, said: str) -> None:
    """The outputs in the series' own units: the forecast, and its quantiles or its deviations."""
    g, network, facts = signature.graph, model.network_, model.facts_
    steps, targets, head = network.sizes.steps, len(facts.targets), network.head
    own = facts.scaling.variables.part(facts.target_columns)
    wide = g.Transpose(g.cast(said, F64), perm=[0, 2, 1, 3])  # [B, steps, targets, head.size]
    deviations = g.Mul(wide, own.scale[:, None])
    numbers = g.Add(deviations, own.mean[:, None])
    point = g.Gather(numbers, head.middle if head.kind == "quantile" else 0, axis=3)
    signature.says("forecast", point, B, steps, targets, type=F64)
    if head.kind == "quantile":
        signature.says("quantiles", numbers, B, steps, targets, head.size, type=F64)
    if head.kind == "gaussian":
        signature.says("deviations", g.Gather(deviations, 1, axis=3), B, steps, targets, type=F64)
