"""A tagger's conditional random field as ONNX: Viterbi's algorithm and the marginals, as loops over free T."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ricorda.export.to_onnx.graph import Graph
from ricorda.export.to_onnx.loop import Steps
from ricorda.tasks.tag.crf import LinearChain


def viterbi(g: Graph, crf: LinearChain, scores: str, steps: Steps) -> str:
    """The best tags int64 [T, B] by scores [T, B, K], 0 beyond a row's length."""
    best, pointers = _forward(g, crf, scores, steps, _best)
    last = g.ArgMax(g.Add(best, g.numbers(crf.last)), axis=1, keepdims=0)
    body = g.body()
    tag, came_from = body.input("tag", np.int64, None), body.input("came_from", np.int64, None)
    before = body.Squeeze(body.GatherElements(came_from, body.Unsqueeze(tag, [1]), axis=1), [1])
    body.returns(before, np.int64)
    body.returns(tag, np.int64)
    tags = _scan(g, body, [last], [pointers], reverse=True)[1]
    return g.Mul(tags, g.cast(g.Squeeze(steps.alive, [2]), np.int64))


def marginals(g: Graph, crf: LinearChain, scores: str, steps: Steps) -> str:
    """The probability of each tag at each step over all sequences of tags, [T, B, K], 0 beyond a row's length."""
    before = _forward(g, crf, scores, steps, _sum)[1]
    body = g.body()
    after, score = body.input("after", g.type, None), body.input("score", g.type, None)
    alive = body.input("alive", np.bool_, None)
    ahead = body.Unsqueeze(body.Add(after, score), [1])
    longer = body.ReduceLogSumExp(body.Add(ahead, g.numbers(crf.transitions)), [2], keepdims=0)
    body.returns(body.Where(alive, longer, after), g.type)
    body.returns(after, g.type)
    ends = g.Expand(g.numbers(crf.last), g.Shape(scores, start=1))
    behind = _scan(g, body, [ends], [scores, steps.alive], reverse=True)[1]
    return g.Where(steps.alive, g.Softmax(g.Add(before, behind), axis=2), 0.0)


Reduction = Callable[[Graph, str], tuple[str, str | None]]
"""From the score [B, K, K] of a tag (last) after another to that of the tag, and from which other one it came."""


def _best(g: Graph, scores: str) -> tuple[str, str | None]:
    return g.ReduceMax(scores, [1], keepdims=0), g.ArgMax(scores, axis=1, keepdims=0)


def _sum(g: Graph, scores: str) -> tuple[str, str | None]:
    return g.ReduceLogSumExp(scores, [1], keepdims=0), None


def _forward(g: Graph, crf: LinearChain, scores: str, steps: Steps, reduce: Reduction) -> list[str]:
    """The scores of all beginnings by their last tag: after the last step [B, K]; and those of every step [T, B, K].

    Where the reduction says from which tag one came, that instead: int64 [T, B, K].
    """
    body = g.body()
    before, score = body.input("before", g.type, None), body.input("score", g.type, None)
    alive, is_first = body.input("alive", np.bool_, None), body.input("is_first", np.bool_, None)
    both = body.Add(body.Unsqueeze(before, [2]), g.numbers(crf.transitions))
    longer, came_from = reduce(body, both)
    here = body.Where(alive, body.Add(longer, score), before)
    here = body.Where(is_first, body.Add(score, g.numbers(crf.first)), here)
    body.returns(here, g.type)
    if came_from is None:
        body.returns(here, g.type)
    else:
        same = np.arange(len(crf.first))
        body.returns(body.Where(alive, came_from, same), np.int64)
    begins = g.Expand(0.0, g.Shape(scores, start=1))
    is_first_step = g.Equal(g.Range(0, g.Squeeze(g.size(scores, 0)), 1), 0)
    return _scan(g, body, [begins], [scores, steps.alive, is_first_step])


def _scan(g: Graph, body: Graph, states: list[str], over_time: list[str], *, reverse: bool = False) -> list[str]:
    count = len(over_time)
    return g.add(
        "Scan",
        *states,
        *over_time,
        outputs=len(body.outputs),
        body=body.proto("step"),
        num_scan_inputs=count,
        scan_input_directions=[int(reverse)] * count,
        scan_output_directions=[int(reverse)] * (len(body.outputs) - len(states)),
    )
