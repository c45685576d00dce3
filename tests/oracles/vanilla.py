"""Cells without gates."""

import numpy as np

from oracles.paper import expm, relu, sigmoid, tanh


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


irnn = rnn_relu  # It is the first matrix that differs.


def indrnn(w, x, h):
    return relu(w("h", x) + np.clip(w.u, -1, 1) * h)


def mi_rnn(w, x, h):
    Wx, Uh = w("x", x), w("h", h)
    return tanh(w.alpha * Wx * Uh + w.beta1 * Uh + w.beta2 * Wx + w.b)


def fastrnn(w, x, h):
    return sigmoid(w.alpha) * tanh(w("h", h, x)) + sigmoid(w.beta) * h


def esn(w, x, h):
    return h + 0.3 * (tanh(w("h", h, x)) - h)


def exprnn(w, x, h):
    M, V = w.matrices("h")
    z = h @ expm(M - M.T).T + x @ V.T
    return np.sign(z) * relu(np.abs(z) + w.b)
