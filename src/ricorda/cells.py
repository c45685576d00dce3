"""The cells, as their equations.

A cell is a function of the input `x` and its states; it returns the new states, the first of which is the layer's
output. `affine("i", h, x)` is `W_i [h, x] + b_i`; the order of the affines is the order of the rows in the weights.
"""

from ricorda.program.cell import cell
from ricorda.program.symbols import affine, parameter, relu, sigmoid, tanh


@cell(
    paper="Elman, 'Finding structure in time', Cognitive Science 14, 1990",
    weakness="its gradient vanishes or explodes within some ten steps (Bengio, Simard, Frasconi 1994): "
    "for short sequences only",
)
def rnn(x, h):
    """The vanilla recurrent network: the state is a squashed sum of the last state and the input.

    h_t = tanh(W_h [h_{t-1}, x_t] + b_h)
    """
    return tanh(affine("h", h, x))


@cell(
    paper="Le, Jaitly, Hinton, 'A simple way to initialize recurrent networks of rectified linear units', 2015",
    weakness="without the identity as first recurrent matrix and clipped gradients it explodes",
)
def rnn_relu(x, h):
    """The vanilla recurrent network with a rectified linear state.

    h_t = relu(W_h [h_{t-1}, x_t] + b_h)
    """
    return relu(affine("h", h, x))


@cell(
    forget_gate="f",
    candidate="g",
    paper="Hochreiter, Schmidhuber, 'Long short-term memory', Neural Computation 9, 1997; "
    "forget gate: Gers, Schmidhuber, Cummins 2000",
    weakness="four products a step, and gates that do not see the cell state they guard",
)
def lstm(x, h, c):
    """Long short-term memory: a cell state `c` that gates write to, erase and read. Gates i f g o, as torch.nn.LSTM.

    i_t = sigmoid(W_i [h_{t-1}, x_t] + b_i)      what to write
    f_t = sigmoid(W_f [h_{t-1}, x_t] + b_f)      what to keep
    g_t = tanh(W_g [h_{t-1}, x_t] + b_g)         the candidate
    o_t = sigmoid(W_o [h_{t-1}, x_t] + b_o)      what to show
    c_t = f_t * c_{t-1} + i_t * g_t              long-term memory
    h_t = o_t * tanh(c_t)                        short-term memory
    """
    i = sigmoid(affine("i", h, x))
    f = sigmoid(affine("f", h, x))
    g = tanh(affine("g", h, x))
    o = sigmoid(affine("o", h, x))
    c = f * c + i * g
    h = o * tanh(c)
    return h, c


@cell(
    forget_gate="f",
    candidate="g",
    paper="Gers, Schmidhuber, 'Recurrent nets that time and count', IJCNN 2000",
    weakness="three vectors more to learn, which pay where exact timing matters and seldom elsewhere "
    "(Greff et al. 2017)",
)
def lstm_peephole(x, h, c):
    """LSTM whose gates look at the cell state through a weight for each unit. Gates i f g o.

    i_t = sigmoid(W_i [h_{t-1}, x_t] + b_i + p_i * c_{t-1})
    f_t = sigmoid(W_f [h_{t-1}, x_t] + b_f + p_f * c_{t-1})
    g_t = tanh(W_g [h_{t-1}, x_t] + b_g)
    c_t = f_t * c_{t-1} + i_t * g_t
    o_t = sigmoid(W_o [h_{t-1}, x_t] + b_o + p_o * c_t)      it sees the new state
    h_t = o_t * tanh(c_t)
    """
    i = sigmoid(affine("i", h, x) + parameter("p_i") * c)
    f = sigmoid(affine("f", h, x) + parameter("p_f") * c)
    g = tanh(affine("g", h, x))
    c = f * c + i * g
    o = sigmoid(affine("o", h, x) + parameter("p_o") * c)
    h = o * tanh(c)
    return h, c


@cell(
    forget_gate="f",
    candidate="g",
    paper="Greff, Srivastava, Koutnik, Steunebrink, Schmidhuber, 'LSTM: a search space odyssey', 2017 (CIFG)",
    weakness="it cannot keep all and write much in one step, so it cannot count without bound",
)
def lstm_coupled(x, h, c):
    """LSTM that writes exactly where it forgets: i = 1 - f, three products instead of four. Gates f g o.

    f_t = sigmoid(W_f [h_{t-1}, x_t] + b_f)
    g_t = tanh(W_g [h_{t-1}, x_t] + b_g)
    o_t = sigmoid(W_o [h_{t-1}, x_t] + b_o)
    c_t = f_t * c_{t-1} + (1 - f_t) * g_t
    h_t = o_t * tanh(c_t)
    """
    f = sigmoid(affine("f", h, x))
    g = tanh(affine("g", h, x))
    o = sigmoid(affine("o", h, x))
    c = f * c + (1 - f) * g
    h = o * tanh(c)
    return h, c


@cell(
    candidate="candidate",
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
