"""Programs that are an operator of ONNX's own: RNN, GRU or LSTM. All others become a loop.

A program is compared with patterns, cells whose gates have the names of ONNX. Names, the order of affines and of the
arguments of sums and products do not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ricorda.export.to_onnx.graph import Graph
from ricorda.program.cell import Cell
from ricorda.program.ir import HIDDEN_SIZE, INPUT_SIZE, Program
from ricorda.program.operations import OPERATIONS
from ricorda.program.symbols import affine, parameter, relu, sigmoid, tanh
from ricorda.program.weights import Block, layout

Array = NDArray[Any]
Matches = dict[int, int]
"""Line of a pattern -> line of the program."""


@dataclass(frozen=True)
class Pattern:
    """An operator and the program that it computes.

    Parameters
    ----------
    operator : {"RNN", "GRU", "LSTM"}
    cell : Cell
        Its equations. Affines are named after ONNX's gates.
    rows : sequence of (name, sign)
        The affine whose weights are each gate's, in ONNX's order, and -1 where the gate is 1 minus ONNX's: the sigmoid
        of -z is exactly 1 minus that of z.
    peepholes : names of parameters in ONNX's order
    recurrent_bias : name of the affine whose bias goes with the recurrent product of the last gate; "" for none
    attributes : those of the node
    """

    operator: str
    cell: Cell
    rows: tuple[tuple[str, int], ...]
    peepholes: tuple[str, ...] = ()
    recurrent_bias: str = ""
    attributes: tuple[tuple[str, Any], ...] = ()


class Match(NamedTuple):
    """A pattern, and where in the program each of its affines and parameters is, by the pattern's names."""

    pattern: Pattern
    affines: Mapping[str, int]
    parameters: Mapping[str, str]


class Weights(NamedTuple):
    """The weights of a node for one direction, as ONNX has them: W [1, gates * H, I], R, B [1, 2 * gates * H], P."""

    W: Array
    R: Array
    B: Array | None
    P: Array | None


@cache
def match_of(program: Program) -> Match | None:
    """The operator that a program is; None if it is none."""
    whole = {value.size for value in program.values} <= {INPUT_SIZE, HIDDEN_SIZE, "1"}
    if not whole or len(program.inputs) > 1 or any(state.number for state in program.states):
        return None
    for pattern in PATTERNS:
        own = pattern.cell.program
        if len(own.states) != len(program.states) or len(own.affines) != len(program.affines):
            continue
        heads = range(len(own.inputs) + len(own.states))
        pairs = [*zip(own.outputs, program.outputs, strict=True)]
        for matches in _unified(own, program, pairs, {index: index for index in heads}):
            lines = [(matches[index], value) for index, value in enumerate(own.values) if value.op != "constant"]
            if len({there for there, _ in lines}) == len(lines):
                affines = {value.name: there for there, value in lines if value.op == "affine"}
                learned = {v.name: program.values[there].name for there, v in lines if v.op == "parameter"}
                return Match(pattern, affines, learned)
    return None


def _unified(own: Program, program: Program, pairs: list[tuple[int, int]], matches: Matches) -> Iterator[Matches]:
    """The ways in which lines of a pattern can be those of a program."""
    if not pairs:
        yield matches
        return
    (here, there), *rest = pairs
    if here in matches:
        if matches[here] == there:
            yield from _unified(own, program, rest, matches)
        return
    a, b = own.values[here], program.values[there]
    if (a.op, a.size, a.number, len(a.args)) != (b.op, b.size, b.number, len(b.args)):
        return
    commutes = a.op == "affine" or (a.op in OPERATIONS and OPERATIONS[a.op].commutes)
    orders = permutations(b.args) if commutes else [b.args]
    for args in orders:
        yield from _unified(own, program, [*zip(a.args, args, strict=True), *rest], {**matches, here: there})


def weights_of_node(match: Match, program: Program, weights: Mapping[str, Array]) -> Weights:
    """The weights of the node that a program is, from a layer's own (`program.weights`)."""
    plan, pattern = layout(program, bias=any(name.startswith("bias_") for name in weights)), match.pattern

    def rows(block: Block) -> Array:
        return np.split(weights[block.parameter], len(plan.shapes[block.parameter].rows))[block.position]

    def matrix(name: str, of_input: bool) -> Array:
        index = match.affines[name]
        operands = zip(program.values[index].args, plan.matrices[index], strict=True)
        return next(rows(block) for operand, block in operands if (operand in program.of_input) == of_input)

    def bias(name: str) -> Array:
        blocks = plan.biases[match.affines[name]]
        hidden = len(matrix(pattern.rows[0][0], of_input=False))
        return sum((rows(block) for block in blocks), np.zeros(hidden, weights["weight_hh"].dtype))

    after = pattern.recurrent_bias
    last = len(pattern.rows) - 1
    W = [sign * matrix(name, of_input=True) for name, sign in pattern.rows]
    R = [
        sign * matrix(after if after and number == last else name, of_input=False)
        for number, (name, sign) in enumerate(pattern.rows)
    ]
    biases = [sign * bias(name) for name, sign in pattern.rows]
    others = [np.zeros_like(biases[0]) for _ in biases]
    if after:
        others[last] = bias(after)
    B = np.concatenate([*biases, *others])[None] if any(plan.biases.values()) else None
    P = (
        np.concatenate([weights[match.parameters[name]] for name in pattern.peepholes])[None]
        if pattern.peepholes
        else None
    )
    return Weights(np.concatenate(W)[None], np.concatenate(R)[None], B, P)


