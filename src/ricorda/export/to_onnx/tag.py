"""Taggers as ONNX: words, their characters, or numbers go in; the best tags come out, by Viterbi's algorithm inside."""

from __future__ import annotations

from typing import Any

import numpy as np

from ricorda.errors import ArgumentError
from ricorda.export.to_onnx.chain import marginals, viterbi
from ricorda.export.to_onnx.layer import last_outputs
from ricorda.export.to_onnx.loop import Steps
from ricorda.export.to_onnx.many_to_one import read_beside
from ricorda.export.to_onnx.signature import B, Signature, T
from ricorda.tasks.tag.context import Context
from ricorda.tasks.tag.network import Aligned

L, C = "L", "C"
"""The names of free sizes: the characters of the longest word, and of the longest sentence."""


def graphs(model: Any, form: str) -> dict[str, Signature]:
    """The graph of a tagger.

    Raises
    ------
    ArgumentError
        If it cannot take one step at a time.
    """
    return {"": _sequence(model) if form == "sequence" else _step(model)}


def _sequence(model: Any) -> Signature:
    network: Aligned = model.network_
    signature = Signature.of(network.recurrent)
    g = signature.graph
    x, beside = _read(signature, model, (T, B))
    lengths = signature.ids("lengths", B)
    steps = Steps.of(g, x, lengths)
    if network.context is not None:
        x = g.Concat(x, _in_context(signature, network.context), axis=2)
    ran = signature.layer(network.recurrent, x, steps=steps, inputs=beside)
    scores = g.linear(ran.output, network.head, "head")
    if network.numeric:
        _say_numbers(signature, network, scores, (T, B))
        return signature
    signature.says("scores", scores, T, B, network.head.out_features)
    if network.crf is None:
        alive = g.cast(g.Squeeze(steps.alive, [2]), np.int64)
        signature.says("tags", g.Mul(g.ArgMax(scores, axis=2, keepdims=0), alive), T, B, type=np.int64)
        signature.says("probabilities", g.Softmax(scores, axis=2), T, B, network.head.out_features)
        return signature
    signature.says("tags", viterbi(g, network.crf, scores, steps), T, B, type=np.int64)
    signature.says("probabilities", marginals(g, network.crf, scores, steps), T, B, network.head.out_features)
    return signature


def _step(model: Any) -> Signature:
    network: Aligned = model.network_
    way_out = "take the form 'sequence'"
    if network.recurrent.bidirectional:
        raise ArgumentError(
            f"the model reads in both directions, so that it has no step: {way_out}, or train one with "
            "bidirectional=False (--one-direction)"
        )
    if network.crf is not None:
        raise ArgumentError(f"the model chooses the tags of a whole sequence together (crf): {way_out}")
    if network.context is not None:
        raise ArgumentError(f"the model reads whole sentences by language models: {way_out}")
    signature = Signature.of(network.recurrent)
    g = signature.graph
    x, beside = _read(signature, model, (B,))
    entered = signature.states_of(network.recurrent)
    ran = signature.layer(network.recurrent, x, states=entered, inputs=beside, one_step=True)
    signature.carry(network.recurrent, entered, ran.states)
    scores = g.linear(ran.output, network.head, "head")
    if network.numeric:
        _say_numbers(signature, network, scores, (B,))
        return signature
    outputs = network.head.out_features
    signature.says("scores", scores, B, outputs)
    signature.says("tags", g.ArgMax(scores, axis=1, keepdims=0), B, type=np.int64)
    signature.says("probabilities", g.Softmax(scores, axis=1), B, outputs)
    return signature


def _say_numbers(signature: Signature, network: Aligned, scores: str, free: tuple[str, ...]) -> None:
    """The numbers in the units of the training examples."""
    g = signature.graph
    scale, mean = g.numbers(network.target_scale, "target_scale"), g.numbers(network.target_mean, "target_mean")
    signature.says("predictions", g.Add(g.Mul(scores, scale), mean), *free, network.head.out_features)


def _read(signature: Signature, model: Any, free: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """What the recurrent layers read, words, each with its spelling, or numbers; and beside it."""
    network, g = model.network_, signature.graph
    if model.reading_.kind == "numbers":
        count = network.beside.width(model.reading_.features)
        numbers = signature.numbers("numbers", *free, count)
        return read_beside(g, network.beside, numbers, network.mean, network.scale, len(free))
    words = signature.ids("words", *free)
    embedded = g.Gather(g.numbers(network.embedding.weight, "embedding"), words)
    if network.spelling is None:
        return embedded, {}
    characters, letters = signature.ids("characters", *free, L), signature.ids("letters", *free)
    flat = g.Transpose(g.Reshape(characters, g.Concat(np.array([-1]), g.size(characters, -1), axis=0)), perm=[1, 0])
    spelled = g.Gather(g.numbers(network.alphabet.weight, "alphabet"), flat)
    steps = Steps.of(g, spelled, g.Reshape(letters, [-1]))
    ran = signature.layer(network.spelling, spelled, steps=steps, name="spelling")
    both = g.Concat(*last_outputs(g, network.spelling, ran, steps), axis=1)
    shape = g.Concat(g.Shape(words), np.array([-1]), axis=0)
    return g.Concat(embedded, g.Reshape(both, shape), axis=len(free)), {}


def _in_context(signature: Signature, context: Context) -> str:
    """`Context` as nodes, [T, B, width]; the sentences' characters are inputs, and where words begin and end."""
    g = signature.graph
    ids, counts = signature.ids("sentence", C, B), signature.ids("sentence_lengths", B)
    first, last = signature.ids("first", T, B), signature.ids("last", T, B)
    end = g.Sub(counts, np.array(1))
    places = g.Unsqueeze(g.Range(0, g.Squeeze(g.size(ids, 0)), 1), [1])
    turned = g.GatherElements(ids, g.Max(g.Sub(end, places), np.array(0)), axis=0)
    steps = Steps.of(g, ids, counts)
    parts = []
    for number, one in enumerate(context.sizes):
        table = g.numbers(context.embeddings[number].weight, f"context{number}.embedding")
        x = g.Gather(table, turned if one.reverse else ids)
        reader: Any = context.readers[number]
        y = signature.layer(reader, x, steps=steps, name=f"context{number}").output
        where = g.Unsqueeze(g.Sub(end, first) if one.reverse else last, [2])
        everywhere = g.Expand(where, np.array([1, 1, one.hidden]))
        said = g.GatherElements(y, everywhere, axis=0)
        parts.append(g.Cast(g.cast(said, np.float16), to=g.type))  # The network was trained on half precision.
    return g.Concat(*parts, axis=2)
