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


@cell(
    year=1997,
    candidate="g",
    paper="Hochreiter, Schmidhuber, 'Long short-term memory', Neural Computation 9, 1997, as first published",
    weakness="nothing is ever forgotten: on long streams the cell state grows until its tanh is flat",
)
def lstm1997(x, h, c):
    """LSTM as first published, without a forget gate. Gates i g o.

    i_t = sigmoid(W_i [h_{t-1}, x_t] + b_i)
    g_t = tanh(W_g [h_{t-1}, x_t] + b_g)
    o_t = sigmoid(W_o [h_{t-1}, x_t] + b_o)
    c_t = c_{t-1} + i_t * g_t
    h_t = o_t * tanh(c_t)
    """
    i = sigmoid(affine("i", h, x))
    g = tanh(affine("g", h, x))
    o = sigmoid(affine("o", h, x))
    c = c + i * g
    h = o * tanh(c)
    return h, c


@cell(
    year=2019,
    forget_gate="f",
    candidate="g",
    paper="Gonnet, Deselaers, 'IndyLSTMs: independently recurrent LSTMs', 2019",
    weakness="units do not talk to each other within a layer: it needs several layers",
)
def indylstm(x, h, c):
    """LSTM with a recurrent weight for each unit in place of each recurrent matrix. Gates i f g o.

    i_t = sigmoid(W_i x_t + b_i + u_i * h_{t-1})
    f_t = sigmoid(W_f x_t + b_f + u_f * h_{t-1})
    g_t = tanh(W_g x_t + b_g + u_g * h_{t-1})
    o_t = sigmoid(W_o x_t + b_o + u_o * h_{t-1})
    c_t = f_t * c_{t-1} + i_t * g_t
    h_t = o_t * tanh(c_t)
    """
    i = sigmoid(affine("i", x) + parameter("u_i") * h)
    f = sigmoid(affine("f", x) + parameter("u_f") * h)
    g = tanh(affine("g", x) + parameter("u_g") * h)
    o = sigmoid(affine("o", x) + parameter("u_o") * h)
    c = f * c + i * g
    h = o * tanh(c)
    return h, c


@cell(
    year=2017,
    forget_gate="f",
    candidate="g",
    paper="Lu, Salem, 'Simplified gating in long short-term memory (LSTM) recurrent neural networks', 2017 (LSTM1)",
    weakness="gates see no input, so they cannot react to what comes in before the next step",
)
def slim1(x, h, c):
    """Slim LSTM 1: gates read the state alone. Gates i f g o.

    i_t = sigmoid(W_i h_{t-1} + b_i)
    f_t = sigmoid(W_f h_{t-1} + b_f)
    g_t = tanh(W_g [h_{t-1}, x_t] + b_g)
    o_t = sigmoid(W_o h_{t-1} + b_o)
    c_t = f_t * c_{t-1} + i_t * g_t
    h_t = o_t * tanh(c_t)
    """
    i = sigmoid(affine("i", h))
    f = sigmoid(affine("f", h))
    g = tanh(affine("g", h, x))
    o = sigmoid(affine("o", h))
    c = f * c + i * g
    h = o * tanh(c)
    return h, c


@cell(
    year=2017,
    candidate="g",
    paper="Lu, Salem, 'Simplified gating in long short-term memory (LSTM) recurrent neural networks', 2017 (LSTM2)",
    weakness="at a state of zero its gates are one half, whatever they have learned",
)
def slim2(x, h, c):
    """Slim LSTM 2: gates read the state alone, without biases. Gates i f g o.

    i_t = sigmoid(W_i h_{t-1})
    f_t = sigmoid(W_f h_{t-1})
    g_t = tanh(W_g [h_{t-1}, x_t] + b_g)
    o_t = sigmoid(W_o h_{t-1})
    c_t = f_t * c_{t-1} + i_t * g_t
    h_t = o_t * tanh(c_t)
    """
    i = sigmoid(affine("i", h, bias=False))
    f = sigmoid(affine("f", h, bias=False))
    g = tanh(affine("g", h, x))
    o = sigmoid(affine("o", h, bias=False))
    c = f * c + i * g
    h = o * tanh(c)
    return h, c


@cell(
    year=2017,
    candidate="g",
    paper="Lu, Salem, 'Simplified gating in long short-term memory (LSTM) recurrent neural networks', 2017 (LSTM3)",
    weakness="gates are constants: each unit forgets at one speed, which no input changes",
)
def slim3(x, h, c):
    """Slim LSTM 3: each gate is a learned constant for each unit. Gate g.

    i_t = sigmoid(b_i)
    f_t = sigmoid(b_f)
    o_t = sigmoid(b_o)
    g_t = tanh(W_g [h_{t-1}, x_t] + b_g)
    c_t = f_t * c_{t-1} + i_t * g_t
    h_t = o_t * tanh(c_t)
    """
    i = sigmoid(parameter("b_i"))
    f = sigmoid(parameter("b_f"))
    o = sigmoid(parameter("b_o"))
    g = tanh(affine("g", h, x))
    c = f * c + i * g
    h = o * tanh(c)
    return h, c