def add_node(
    g: Graph,
    match: Match,
    weights: Weights,
    x: str,
    *,
    lengths: str | None,
    states: list[str] | None,
    reverse: bool,
    name: str,
) -> tuple[str, list[str]]:
    """Add the node for x [T, B, I]; its output [T, B, H], and the final states [1, B, H] each.

    Parameters
    ----------
    lengths : int32 [B], optional
    states : [1, B, H] each, optional
    name : str
        What the names of the weights begin with.
    """
    named = {key: None if part is None else g.numbers(part, f"{name}.{key}") for key, part in weights._asdict().items()}
    arguments = [x, named["W"], named["R"], named["B"], lengths, *(states or ())]
    if named["P"] is not None:
        arguments += [None] * (7 - len(arguments)) + [named["P"]]
    pattern = match.pattern
    count = 1 + (2 if pattern.operator == "LSTM" else 1)
    output, *finals = g.add(
        pattern.operator,
        *arguments,
        outputs=count,
        hidden_size=weights.R.shape[2],
        direction="reverse" if reverse else "forward",
        **dict(pattern.attributes),
    )
    if (
        lengths is not None and states is not None
    ):  # ONNX Runtime gives zeros as the final states of a row without steps.
        empty = g.Unsqueeze(g.Equal(lengths, np.array(0, np.int32)), [1])
        finals = [g.Where(empty, first, final) for first, final in zip(states, finals, strict=True)]
    return g.Squeeze(output, [1]), finals


def _lstm(x, h, c):  # type: ignore[no-untyped-def]
    i, f, o = (sigmoid(affine(gate, h, x)) for gate in "ifo")
    c = f * c + i * tanh(affine("c", h, x))
    return o * tanh(c), c


def _peephole(x, h, c):  # type: ignore[no-untyped-def]
    i, f = (sigmoid(affine(gate, h, x) + parameter(f"p_{gate}") * c) for gate in "if")
    c = f * c + i * tanh(affine("c", h, x))
    o = sigmoid(affine("o", h, x) + parameter("p_o") * c)
    return o * tanh(c), c


def _coupled(x, h, c):  # type: ignore[no-untyped-def]
    f, o = (sigmoid(affine(gate, h, x)) for gate in "fo")
    c = f * c + (1 - f) * tanh(affine("c", h, x))
    return o * tanh(c), c


def _gru(keeps: bool, after: bool) -> Callable[..., Any]:
    def gru(x, h):  # type: ignore[no-untyped-def]
        z, r = (sigmoid(affine(gate, h, x)) for gate in "zr")
        new = tanh(affine("n", x) + r * affine("h", h)) if after else tanh(affine("h", r * h, x))
        return (1 - z) * new + z * h if keeps else (1 - z) * h + z * new

    return gru


def _vanilla(function: Callable[..., Any]) -> Callable[..., Any]:
    def rnn(x, h):  # type: ignore[no-untyped-def]
        return function(affine("h", h, x))

    return rnn


def _gru_pattern(keeps: bool, after: bool) -> Pattern:
    last = "n" if after else "h"
    rows = (("z", 1 if keeps else -1), ("r", 1), (last, 1))
    attributes = (("linear_before_reset", 1),) if after else ()
    return Pattern("GRU", Cell(_gru(keeps, after)), rows, recurrent_bias="h" if after else "", attributes=attributes)


_IOFC = (("i", 1), ("o", 1), ("f", 1), ("c", 1))

PATTERNS = (
    Pattern("LSTM", Cell(_lstm), _IOFC),
    Pattern("LSTM", Cell(_peephole), _IOFC, peepholes=("p_i", "p_o", "p_f")),
    Pattern("LSTM", Cell(_coupled), (("f", -1), ("o", 1), ("f", 1), ("c", 1))),
    *(_gru_pattern(keeps, after) for keeps in (True, False) for after in (True, False)),
    Pattern("RNN", Cell(_vanilla(tanh)), (("h", 1),)),
    Pattern("RNN", Cell(_vanilla(relu)), (("h", 1),), attributes=(("activations", ["Relu"]),)),
)
"""The operators, and what they compute; a coupled LSTM's input gate is that of -f, since i = 1 - f."""
