"""Long short-term memory and its variants: gates write to a cell state `c`, erase it and show it."""

from ricorda.program.cell import cell
from ricorda.program.symbols import affine, parameter, sigmoid, tanh


@cell(
    forget_gate="f",
    candidate="g",
    year=1997,
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
    year=2000,
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
    year=2017,
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
