"""From a recurrent node of ONNX and its weights to a layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ricorda import cells
from ricorda.errors import DataError
from ricorda.nn.onnx_import.cells import ACTIVATIONS, SIDE, onnx_gru, onnx_lstm, onnx_rnn
from ricorda.nn.onnx_import.layer import NodeLayer
from ricorda.nn.recurrent import Recurrent
from ricorda.program.cell import Cell

Array = np.ndarray[Any, np.dtype[Any]]


class Operator(NamedTuple):
    """What the node's operator says of itself: its gates, its activations for one direction, its inputs' names."""

    gates: str
    activations: tuple[str, ...]
    inputs: tuple[str, ...]

    @property
    def states(self) -> tuple[str, ...]:
        """The names of the inputs with initial states."""
        return tuple(name for name in self.inputs if name.startswith("initial"))


_COMMON = ("X", "W", "R", "B", "sequence_lens", "initial_h")

OPERATORS = {
    "LSTM": Operator("iofc", ("Sigmoid", "Tanh", "Tanh"), (*_COMMON, "initial_c", "P")),
    "GRU": Operator("zrh", ("Sigmoid", "Tanh"), _COMMON),
    "RNN": Operator("h", ("Tanh",), _COMMON),
}
"""The recurrent operators of ONNX."""

DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}
_FLAGS = ("input_forget", "layout", "linear_before_reset", "output_sequence")
_KNOWN = {"activations", "activation_alpha", "activation_beta", "clip", "direction", "hidden_size", *_FLAGS}


@dataclass(frozen=True)
class Node:
    """A recurrent node: what it computes.

    Parameters
    ----------
    op : a key of `OPERATORS`
    title : what messages call it
    direction : a key of `DIRECTIONS`
    activations : the text of `cells.applied`; those of a second direction only if they differ
    clip : bound of the activations' arguments; 0 for none
    input_forget, linear_before_reset, batch_first : the attributes of these meanings
    hidden_size : as the node says; 0 if it does not
    """

    op: str
    title: str
    direction: str
    activations: str
    clip: float
    input_forget: bool
    linear_before_reset: bool
    batch_first: bool
    hidden_size: int

    @property
    def directions(self) -> int:
        """One or two."""
        return DIRECTIONS[self.direction]

    @property
    def usual(self) -> str:
        """The activations of a node that says nothing of them."""
        return " ".join(OPERATORS[self.op].activations)


def read_node(op: str, title: str, attributes: Mapping[str, Any]) -> Node:
    """A node from its attributes.

    Raises
    ------
    DataError
        If one of them is unknown or has a value that it cannot have.
    """
    for name in attributes:
        if name not in _KNOWN:
            raise DataError(f"{title} has the attribute {name}, which ONNX's {op} has not: it cannot become a layer")
    words = {name: _text(value) for name, value in attributes.items() if name == "direction"}
    direction = words.get("direction", "forward")
    if direction not in DIRECTIONS:
        raise DataError(f"{title} has direction={direction!r:.40}, which is none of {', '.join(DIRECTIONS)}")
    clip = _number(title, "clip", attributes.get("clip", 0.0))
    flags = {name: _number(title, name, attributes.get(name, 0)) for name in _FLAGS}
    if flags["layout"] not in (0, 1):
        raise DataError(f"{title} has layout={flags['layout']:g}: ONNX knows 0, [T, B, I], and 1, [B, T, I]")
    return Node(
        op,
        title,
        direction,
        _activations(op, title, DIRECTIONS[direction], attributes),
        0.0 if clip < 0 else clip,  # ONNX Runtime takes a negative one for none.
        bool(flags["input_forget"]),
        bool(flags["linear_before_reset"]),
        bool(flags["layout"]),
        int(_number(title, "hidden_size", attributes.get("hidden_size", 0))),
    )


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _number(title: str, name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise DataError(f"{title} has {name}={value!r:.40}, and that is to be a finite number")
    return number


def _activations(op: str, title: str, directions: int, attributes: Mapping[str, Any]) -> str:
    """The activations as text, with their numbers; alpha and beta go to those that take them, one after another."""
    usual = OPERATORS[op].activations
    names = [_text(value) for value in attributes.get("activations") or usual * directions]
    if op == "RNN" and directions == 1 and len(names) == 2:
        names = names[:1]  # The operator's default names one for each of two directions, and exporters write it.
    if len(names) != len(usual) * directions:
        raise DataError(
            f"{title} has {len(names)} activations, and a {op} of {directions} direction{'s' * (directions > 1)} takes "
            f"{len(usual) * directions}"
        )
    known = {name.lower(): name for name in ACTIVATIONS}  # ONNX Runtime does not mind the case.
    values = [list(attributes.get(f"activation_{letter}") or ()) for letter in ("alpha", "beta")]
    own = op == "RNN" and directions == 2  # There ONNX Runtime reads one for each direction.
    texts = []
    for place, name in enumerate(names):
        if name.lower() not in known:
            raise DataError(
                f"{title} has the activation {name!r:.40}, which is none of ONNX's: {', '.join(ACTIVATIONS)}"
            )
        numbers = []
        for letter, left, usually in zip(
            ("alpha", "beta"), values, ACTIVATIONS[known[name.lower()]].numbers, strict=False
        ):
            if own and len(left) == len(names):
                number = left[place]
            else:
                number = left.pop(0) if left else usually
            if number is None:
                raise DataError(f"{title} has the activation {name} and no activation_{letter} for it")
            numbers.append(str(np.float32(_number(title, f"activation_{letter}", number))))
        texts.append(known[name.lower()] + (f"({','.join(numbers)})" if numbers else ""))
    first, second = " ".join(texts[: len(usual)]), " ".join(texts[len(usual) :])
    return first if second in ("", first) else f"{first}|{second}"


def layer_of(node: Node, weights: Mapping[str, Array]) -> Recurrent:
    """The layer that a node becomes.

    Parameters
    ----------
    weights : W [D, gates*H, I] and R [D, gates*H, H]; B [D, 2*gates*H] and P [D, 3*H] where the node has them; states
        to begin with, `initial_h` and `initial_c` [D, H], where they are not zeros

    Raises
    ------
    DataError
        If a weight has another shape than the others and the node need.
    """
    _check_weights(node, weights)
    cell, blocks = _cell(node, "P" in weights)
    if cell is cells.lstm and _coupled(weights):
        cell, blocks = cells.lstm_coupled, [(2, False), (3, False), (1, False)]
    H, I = weights["R"].shape[2], weights["W"].shape[2]
    dtype = tensor_of(weights["W"][:0]).dtype
    initial = [weights[name] for name in OPERATORS[node.op].states if name in weights]
    kind = NodeLayer if initial or node.direction == "reverse" else Recurrent
    layer = kind(
        cell,
        I,
        H,
        bias="B" in weights,
        batch_first=node.batch_first,
        bidirectional=node.directions == 2,
        device="meta",
        dtype=dtype,
    )
    tensors: dict[str, Tensor] = {}
    for direction, suffix in enumerate(("_l0", "_l0_reverse")[: node.directions]):
        own = _in_order(node, {name: weight[direction] for name, weight in weights.items()}, H, blocks)
        tensors |= {name + suffix: tensor_of(values) for name, values in own.items()}
        if "|" in node.activations:
            tensors[SIDE + suffix] = torch.full((H,), float(direction), dtype=dtype)
    layer.load_state_dict(tensors, assign=True)
    if isinstance(layer, NodeLayer):
        if initial:
            layer.begin_with([tensor_of(state) for state in initial])
        if node.direction == "reverse":
            layer.read_backwards()
    return layer


def _cell(node: Node, peepholes: bool) -> tuple[Cell, list[tuple[int, bool]]]:
    """A node's cell, and for each of its gates the number of ONNX's and whether its weights are negated.

    Negated are those of a gate that is 1 minus ONNX's: the sign of a number costs no bit of it.
    """
    usual = node.activations == node.usual and not node.clip
    options: dict[str, Any] = {} if node.activations == node.usual else {"activations": node.activations}
    if node.clip:
        options |= {"clip": node.clip}
    if node.op == "LSTM":
        if usual and not (peepholes and node.input_forget):
            if node.input_forget:
                return cells.lstm_coupled, [(0, True), (3, False), (1, False)]
            return cells.lstm_peephole if peepholes else cells.lstm, [(0, False), (2, False), (3, False), (1, False)]
        own = onnx_lstm(**options, input_forget=node.input_forget, peepholes=peepholes)
        return own, [(gate, False) for gate in ((0, 1, 3) if node.input_forget else range(4))]
    if node.op == "GRU":
        if usual and node.linear_before_reset:
            return cells.gru_reset_after, [(1, False), (0, False), (2, False)]
        if usual:
            return cells.gru, [(1, False), (0, True), (2, False)]
        return onnx_gru(**options, linear_before_reset=node.linear_before_reset), [(gate, False) for gate in range(3)]
    known = {"Tanh": cells.rnn, "Relu": cells.rnn_relu}
    return known.get(node.activations, onnx_rnn(**options)) if not node.clip else onnx_rnn(**options), [(0, False)]


def _coupled(weights: Mapping[str, Array]) -> bool:
    """Whether the input gate is 1 minus the forget gate, whose weights are then the same with other signs."""
    parts = [weights["W"], weights["R"], *(np.split(weights["B"], 2, axis=1) if "B" in weights else ())]
    gates = [np.split(part, 4, axis=1) for part in parts]
    return bool(weights["W"].any()) and all(np.array_equal(i, -f) for i, _, f, _ in gates)


def _in_order(node: Node, weights: Mapping[str, Array], H: int, blocks: Sequence[tuple[int, bool]]) -> dict[str, Array]:
    """The parameters of one direction in the layer's order of gates."""
    gates = len(OPERATORS[node.op].gates)

    def ordered(rows: Array) -> Array:
        own = [rows[gate * H : (gate + 1) * H] for gate, _ in blocks]
        return np.concatenate([-part if negated else part for part, (_, negated) in zip(own, blocks, strict=True)])

    parameters = {"weight_ih": ordered(weights["W"]), "weight_hh": ordered(weights["R"])}
    if "B" in weights:
        halves = weights["B"][: gates * H], weights["B"][gates * H :]
        parameters |= {name: ordered(half) for name, half in zip(("bias_ih", "bias_hh"), halves, strict=True)}
    if "P" in weights:
        names = {"p_i": 0, "p_o": 1} if node.input_forget else {"p_i": 0, "p_o": 1, "p_f": 2}
        parameters |= {name: weights["P"][place * H : (place + 1) * H] for name, place in names.items()}
    return parameters


