"""Cells in continuous time."""

from oracles.paper import sigmoid, tanh


def cfc(w, x, h):
    """With the time between steps at 1, and LeCun's tanh in the backbone, as in the authors' code."""
    b = 1.7159 * tanh(0.666 * w("b", h, x))
    s = sigmoid(w("ta", b) + w("tb", b))
    return (1 - s) * tanh(w("g", b)) + s * tanh(w("k", b))
