"""Cells that ricorda does not have, as a user writes them. Affines in the order of torchrecurrent's weights."""

from ricorda import affine, cell, sigmoid, tanh


@cell(paper="Zhou, Wu, Zhang, Zhou, 'Minimal gated unit for recurrent neural networks', 2016")
def minimal_gated_unit(x, h):
    f = sigmoid(affine("f", h, x))
    candidate = tanh(affine("h", f * h, x))
    return (1 - f) * h + f * candidate


@cell(paper="van der Westhuizen, Lasenby, 'The unreasonable effectiveness of the forget gate', 2018; beta = 1")
def janet(x, c):
    s = affine("f", c, x)
    candidate = tanh(affine("c", c, x))
    return sigmoid(s) * c + (1 - sigmoid(s - 1.0)) * candidate


@cell(paper="Rusch, Mishra, Erichson, Mahoney, 'Long expressive memory for sequence modeling', ICLR 2022; dt = 1")
def lem(x, h, z):
    """As torchrecurrent has it: h sees the z of the step before (in the paper: the new one)."""
    slow = sigmoid(affine("slow", h, x))
    fast = sigmoid(affine("fast", h, x))
    z_new = (1 - fast) * z + fast * tanh(affine("z", h, x))
    h_new = (1 - slow) * h + slow * tanh(affine("h", z, x))
    return h_new, z_new


@cell(forget_gate="f", paper="the built-in LSTM, written again by a user")
def rewritten_lstm(x, h, c):
    i = sigmoid(affine("i", h, x))
    f = sigmoid(affine("f", h, x))
    g = tanh(affine("g", h, x))
    o = sigmoid(affine("o", h, x))
    c = f * c + i * g
    return o * tanh(c), c
