"""ONNX's recurrent operators in NumPy and float64, written from the operators' text; and models of one node.

What the text leaves open is done as ONNX Runtime does it: `input_forget` means f = 1 - i, and the clip leaves the cell
state alone. A row of no steps keeps its initial states.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

Array = NDArray[Any]

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
ACTIVATIONS = {
    "relu": lambda a: np.maximum(a, 0),
    "tanh": np.tanh,
    "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
    "affine": lambda a, alpha, beta: alpha * a + beta,
    "leakyrelu": lambda a, alpha=0.01: np.where(a >= 0, a, alpha * a),
    "thresholdedrelu": lambda a, alpha=1.0: np.where(a >= alpha, a, 0),
    "scaledtanh": lambda a, alpha, beta: alpha * np.tanh(beta * a),
    "hardsigmoid": lambda a, alpha=0.2, beta=0.5: np.minimum(np.maximum(alpha * a + beta, 0), 1),
    "elu": lambda a, alpha=1.0: np.where(a >= 0, a, alpha * (np.exp(a) - 1)),
    "softsign": lambda a: a / (1 + np.abs(a)),
    "softplus": lambda a: np.log(1 + np.exp(a)),
}
TAKES = {"affine": 2, "leakyrelu": 1, "thresholdedrelu": 1, "scaledtanh": 2, "hardsigmoid": 2, "elu": 1}
USUAL = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}


def functions(op: str, attributes: Mapping[str, Any], D: int) -> list[Any]:
    names = [name.lower() for name in attributes.get("activations") or USUAL[op] * D]
    alphas, betas = (list(attributes.get(f"activation_{letter}") or ()) for letter in ("alpha", "beta"))
    made = []
    for name in names:
        numbers = []
        for values in (alphas, betas)[: TAKES.get(name, 0)]:
            numbers += [values.pop(0)] if values else []
        made.append(lambda a, name=name, numbers=tuple(numbers): ACTIVATIONS[name](a, *numbers))
    return made


def node(op: str, attributes: Mapping[str, Any], inputs: Mapping[str, Array]) -> list[Array]:
    """Y and the last states."""
    X = np.asarray(inputs["X"], np.float64)
    first = bool(attributes.get("layout"))
    X = X.transpose(1, 0, 2) if first else X
    T, B, _ = X.shape
    W, R = (np.asarray(inputs[name], np.float64) for name in "WR")
    D, H, G = W.shape[0], R.shape[2], GATES[op]
    acts = functions(op, attributes, D)
    lengths = inputs.get("sequence_lens", np.full(B, T))
    Y = np.zeros((T, D, B, H))
    states = np.zeros((1 + (op == "LSTM"), D, B, H))
    for place, name in enumerate(("initial_h", "initial_c")[: len(states)]):
        if name in inputs:
            states[place] = inputs[name].transpose(1, 0, 2) if first else inputs[name]
    for d in range(D):
        backwards = attributes.get("direction") == "reverse" or d == 1
        own = acts[d * len(acts) // D : (d + 1) * len(acts) // D]
        bias = inputs["B"][d] if "B" in inputs else np.zeros(2 * G * H)
        p = inputs["P"][d] if "P" in inputs else np.zeros(3 * H)
        for b in range(B):
            order = range(lengths[b])
            for t in reversed(order) if backwards else order:
                new = step(op, attributes, own, X[t, b], states[:, d, b], W[d], R[d], bias, p)
                states[:, d, b] = new
                Y[t, d, b] = new[0]
    if first:
        return [Y.transpose(2, 0, 1, 3), *states.transpose(0, 2, 1, 3)]
    return [Y, *states]


def step(
    op: str, attributes: Mapping[str, Any], act: Any, x: Array, states: Array, W: Array, R: Array, B: Array, P: Array
) -> Array:
    H = R.shape[1]
    clip = attributes.get("clip", np.inf)
    Wb, Rb = np.split(B, 2)

    def clipped(a: Array) -> Array:
        return np.minimum(np.maximum(a, -clip), clip)

    def part(gate: int, values: Array) -> Array:
        return values[gate * H : (gate + 1) * H]

    def z(gate: int) -> Array:
        return part(gate, W) @ x + part(gate, R) @ states[0] + part(gate, Wb) + part(gate, Rb)

    h = states[0]
    if op == "RNN":
        return act[0](clipped(z(0)))[None]
    if op == "GRU":
        update, reset = act[0](clipped(z(0))), act[0](clipped(z(1)))
        if attributes.get("linear_before_reset"):
            new = part(2, W) @ x + part(2, Wb) + reset * (part(2, R) @ h + part(2, Rb))
        else:
            new = part(2, W) @ x + part(2, R) @ (reset * h) + part(2, Wb) + part(2, Rb)
        return ((1 - update) * act[1](clipped(new)) + update * h)[None]
    c = states[1]
    i = act[0](clipped(z(0) + part(0, P) * c))
    f = 1 - i if attributes.get("input_forget") else act[0](clipped(z(2) + part(2, P) * c))
    c = f * c + i * act[1](clipped(z(3)))
    o = act[0](clipped(z(1) + part(1, P) * c))
    return np.stack([o * act[2](c), c])


def model_of(
    op: str,
    attributes: Mapping[str, Any],
    inputs: Mapping[str, Array],
    fed: Sequence[str] = ("X", "sequence_lens", "initial_h", "initial_c"),
    outputs: Sequence[str] = ("Y", "Y_h", "Y_c"),
) -> onnx.ModelProto:
    """A model of one node; what is not fed are initialisers."""
    names = [name if name in inputs else "" for name in INPUTS]
    while not names[-1]:
        names.pop()
    R = inputs["R"]
    stated = {"hidden_size": R.shape[2], **attributes}
    wanted = [name for name in outputs if op == "LSTM" or name != "Y_c"]
    made = helper.make_node(op, names, wanted, name="node", **stated)
    number = helper.np_dtype_to_tensor_dtype(R.dtype)
    graph = helper.make_graph(
        [made],
        "graph",
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(inputs[name].dtype), inputs[name].shape)
            for name in names
            if name in fed and name
        ],
        [helper.make_tensor_value_info(name, number, [None] * (4 if name == "Y" else 3)) for name in wanted if name],
        [onnx.numpy_helper.from_array(inputs[name], name) for name in names if name and name not in fed],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)


def numbers(
    op: str, D: int, T: int = 4, B: int = 3, I: int = 2, H: int = 3, *names: str, scale: float = 0.5
) -> dict[str, Array]:
    """Random inputs X, W and R, and those named, in float32; lengths have to be set."""
    rng = np.random.default_rng(len(op) + 7 * D + T)
    G = GATES[op]
    shapes = {
        "X": (T, B, I),
        "W": (D, G * H, I),
        "R": (D, G * H, H),
        "B": (D, 2 * G * H),
        "initial_h": (D, B, H),
        "initial_c": (D, B, H),
        "P": (D, 3 * H),
    }
    return {name: (scale * rng.standard_normal(shapes[name])).astype(np.float32) for name in ("X", "W", "R", *names)}
