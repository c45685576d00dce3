"""Long short-term memory and its variants."""

import numpy as np

from oracles.paper import relu, sigmoid, tanh


def lstm(w, x, h, c):
    c = sigmoid(w("f", h, x)) * c + sigmoid(w("i", h, x)) * tanh(w("g", h, x))
    return sigmoid(w("o", h, x)) * tanh(c), c


def lstm_peephole(w, x, h, c):
    new = sigmoid(w("f", h, x) + w.p_f * c) * c + sigmoid(w("i", h, x) + w.p_i * c) * tanh(w("g", h, x))
    return sigmoid(w("o", h, x) + w.p_o * new) * tanh(new), new


def lstm_coupled(w, x, h, c):
    f = sigmoid(w("f", h, x))
    c = f * c + (1 - f) * tanh(w("g", h, x))
    return sigmoid(w("o", h, x)) * tanh(c), c


def lstm1997(w, x, h, c):
    c = c + sigmoid(w("i", h, x)) * tanh(w("g", h, x))
    return sigmoid(w("o", h, x)) * tanh(c), c


def indylstm(w, x, h, c):
    c = sigmoid(w("f", x) + w.u_f * h) * c + sigmoid(w("i", x) + w.u_i * h) * tanh(w("g", x) + w.u_g * h)
    return sigmoid(w("o", x) + w.u_o * h) * tanh(c), c


def slim1(w, x, h, c):
    c = sigmoid(w("f", h)) * c + sigmoid(w("i", h)) * tanh(w("g", h, x))
    return sigmoid(w("o", h)) * tanh(c), c


slim2 = slim1  # Its gates have no biases to take apart.


def slim3(w, x, h, c):
    c = sigmoid(w.b_f) * c + sigmoid(w.b_i) * tanh(w("g", h, x))
    return sigmoid(w.b_o) * tanh(c), c


def mlstm(w, x, h, c):
    return lstm(w, x, w("mx", x) * w("mh", h), c)


def wmclstm(w, x, h, c):
    f = sigmoid(w("f", h, x) + tanh(w("mf", c)))
    i = sigmoid(w("i", h, x) + tanh(w("mi", c)))
    c = f * c + i * tanh(w("g", h, x))
    return sigmoid(w("o", h, x) + tanh(w("mo", c))) * tanh(c), c


def mclstm(w, x, v, c):
    c = sigmoid(w("f", v, x)) * c + sigmoid(w("i", v, x)) * tanh(w("g", v, x))
    return sigmoid(w("o", v, x)) * tanh(c), sigmoid(w("k", v, x)) * tanh(c), c


def reslstm(w, x, h, c):
    c, old = sigmoid(w("f", h, x) + w.p_f * c) * c, c
    c = c + sigmoid(w("i", h, x) + w.p_i * old) * tanh(w("g", h, x))
    o = sigmoid(w("o", h, x) + w.p_o * c)
    return o * (w("proj", tanh(c)) + w("res", x)), c


def nas(w, x, h, c):
    """The tree of the paper's figure 8, leaf by leaf, each pair joined and squashed."""
    z = [w(f"z{leaf}", h, x) for leaf in range(8)]
    first = tanh(sigmoid(z[0]) * relu(z[1]))
    second = tanh(sigmoid(z[2]) + relu(z[3]))
    third = tanh(tanh(z[4]) * sigmoid(z[5]))
    fourth = sigmoid(tanh(z[6]) + sigmoid(z[7]))
    c = tanh(first + c) * second
    return tanh(c * tanh(third + fourth)), c


def nested_lstm(w, x, h, c, d):
    inner_h = sigmoid(w("f", h, x)) * c
    inner_x = sigmoid(w("i", h, x)) * tanh(w("g", h, x))
    i, f, o = (sigmoid(w(name, inner_h, inner_x)) for name in ("i2", "f2", "o2"))
    d = f * d + i * tanh(w("g2", inner_h, inner_x))
    c = o * tanh(d)
    return sigmoid(w("o", h, x)) * tanh(c), c, d


def slstm(w, x, h, c, n, m):
    """With the logarithm of a sigmoid in the forget gate, as in the authors' code."""
    i, f = w("i", h, x), np.log(sigmoid(w("f", h, x)))
    new = np.maximum(f + m, i)
    c = np.exp(f + m - new) * c + np.exp(i - new) * tanh(w("z", h, x))
    n = np.exp(f + m - new) * n + np.exp(i - new)
    return sigmoid(w("o", h, x)) * c / n, c, n, new


def mogrifier(w, x, h, c):
    x = 2 * sigmoid(w("q1", h)) * x
    h = 2 * sigmoid(w("r2", x)) * h
    x = 2 * sigmoid(w("q3", h)) * x
    h = 2 * sigmoid(w("r4", x)) * h
    x = 2 * sigmoid(w("q5", h)) * x
    return lstm(w, x, h, c)


def onlstm(w, x, h, c):
    def cumax(z):
        share = np.exp(z - z.max())
        return np.cumsum(share / share.sum(), axis=1)

    keep, write = cumax(w("mf", h, x)), 1 - cumax(w("mi", h, x))
    f, i = sigmoid(w("f", h, x)), sigmoid(w("i", h, x))
    both = keep * write
    c = (f * both + (keep - both)) * c + (i * both + (write - both)) * tanh(w("g", h, x))
    return sigmoid(w("o", h, x)) * tanh(c), c
