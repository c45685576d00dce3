"""Discretised differential equations, with the papers' numbers."""

import numpy as np

from oracles.paper import sigmoid, tanh


def cornn(w, x, y, z):
    z = z + 0.076 * (tanh(w("z", y, z, x)) - 0.4 * y - 8 * z)
    return y + 0.076 * z, z


def lem(w, x, y, z):
    slow, fast = sigmoid(w("dt1", y, x)), sigmoid(w("dt2", y, x))
    z = z + fast * (tanh(w("z", y, x)) - z)
    return y + slow * (tanh(w("y", z, x)) - y), z


def _mixed(M, beta, gamma):
    return (1 - beta) * (M + M.T) + beta * (M - M.T) - gamma * np.eye(len(M))


def lipschitz(w, x, h):
    A, (W, U) = _mixed(w.matrices("a")[0], 0.75, 0.001), w.matrices("w")
    return h + 0.03 * (h @ A.T + tanh(h @ _mixed(W, 0.75, 0.001).T + x @ U.T + w.bias("w")))


def _skew(M):
    return M - M.T - 0.01 * np.eye(len(M))


def antisymmetric(w, x, h):
    W, V = w.matrices("h")
    return h + 0.01 * tanh(h @ _skew(W).T + x @ V.T + w.bias("h"))


def gated_antisymmetric(w, x, h):
    v = h @ _skew(w.matrices("v")[0]).T
    return h + 0.01 * sigmoid(w("z", x) + v) * tanh(w("h", x) + v)


def unicornn(w, x, y, z):
    step = 0.1 * sigmoid(w.c)
    z = z - step * tanh(w("y", x) + w.w * y)
    return y + step * z, z
