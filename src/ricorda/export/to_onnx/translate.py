"""Translators as ONNX: an encoder that reads sources, and a decoder's step that says what comes next."""

from __future__ import annotations

from typing import Any

import numpy as np

from ricorda.data.tokenization import UNKNOWN
from ricorda.errors import ArgumentError
from ricorda.export.to_onnx.graph import Graph, as_array
from ricorda.export.to_onnx.loop import Steps
from ricorda.export.to_onnx.signature import B, Carried, Signature
from ricorda.tasks.translate.attention import Attention
from ricorda.tasks.translate.network import EncoderDecoder

ENCODER = "encoder"
S, N = "S", "N"
"""The names of the free sizes: steps of a source, and rows of the decoder, of which a source has one or several."""

FED = "fed"
"""The state of a decoder with input feeding that is not its layers': what its output layer read."""


def graphs(model: Any, form: str) -> dict[str, Signature]:
    """The graphs of a translator.

    Raises
    ------
    ArgumentError
        If whole sequences are asked for: which token comes next is for a search to decide.
    """
    if form == "sequence":
        raise ArgumentError(
            "a translator writes token by token, and a search chooses them: take the form 'step' (--form step), which "
            "writes its encoder and its decoder's step"
        )
    return {ENCODER: _encoder(model.network_), "": _decoder(model.network_)}


def _encoder(network: EncoderDecoder) -> Signature:
    """`EncoderDecoder.start` as a graph."""
    sizes = network.sizes
    signature = Signature.of(network.encoder)
    g = signature.graph
    sources, lengths = signature.ids("sources", S, B), signature.ids("lengths", B)
    x = g.Gather(g.numbers(network.source_embedding.weight, "embedding"), sources)
    steps = Steps.of(g, x, lengths)
    ran = signature.layer(network.encoder, x, steps=steps, name="encoder")
    for number, (name, (_, width)) in enumerate(_states(network)):
        levels = []
        for level in range(sizes.layers):
            bridge = network.bridges[number * sizes.layers + level]
            directions = network.encoder.stack.directions
            places = range(level * directions, (level + 1) * directions)
            ends = [g.Gather(ran.states[number], place, axis=0) for place in places]
            made = g.linear(g.Concat(*ends, axis=1), bridge, f"bridge{number}.{level}")
            levels.append(g.Unsqueeze(g.Tanh(made) if number == 0 else made, [0]))
        signature.says(f"{name}_in", g.Concat(*levels, axis=0), sizes.layers, B, width)
    if sizes.input_feeding:
        shape = g.Concat(np.array([1]), g.size(sources, 1), np.array([network.combine.out_features]), axis=0)
        signature.says(f"{FED}_in", g.Expand(0.0, shape), 1, B, network.combine.out_features)
    if network.attention is not None:
        values = g.Transpose(ran.output, perm=[1, 0, 2])
        signature.says("values", values, B, S, network.attention.key.in_features)
        signature.says("keys", g.linear(values, network.attention.key, "key"), B, S, network.attention.key.out_features)
        closed = g.Not(g.Squeeze(g.Transpose(steps.alive, perm=[1, 0, 2]), [2]))
        signature.says("closed", closed, B, S, type=np.bool_)
    return signature


def _decoder(network: EncoderDecoder) -> Signature:
    """`EncoderDecoder.step` as a graph."""
    sizes = network.sizes
    signature = Signature.of(network.decoder)
    g = signature.graph
    tokens = signature.ids("tokens", N)
    entered = [signature.numbers(f"{name}_in", entries, N, width) for name, (entries, width) in _states(network)]
    x = g.Gather(g.numbers(network.target_embedding.weight, "embedding"), tokens)
    width = network.combine.out_features
    fed = signature.numbers(f"{FED}_in", 1, N, width) if sizes.input_feeding else None
    if fed is not None:
        x = g.Concat(x, g.Squeeze(fed, [0]), axis=1)
    ran = signature.layer(network.decoder, x, states=entered, one_step=True, name="decoder")
    whole, weights = ran.output, None
    if network.attention is not None:
        read, weights = _attended(signature, network.attention, ran.output)
        whole = g.Concat(read, ran.output, axis=1)
    features = g.Tanh(g.linear(whole, network.combine, "combine"))
    signature.says("scores", _scores(g, network, features), N, sizes.target_vocabulary)
    if weights is not None:
        signature.says("attention", weights, B, "K", S)
    after = [*ran.states, *([g.Unsqueeze(features, [0])] if fed is not None else [])]
    shapes = [*_states(network), *([(FED, (1, width))] if fed is not None else [])]
    for (name, (entries, size)), value in zip(shapes, after, strict=True):
        out = g.output(f"{name}_out", value, g.type, (entries, N, size))
        signature.carried.append(Carried(f"{name}_in", out, 0.0))
    return signature


def _states(network: EncoderDecoder) -> list[tuple[str, tuple[int, int]]]:
    """The decoder's states: name, first and last size."""
    names = (state.name for state in network.decoder.program.states)
    return list(zip(names, network.decoder.stack.states, strict=True))


def _scores(g: Graph, network: EncoderDecoder, features: str) -> str:
    """The score of each token [N, vocabulary]; no translation has an unknown one."""
    bias = np.array(as_array(network.output.bias))
    bias[UNKNOWN] = -np.inf
    matrix = g.numbers(as_array(network.output.weight).T, "output.weight")
    return g.Add(g.MatMul(features, matrix), g.numbers(bias, "output.bias"))


def _attended(signature: Signature, attention: Attention, query: str) -> tuple[str, str]:
    """What queries [N, H] read of their sources, [N, M], and the weights [B, rows of a source, S]."""
    g = signature.graph
    A, M = attention.key.out_features, attention.key.in_features
    values, keys = signature.numbers("values", B, S, M), signature.numbers("keys", B, S, A)
    closed = g.input("closed", np.bool_, (B, S))
    if attention.form == "additive":
        query = g.linear(query, attention.query, "query")
    queries = g.Reshape(query, g.Concat(g.size(keys, 0), np.array([-1, A]), axis=0))  # [B, K, A]
    if attention.form == "additive":
        both = g.Tanh(g.Add(g.Unsqueeze(queries, [2]), g.Unsqueeze(keys, [1])))
        scores = g.Squeeze(g.MatMul(both, g.numbers(attention.score[:, None], "score")), [3])
    else:
        scores = g.MatMul(queries, g.Transpose(keys, perm=[0, 2, 1]))
    weights = g.Softmax(g.Where(g.Unsqueeze(closed, [1]), -np.inf, scores), axis=2)
    return g.Reshape(g.MatMul(weights, values), [-1, M]), weights
