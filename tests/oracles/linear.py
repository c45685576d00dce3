"""Cells whose state is a linear function of the state before."""

import numpy as np

from oracles.paper import sigmoid, tanh


def trnn(w, x, h):
    f = sigmoid(w("f", x))
    return f * h + (1 - f) * w("z", x)


def sru(w, x, c):
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


def tlstm(w, x, c, x_last):
    f = sigmoid(w("f", x, x_last))
    c = f * c + (1 - f) * w("z", x, x_last)
    return c * tanh(w("o", x, x_last)), c, x


def qrnn(w, x, c, x_last):
    f = sigmoid(w("f", x, x_last))
    c = f * c + (1 - f) * tanh(w("z", x, x_last))
    return sigmoid(w("o", x, x_last)) * c, c, x


def rglru(w, x, h):
    v = w("v", x)
    a = np.exp(-8 * np.logaddexp(w.decay, 0)) ** sigmoid(w("a", v))
    return a * h + np.sqrt(1 - a**2) * (sigmoid(w("x", v)) * v)


def hgrn(w, x, c):
    """The real recurrence of the paper's section 3.2, with a lower bound of 0."""
    keep = sigmoid(w("f", x))
    c = keep * c + (1 - keep) * _silu(w("i", x))
    return _silu(w("o", x)) * c, c


def _silu(a):
    return a * sigmoid(a)


def lru(w, x, re, im):
    """In complex numbers, as the paper writes it."""
    turn = np.exp(-np.exp(w.nu) + 1j * w.theta)
    state = turn * (re + 1j * im) + np.sqrt(1 - np.abs(turn) ** 2) * (w("b_re", x) + 1j * w("b_im", x))
    C = w.matrices("c_re")[0] + 1j * w.matrices("c_im")[0]
    return (state @ C.T).real + w("d", x), state.real, state.imag


def rwkv4(w, x, a, b, m, x_last):
    """Without the stabiliser: sums of exponentials themselves, which a and b are once scaled by exp(m)."""
    k, v, r = (w(name, mu * x + (1 - mu) * x_last) for name, mu in (("k", w.mu_k), ("v", w.mu_v), ("r", w.mu_r)))
    top, bottom = a * np.exp(m), b * np.exp(m)
    wkv = (top + np.exp(w.u + k) * v) / (bottom + np.exp(w.u + k))
    fade = np.exp(-np.exp(w.w))
    top, bottom = fade * top + np.exp(k) * v, fade * bottom + np.exp(k)
    m = np.maximum(m - np.exp(w.w), k)
    return w("o", sigmoid(r) * wkv), top / np.exp(m), bottom / np.exp(m), m, x