def _check_weights(node: Node, weights: Mapping[str, Array]) -> None:
    W, R, D = weights["W"], weights["R"], node.directions
    gates = len(OPERATORS[node.op].gates)
    H = node.hidden_size or (R.shape[-1] if R.ndim else 0)
    I = W.shape[2] if W.ndim == 3 else 0
    if H < 1 or I < 1:
        raise DataError(
            f"{node.title} has W {list(W.shape)} and R {list(R.shape)}, which leave it no size of at least 1"
        )
    sides = {"W": (D, gates * H, I), "R": (D, gates * H, H), "B": (D, 2 * gates * H), "P": (D, 3 * H)}
    sides |= dict.fromkeys(OPERATORS[node.op].states, (D, H))
    for name, weight in weights.items():
        if weight.shape != sides[name]:
            raise DataError(
                f"{node.title} has {name} of shape {list(weight.shape)}, and hidden_size {H} with {D} "
                f"direction{'s' * (D > 1)} needs {list(sides[name])}"
            )
        if weight.dtype != W.dtype or weight.dtype.name not in _DTYPES:
            raise DataError(
                f"{node.title} has {name} of {weight.dtype} and W of {W.dtype}: layers have float16, bfloat16, float32 "
                "or float64, one for all"
            )


_DTYPES = ("float16", "bfloat16", "float32", "float64")


def tensor_of(values: Array) -> Tensor:
    """An array as a tensor of its own, bit for bit; NumPy has bfloat16 from a package that torch does not know."""
    array = np.array(values, order="C")
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)
