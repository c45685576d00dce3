"""Cells with gates of other kinds."""

from oracles.paper import relu, sigmoid, tanh


def ran(w, x, h, c):
    c = sigmoid(w("i", h, x)) * w("c", x) + sigmoid(w("f", h, x)) * c
    return tanh(c), c


def minimalrnn(w, x, h):
    z = tanh(w("z", x))
    u = sigmoid(w("u", h, z))
    return u * h + (1 - u) * z


def atr(w, x, h):
    p, q = w("p", x), w("q", h)
    return sigmoid(p + q) * p + sigmoid(p - q) * h


def star(w, x, h):
    k = sigmoid(w("k", h, x))
    return tanh((1 - k) * h + k * tanh(w("z", x)))


def sgrn(w, x, h):
    p = w("p", x)
    f = sigmoid(p + w("q", h))
    return tanh((1 - f) * p + f * h)


def nbr(w, x, h):
    c = sigmoid(w("c", h, x))
    return c * h + (1 - c) * tanh(w("u", x) + (1 + tanh(w("a", h, x))) * h)


def janet(w, x, h):
    s = w("f", h, x)
    return sigmoid(s) * h + (1 - sigmoid(s - 1)) * tanh(w("c", h, x))


def ugrnn(w, x, h):
    g = sigmoid(w("g", h, x))
    return g * h + (1 - g) * tanh(w("c", h, x))


def cfn(w, x, h):
    return sigmoid(w("theta", h, x)) * tanh(h) + sigmoid(w("eta", h, x)) * tanh(w("w", x))


def br(w, x, h):
    c = sigmoid(w("c", x) + w.w_c * h)
    return c * h + (1 - c) * tanh(w("u", x) + (1 + tanh(w("a", x) + w.w_a * h)) * h)


def fastgrnn(w, x, h):
    z = w("w", h, x)
    g = sigmoid(z + w.b_z)
    return (sigmoid(w.zeta) * (1 - g) + sigmoid(w.nu)) * tanh(z + w.b_h) + g * h


def rhn(w, x, h):
    for depth, entering in enumerate([(x,), (), ()]):
        t = sigmoid(w(f"t{depth}", h, *entering))
        h = tanh(w(f"h{depth}", h, *entering)) * t + h * (1 - t)
    return h


def intersection(w, x, h):
    """With the paper's x brought to the size of h first."""
    x = w("v", x)
    upward, along = sigmoid(w("gy", h, x)), sigmoid(w("gh", h, x))
    y = upward * x + (1 - upward) * relu(w("y", h, x))
    return y, along * h + (1 - along) * tanh(w("h", h, x))
