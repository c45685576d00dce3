"""Gated recurrent units and their relatives: one state that gates keep or replace."""

from ricorda.program.cell import cell
from ricorda.program.symbols import affine, sigmoid, tanh


@cell(
    candidate="candidate",
    year=2014,
    paper="Cho et al., 'Learning phrase representations using RNN encoder-decoder', EMNLP 2014",
    weakness="two products that wait for each other, so a step takes longer than the reset-after form's",
)
def gru(x, a):
    """The gated recurrent unit of the course, reset gate before the product. Gates r u a.

    r_t = sigmoid(W_r [a_{t-1}, x_t] + b_r)                what of the past the candidate sees
    u_t = sigmoid(W_u [a_{t-1}, x_t] + b_u)                how much of the new comes in (torch's z keeps: u = 1 - z)
    candidate_t = tanh(W_a [r_t * a_{t-1}, x_t] + b_a)
    a_t = (1 - u_t) * a_{t-1} + u_t * candidate_t
    """
    r = sigmoid(affine("r", a, x))
    u = sigmoid(affine("u", a, x))
    candidate = tanh(affine("a", r * a, x))
    return (1 - u) * a + u * candidate


@cell(
    candidate="n",
    year=2014,
    paper="Cho et al. 2014, version 3 of the preprint; the form of cuDNN and of torch.nn.GRU",
    weakness="it forgets sooner than an LSTM: what it shows is all that it keeps",
)
def gru_reset_after(x, h):
    """The gated recurrent unit with the reset gate after the product: one product a step. Gates r z n, as torch.nn.GRU.

    r_t = sigmoid(W_r [h_{t-1}, x_t] + b_r)
    z_t = sigmoid(W_z [h_{t-1}, x_t] + b_z)                          how much of the old stays
    n_t = tanh(W_n x_t + b_n + r_t * (W_nh h_{t-1} + b_nh))
    h_t = (1 - z_t) * n_t + z_t * h_{t-1}
    """
    r = sigmoid(affine("r", h, x))
    z = sigmoid(affine("z", h, x))
    n = tanh(affine("n", x) + r * affine("nh", h))
    return (1 - z) * n + z * h
