"""Programs that are an operator of ONNX's own: RNN, GRU or LSTM. All others become a loop.

A program is compared with patterns, cells whose gates have the names of ONNX. Names, the order of affines and of the
arguments of sums and products do not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ricorda.export.to_onnx.graph import Graph
from ricorda.program.cell import Cell
from ricorda.program.ir import Program
from ricorda.program.operations import OPERATIONS
from ricorda.program.sizes import HIDDEN_SIZE, INPUT_SIZE
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
    recurrent : name of the affine that has the recurrent product of the last gate, if that is another one
    attributes : those of the node
    """

    operator: str
    cell: Cell
    rows: tuple[tuple[str, int], ...]
    peepholes: tuple[str, ...] = ()
    recurrent: str = ""
    attributes: tuple[tuple[str, Any], ...] = ()


class Match(NamedTuple):
    """A pattern, and where in the program each of its affines and parameters is, by the pattern's names."""

    pattern: Pattern
    affines: Mapping[str, int]
    parameters: Mapping[str, str]


class Weights(NamedTuple):
    """The weights of a node, as ONNX has them: W [directions, gates * H, I], R, B [directions, 2 * gates * H], P."""

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


def weights_of_node(match: Match, program: Program, directions: Sequence[Mapping[str, Array]]) -> Weights:
    """The weights of the node that a program is, from those of a layer in each direction (`program.weights`)."""
    every = [_of_direction(match, program, weights) for weights in directions]
    W, R, B, P = (None if parts[0] is None else np.stack(parts) for parts in zip(*every, strict=True))
    assert W is not None  # Only biases and peepholes may be missing.
    assert R is not None
    return Weights(W, R, B, P)


def _of_direction(match: Match, program: Program, weights: Mapping[str, Array]) -> list[Array | None]:
    plan, pattern = layout(program, bias=any(name.startswith("bias_") for name in weights)), match.pattern
    hidden, dtype = weights["weight_hh"].shape[1], weights["weight_hh"].dtype

    def rows(block: Block) -> Array:
        return np.split(weights[block.parameter], len(plan.shapes[block.parameter].rows))[block.position]

    def matrix(name: str, of_input: bool) -> Array:
        index = match.affines[name]
        operands = zip(program.values[index].args, plan.matrices[index], strict=True)
        return next(rows(block) for operand, block in operands if (operand in program.of_input) == of_input)

    def bias(name: str, parameter: str) -> Array:
        blocks = [block for block in plan.biases[match.affines[name]] if block.parameter == parameter]
        return rows(blocks[0]) if blocks else np.zeros(hidden, dtype)

    signs = [sign for _, sign in pattern.rows]
    of_input = [name for name, _ in pattern.rows]
    of_state = [*of_input[:-1], pattern.recurrent or of_input[-1]]
    W = [sign * matrix(name, of_input=True) for name, sign in zip(of_input, signs, strict=True)]
    R = [sign * matrix(name, of_input=False) for name, sign in zip(of_state, signs, strict=True)]
    B = [sign * bias(name, "bias_ih") for name, sign in zip(of_input, signs, strict=True)]
    B += [sign * bias(name, "bias_hh") for name, sign in zip(of_state, signs, strict=True)]
    P = [weights[match.parameters[name]] for name in pattern.peepholes]
    biased = any(plan.biases.values())
    return [
        np.concatenate(W),
        np.concatenate(R),
        np.concatenate(B) if biased else None,
        np.concatenate(P) if P else None,
    ]


def add_node(
    g: Graph,
    match: Match,
    weights: Weights,
    x: str,
    *,
    lengths: str | None,
    states: Sequence[str] | None,
    backwards: bool,
    name: str,
) -> tuple[str, list[str]]:
    """Add the node for x [T, B, I]; its output [T, B, directions * H], and the final states [directions, B, H] each.

    Parameters
    ----------
    lengths : int32 [B], optional
    states : [directions, B, H] each, optional
    backwards : bool
        Whether the first direction reads from the last step to the first.
    name : str
        The node's, with which those of the weights begin.
    """
    W, R, B, P = (None if part is None else g.numbers(part, f"{name}.{key}") for key, part in weights._asdict().items())
    pattern, directions = match.pattern, len(weights.W)
    lstm = pattern.operator == "LSTM"
    own: list[str | None] = [*states] if states is not None else [None] * (2 if lstm else 1)
    output, *finals = g.add(
        pattern.operator,
        *(x, W, R, B, lengths, *own, P),
        outputs=1 + len(own),
        name=name,
        hidden_size=weights.R.shape[2],
        direction="bidirectional" if directions > 1 else "reverse" if backwards else "forward",
        **{key: values * directions if isinstance(values, list) else values for key, values in pattern.attributes},
    )
    if lengths is not None and states is not None:  # Of a row without steps ONNX Runtime gives zeros.
        empty = g.Unsqueeze(g.Equal(lengths, np.array(0, np.int32)), [1])
        finals = [g.Where(empty, first, final) for first, final in zip(states, finals, strict=True)]
    if directions == 1:
        return g.Squeeze(output, [1]), finals
    return g.Reshape(g.Transpose(output, perm=[0, 2, 1, 3]), [0, 0, -1]), finals


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
    return Pattern("GRU", Cell(_gru(keeps, after)), rows, recurrent="h" if after else "", attributes=attributes)


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
