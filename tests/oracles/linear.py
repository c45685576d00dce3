"""Cells whose state is a linear function of the state before."""

import numpy as np

from oracles.paper import sigmoid, tanh


def trnn(w, x, h):
    f = sigmoid(w("f", x))
    return f * h + (1 - f) * w("z", x)


def sru(w, x, h, c):
    """The reset gate, too, looks at the state before."""
    f = sigmoid(w("f", x) + w.v_f * c)
    r = sigmoid(w("r", x) + w.v_r * c)
    c = f * c + (1 - f) * w("w", x)
    return r * c + (1 - r) * w("skip", x), c


def mingru(w, x, h):
    z = sigmoid(w("z", x))
    return (1 - z) * h + z * w("h", x)


def _positive(a):
    """The paper's g: a + 0.5 where a is not negative, else sigmoid(a)."""
    return np.where(a >= 0, a + 0.5, sigmoid(a))


def mingru_log(w, x, h):
    z = sigmoid(w("z", x))
    return (1 - z) * h + z * _positive(w("h", x))


def minlstm(w, x, h):
    f, i = sigmoid(w("f", x)), sigmoid(w("i", x))
    return f / (f + i) * h + i / (f + i) * _positive(w("h", x))


def tgru(w, x, h, x_last):
    return sigmoid(w("f", x, x_last)) * h + w("z", x, x_last) * tanh(w("o", x, x_last)), x


def tlstm(w, x, h, c, x_last):
    f = sigmoid(w("f", x, x_last))
    c = f * c + (1 - f) * w("z", x, x_last)
    return c * tanh(w("o", x, x_last)), c, x


def qrnn(w, x, h, c, x_last):
    f = sigmoid(w("f", x, x_last))
    c = f * c + (1 - f) * tanh(w("z", x, x_last))
    return sigmoid(w("o", x, x_last)) * c, c, x
