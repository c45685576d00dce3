"""Cells in continuous time."""

import numpy as np

from oracles.paper import expm, relu, sigmoid, tanh


def cfc(w, x, h):
    """With the time between steps at 1, and LeCun's tanh in the backbone, as in the authors' code."""
    b = 1.7159 * tanh(0.666 * w("b", h, x))
    s = sigmoid(w("ta", b) + w("tb", b))
    return (1 - s) * tanh(w("g", b)) + s * tanh(w("k", b))


def cfc_gap(w, x, gap, h):
    b = 1.7159 * tanh(0.666 * w("b", h, x))
    s = sigmoid(w("ta", b) * gap + w("tb", b))
    return (1 - s) * tanh(w("g", b)) + s * tanh(w("k", b))


def time_aware_lstm(w, x, gap, h, c):
    short = tanh(w("d", c))
    long = c - short
    c = sigmoid(w("f", h, x)) * (long + short / np.log(np.e + gap)) + sigmoid(w("i", h, x)) * tanh(w("g", h, x))
    return sigmoid(w("o", h, x)) * tanh(c), c


def gru_d(w, x, m, gap, h, x_last):
    x_last = np.where(m == 1, x, x_last)
    x = m * x + (1 - m) * np.exp(-relu(w.w_x * gap + w.b_x)) * x_last
    h = np.exp(-relu(w("gamma", gap))) * h
    z, r = sigmoid(w("z", h, x, m)), sigmoid(w("r", h, x, m))
    return (1 - z) * h + z * tanh(w("h", r * h, x, m)), x_last


def lmu(w, x, h, m):
    """The matrices are those of the paper, held for a step of a window of 100 steps: expm by its series."""
    q, order, theta = np.arange(32), 32, 100.0
    sign = np.where(q[:, None] < q, -1.0, (-1.0) ** (q[:, None] - q + 1))
    A = (2 * q[:, None] + 1) / theta * sign
    B = ((2 * q + 1) / theta * (-1.0) ** q)[:, None]
    joined = np.zeros((order + 1, order + 1))
    joined[:order, :order], joined[:order, order:] = A, B
    held = expm(joined)
    u = w("ex", x) + w("eh", h) + w("em", m)
    m = m @ held[:order, :order].T + u @ held[:order, order:].T
    return tanh(w("h", h, m, x)), m


def ltc(w, x, h):
    """The fused explicit and implicit Euler step of the paper's algorithm 1, six times a step."""
    for _ in range(6):
        f = sigmoid(w("f", h, x))
        h = (h + f * w.A / 6) / (1 + (np.log1p(np.exp(w.inverse_tau)) + f) / 6)
    return h


def phased_lstm(w, x, time, h, c):
    period = np.exp(w.log_period)
    phase = np.mod(time - w.shift * period, period) / period
    rising, falling = phase < 0.025, (phase >= 0.025) & (phase < 0.05)
    k = np.select([rising, falling], [phase / 0.025, 2 - phase / 0.025], 0.001 * phase)
    i, f = sigmoid(w("i", h, x) + w.p_i * c), sigmoid(w("f", h, x) + w.p_f * c)
    new = f * c + i * tanh(w("g", h, x))
    shown = sigmoid(w("o", h, x) + w.p_o * new) * tanh(new)
    return h + k * (shown - h), c + k * (new - c)
