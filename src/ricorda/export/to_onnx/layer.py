"""A layer as nodes: any cell, stacked, in both directions, over a sequence or for one step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ricorda.export.to_onnx.graph import Graph, as_array
from ricorda.export.to_onnx.loop import Equations, Steps, add_loop
from ricorda.export.to_onnx.nodes import add_node, match_of, weights_of_node
from ricorda.nn import Recurrent
from ricorda.nn.forms import weights_of
from ricorda.program.stack import Stack

Array = NDArray[Any]


class Ran(NamedTuple):
    """What a layer says: output [T, B, directions * size] ([B, size] for a step), and states [entries, B, size]."""

    output: str
    states: list[str]


def dtype_of(layer: Recurrent) -> Any:
    """The type of a layer's numbers in ONNX: float64, or float32 for all others, which holds them exactly."""
    return as_array(next(iter(layer.state_dict().values()))).dtype


def add_layer(
    g: Graph,
    layer: Recurrent,
    x: str,
    *,
    name: str,
    steps: Steps | None = None,
    states: Sequence[str] | None = None,
    inputs: Mapping[str, str] | None = None,
    one_step: bool = False,
) -> Ran:
    """Add a layer in evaluation mode.

    Parameters
    ----------
    x : name of the input [T, B, I]; [B, I] for one step
    name : str
        What the names of the weights begin with.
    steps : Steps, optional
        Which rows have which steps; all have all by default.
    states : names of the initial states [layers * directions, B, size], optional
        By default the cell's own.
    inputs : names of the inputs that the cell takes besides x, [T, B, size]; [B, size] for one step
    one_step : bool
        Whether there is one step, without a dimension of time.
    """
    stack, program = layer.stack, layer.programs[False]
    beside = [(inputs or {})[value.name] for value in program.inputs[1:]]
    rounds = layer.precision == "bf16" and g.dtype == np.float32
    # ONNX Runtime has the operators in float32 only, and they do not round.
    match = match_of(program) if g.dtype == np.float32 and not rounds else None
    finals: list[list[str]] = []
    y = g.Unsqueeze(x, [0]) if one_step and match is not None else x
    rows = g.size(x, 0 if one_step else 1)
    for level, suffixes in enumerate(stack.suffixes):
        weights = [
            {key: as_array(value) for key, value in weights_of(layer, stack, level, suffix).items()}
            for suffix in suffixes
        ]
        own = None if states is None else _of_level(g, states, level, stack)
        if match is not None:
            of_node = weights_of_node(match, program, weights)
            lengths = None if steps is None else steps.lengths
            back, own_name = layer.backwards[0], f"{name}_l{level}"
            y, final = add_node(g, match, of_node, y, lengths=lengths, states=own, backwards=back, name=own_name)
        else:
            if own is None:
                own = [_first(g, state.number, stack, level, state.size, rows) for state in program.states]
            parts = []
            for direction, (suffix, of_direction) in enumerate(zip(suffixes, weights, strict=True)):
                equations = Equations(program, of_direction, rounds=rounds, name=f"{name}{suffix}")
                begin = [g.Gather(state, direction, axis=0) for state in own]
                if one_step:
                    parts.append(equations.step(g, equations.outside(g, [y, *beside]), begin))
                else:
                    parts.append(add_loop(g, equations, [y, *beside], begin, steps, reverse=layer.backwards[direction]))
            outputs = [output for output, _ in parts]
            y = g.Concat(*outputs, axis=2) if len(outputs) > 1 else outputs[0]
            final = [
                _together(g, [g.Unsqueeze(end, [0]) for end in ends])
                for ends in zip(*(f for _, f in parts), strict=True)
            ]
        finals.append(final)
    return Ran(g.Squeeze(y, [0]) if one_step and match is not None else y, _of_all(g, finals, stack))


def last_outputs(g: Graph, layer: Recurrent, ran: Ran, steps: Steps) -> list[str]:
    """The output [B, H] of each direction after each row's last step; that of the second direction is its first."""
    directions, H = layer.stack.directions, layer.hidden_size
    if not layer.program.output:
        return [g.Gather(ran.states[0], entry - directions, axis=0) for entry in range(directions)]
    parts = [ran.output] if directions == 1 else g.split(ran.output, [H, H], axis=2)
    now = g.Range(0, g.Squeeze(g.size(ran.output, 0)), 1)
    ends = g.Unsqueeze(g.Equal(g.Unsqueeze(now, [1]), g.Sub(g.cast(steps.lengths, np.int64), 1)), [2])
    return [
        g.ReduceSum(g.Where(ends, parts[0], 0.0), [0], keepdims=0),
        *(g.Gather(part, 0, axis=0) for part in parts[1:]),
    ]


def _first(g: Graph, number: float, stack: Stack, level: int, size: str, rows: str) -> str:
    """A state of a layer before the first step, [directions, B, size]."""
    most = float(np.finfo(g.dtype).max)
    shape = g.Concat(np.array([stack.directions]), rows, np.array([stack.sizes[level][size]]), axis=0)
    return g.Expand(np.array(number if math.isinf(number) else max(-most, min(number, most)), g.dtype), shape)


def _of_level(g: Graph, states: Sequence[str], level: int, stack: Stack) -> list[str]:
    """The states [directions, B, size] of a layer, from those of all [layers * directions, B, widest]."""
    own = []
    for state, value in zip(states, stack.program.states, strict=True):
        if stack.num_layers > 1:
            state = g.slice(state, level * stack.directions, (level + 1) * stack.directions, 0)
        own.append(state if stack.uniform else g.slice(state, 0, stack.sizes[level][value.size], 2))
    return own


def _of_all(g: Graph, finals: Sequence[Sequence[str]], stack: Stack) -> list[str]:
    """The states [layers * directions, B, widest] from those of each layer [directions, B, size]."""
    states = []
    for number, (value, (_, widest)) in enumerate(zip(stack.program.states, stack.states, strict=True)):
        parts = []
        for sizes, of_level in zip(stack.sizes, finals, strict=True):
            missing = widest - sizes[value.size]
            parts.append(g.Pad(of_level[number], [0, 0, 0, 0, 0, missing]) if missing else of_level[number])
        states.append(_together(g, parts))
    return states


def _together(g: Graph, parts: Sequence[str]) -> str:
    return g.Concat(*parts, axis=0) if len(parts) > 1 else parts[0]
