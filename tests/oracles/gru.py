"""Gated recurrent units and their variants."""

import numpy as np

from oracles.paper import relu, sigmoid, softplus, tanh


def gru(w, x, a):
    u = sigmoid(w("u", a, x))
    return u * tanh(w("a", sigmoid(w("r", a, x)) * a, x)) + (1 - u) * a


def gru_reset_after(w, x, h):
    z = sigmoid(w("z", h, x))
    return (1 - z) * tanh(w("n", x) + sigmoid(w("r", h, x)) * w("nh", h)) + z * h


def _minimal(f, w, x, h):
    return (1 - f) * h + f * tanh(w("h", f * h, x))


def mgu(w, x, h):
    return _minimal(sigmoid(w("f", h, x)), w, x, h)


def mgu1(w, x, h):
    return _minimal(sigmoid(w("f", h)), w, x, h)


mgu2 = mgu1  # Its gate has no bias to take apart.


def mgu3(w, x, h):
    return _minimal(sigmoid(w.b_f), w, x, h)


def mut1(w, x, h):
    z = sigmoid(w("z", x))
    r = sigmoid(w("r", h, x))
    return tanh(w("h", r * h) + tanh(w("x", x))) * z + h * (1 - z)


def mut2(w, x, h):
    z = sigmoid(w("z", h, x))
    return tanh(w("h", sigmoid(w("r", h, x)) * h, x)) * z + h * (1 - z)


def mut3(w, x, h):
    z = sigmoid(w("z", tanh(h), x))
    return tanh(w("h", sigmoid(w("r", h, x)) * h, x)) * z + h * (1 - z)


def ligru(w, x, h):
    z = sigmoid(w("z", h, x))
    return z * h + (1 - z) * relu(w("h", h, x))


def lightru(w, x, h):
    f = sigmoid(w("f", h, x))
    return (1 - f) * h + f * tanh(w("h", x))


def _hard_sigmoid(a):
    return np.clip(a / 6 + 0.5, 0, 1)


def sgu(w, x, h):
    z = _hard_sigmoid(w("z", h, x))
    return (1 - z) * h + z * softplus(tanh(w("g", w("x_g", x) * h)) * h)


def dsgu(w, x, h):
    z = _hard_sigmoid(w("z", h, x))
    return (1 - z) * h + z * sigmoid(w("o", tanh(w("g", w("x_g", x) * h)) * h))


def miru1(w, x, h):
    return 0.5 * h + 0.5 * tanh(w("h", sigmoid(w("r", h, x)) * h, x))


def miru2(w, x, h):
    return 0.5 * h + 0.5 * tanh(w("h", 0.5 * h, x))


def taugru(w, x, h, *before):
    """With h_{t-1} and the four states before it, the last of which is h_{t-5}."""
    g = sigmoid(w("g", h, x))
    seen = tanh(w("u", h, x)) + sigmoid(w("a", h, x)) * tanh(w("z", before[-1], x))
    return (1 - g) * h + g * seen, h, *before[:-1]
