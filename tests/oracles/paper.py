"""What the oracles in NumPy are written in, and the loop over time that runs them.

An oracle is one step of a cell: `step(w, x, *inputs, *states)`, [B, size] each, gives the new states, after the output
where that is no state.
`w("i", h, x)` is what the paper writes as W_i [h, x] + b_i, and `w.p_i` a learned vector.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ricorda.nn import Recurrent
from ricorda.program.learned import learned
from ricorda.program.weights import layout

Array = NDArray[np.float64]
Step = Callable[..., Any]


def sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


def relu(a: Array) -> Array:
    return np.where(a > 0, a, 0.0)


def softplus(a: Array) -> Array:
    return np.logaddexp(a, 0.0)


def expm(A: Array) -> Array:
    """The series of the exponential function of a matrix, after halving it until it is small."""
    halvings = max(0, int(np.ceil(np.log2(np.abs(A).sum(axis=1).max() + 1e-300))) + 1)
    term = total = np.eye(len(A))
    for order in range(1, 25):
        term = term @ A / 2**halvings / order
        total = total + term
    return np.linalg.matrix_power(total, 2**halvings)


tanh = np.tanh


class Weights:
    """The weights of one direction of a layer's first level, taken apart by the names of the affines.

    Of a matrix with a form it has what is learned: the oracle makes the matrix of it.
    """

    def __init__(self, layer: Recurrent, suffix: str) -> None:
        tensors = [*layer.named_parameters(), *layer.named_buffers()]
        values = {name.removesuffix(suffix): value.detach().numpy() for name, value in tensors if name.endswith(suffix)}
        program = layer.program
        placed = learned(program, layer.bias) or layout(program, layer.bias)
        rows = layer.stack.sizes[0]

        def block(parameter: str, position: int) -> Array:
            before = [rows[size] for size in placed.shapes[parameter].rows]
            start = sum(before[:position])
            return values[parameter][start : start + before[position]]

        self._matrices, self._biases = {}, {}
        for index in program.affines:
            name = program.values[index].name
            self._matrices[name] = [block(one.parameter, one.position) for one in placed.matrices[index]]
            self._biases[name] = sum(block(one.parameter, one.position) for one in placed.biases[index])
        self._vectors = values

    def __call__(self, name: str, *operands: Array) -> Array:
        products = [x @ W.T for x, W in zip(operands, self._matrices[name], strict=True)]
        return sum(products) + self._biases[name]

    def matrices(self, name: str) -> list[Array]:
        """Those of an affine, in the order of its operands."""
        return self._matrices[name]

    def bias(self, name: str) -> Array:
        """The sum of an affine's biases."""
        return self._biases[name]

    def __getattr__(self, name: str) -> Array:
        return self._vectors[name]


def run(
    step: Step, w: Weights, inputs: Sequence[Array], states: Sequence[Array], lengths: Sequence[int], reverse: bool
) -> list[Array]:
    """The output [T, B, H], zero after each row's end, and the final states."""
    final = [state.copy() for state in states]
    outputs = {}
    for row, length in enumerate(lengths):
        current = [state[row : row + 1] for state in states]
        for t in reversed(range(length)) if reverse else range(length):
            new = step(w, *(x[t, row : row + 1] for x in inputs), *current)
            new = list(new) if isinstance(new, tuple) else [new]
            outputs[t, row] = new[0][0]
            current = new[len(new) - len(states) :]
        for whole, last in zip(final, current, strict=True):
            whole[row] = last[0]
    output = np.zeros((len(inputs[0]), len(lengths), len(next(iter(outputs.values())))))
    for place, value in outputs.items():
        output[place] = value
    return [output, *final]


def drawn(layer: Recurrent, seed: int = 0) -> Recurrent:
    """The layer with weights drawn anew, all of about the same size, so that none can hide."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(0.6 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
    return layer
