"""A layer as nodes: any cell, stacked, in both directions, over a sequence or for one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ricorda.export.to_onnx.graph import Graph, as_array
from ricorda.export.to_onnx.loop import Equations, Steps, add_loop
from ricorda.export.to_onnx.nodes import Match, add_node, match_of, weights_of_node
from ricorda.nn import Recurrent
from ricorda.nn.forms import weights_of
from ricorda.program.ir import Program, Sizes
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
    finals: list[list[str]] = []
    y, entry = x, 0
    rows = g.size(x, 0 if one_step else 1)
    for level, suffixes in enumerate(stack.suffixes):
        outputs = []
        for direction, suffix in enumerate(suffixes):
            weights = {key: as_array(value) for key, value in weights_of(layer, stack, level, suffix).items()}
            one = _Direction(g, program, weights, f"{name}{suffix}", bool(direction), layer.precision == "bf16")
            own = None if states is None else _of_layer(g, states, entry, program, stack)
            output, final = one.add([y, *beside], rows, own, steps, stack.sizes[level], one_step)
            outputs.append(output)
            finals.append(final)
            entry += 1
        y = outputs[0] if len(outputs) == 1 else g.Concat(*outputs, axis=2)
    return Ran(y, _of_all(g, finals, program, stack))


class _Direction:
    """A layer in one direction.

    Parameters
    ----------
    rounds : bool
        Whether the factors of float32 products are rounded to bf16; ONNX's own operators do not round.
    """

    def __init__(
        self, g: Graph, program: Program, weights: Mapping[str, Array], name: str, reverse: bool, rounds: bool
    ) -> None:
        self.g, self.program, self.weights, self.name, self.reverse = g, program, weights, name, reverse
        self.rounds = rounds and g.dtype == np.float32
        self.match = self._match()

    def _match(self) -> Match | None:
        """The operator of ONNX that this is; ONNX Runtime has them in float32 only."""
        return None if self.rounds or self.g.dtype != np.float32 else match_of(self.program)

    def add(
        self,
        inputs: Sequence[str],
        rows: str,
        states: list[str] | None,
        steps: Steps | None,
        sizes: Sizes,
        one_step: bool,
    ) -> tuple[str, list[str]]:
        """Add the nodes; output, and final states [B, size] each."""
        g = self.g
        if self.match is not None:
            return self._as_node(self.match, inputs[0], states, steps, one_step)
        if states is None:
            states = [self._first(state.number, sizes[state.size], rows) for state in self.program.states]
        equations = Equations(self.program, self.weights, rounds=self.rounds, name=self.name)
        if one_step:
            new = equations.step(g, equations.outside(g, inputs), states)
            return new[0], new
        return add_loop(g, equations, inputs, states, steps, reverse=self.reverse)

    def _as_node(
        self, match: Match, x: str, states: list[str] | None, steps: Steps | None, one_step: bool
    ) -> tuple[str, list[str]]:
        g = self.g
        output, finals = add_node(
            g,
            match,
            weights_of_node(match, self.program, self.weights),
            g.Unsqueeze(x, [0]) if one_step else x,
            lengths=None if steps is None else steps.lengths,
            states=None if states is None else [g.Unsqueeze(state, [0]) for state in states],
            reverse=self.reverse,
            name=self.name,
        )
        finals = [g.Squeeze(final, [0]) for final in finals]
        return g.Squeeze(output, [0]) if one_step else output, finals

    def _first(self, number: float, size: int, rows: str) -> str:
        """A state before the first step, [B, size]."""
        most = float(np.finfo(self.g.dtype).max)
        value = np.array(max(-most, min(number, most)), self.g.dtype)
        return self.g.Expand(value, self.g.Concat(rows, np.array([size]), axis=0))


def _of_layer(g: Graph, states: Sequence[str], entry: int, program: Program, stack: Stack) -> list[str]:
    """The states [B, size] of a layer and direction, from those of all [layers * directions, B, widest]."""
    sizes, own = stack.sizes[entry // stack.directions], []
    for state, value in zip(states, program.states, strict=True):
        part = g.Gather(state, entry, axis=0)
        own.append(part if stack.uniform else g.slice(part, 0, sizes[value.size], 1))
    return own


def _of_all(g: Graph, finals: Sequence[Sequence[str]], program: Program, stack: Stack) -> list[str]:
    """The states [layers * directions, B, widest] from those of each layer and direction [B, size]."""
    states = []
    for number, (value, (_, widest)) in enumerate(zip(program.states, stack.states, strict=True)):
        parts = []
        for entry, of_layer in enumerate(finals):
            missing = widest - stack.sizes[entry // stack.directions][value.size]
            part = g.Unsqueeze(of_layer[number], [0])
            parts.append(g.Pad(part, [0, 0, 0, 0, 0, missing]) if missing else part)
        states.append(g.Concat(*parts, axis=0) if len(parts) > 1 else parts[0])
    return states
