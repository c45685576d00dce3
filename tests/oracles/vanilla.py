"""Cells without gates."""

from oracles.paper import relu, sigmoid, tanh


def rnn(w, x, h):
    return tanh(w("h", h, x))


def rnn_relu(w, x, h):
    return relu(w("h", h, x))


def jordan(w, x, y, h):
    h = sigmoid(w("h", y, x))
    return tanh(w("y", h)), h


def mrnn(w, x, h):
    return tanh(w("h", w("fx", x) * w("fh", h), x))


def scrn(w, x, h, s):
    s = 0.05 * w("s", x) + 0.95 * s
    return sigmoid(w("h", h, s, x)), s
