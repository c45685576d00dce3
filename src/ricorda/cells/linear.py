"""Cells whose state is a linear function of the state before: it passes no nonlinear function and no dense matrix."""

from ricorda.program.cell import cell
from ricorda.program.symbols import affine, minimum, parameter, relu, sigmoid, softplus, tanh


@cell(
    year=2016,
    forget_gate="f",
    paper="Balduzzi, Ghifary, 'Strongly-typed recurrent neural networks', ICML 2016 (T-RNN)",
    weakness="gates do not see the state: what is kept cannot depend on what is remembered",
    candidate="z",
)
def trnn(x, h):
    """The strongly-typed RNN: a running mean of the projected input, whose speed the input chooses. Gates z f.

    z_t = W_z x_t + b_z
    f_t = sigmoid(W_f x_t + b_f)
    h_t = f_t * h_{t-1} + (1 - f_t) * z_t
    """
    z = affine("z", x)
    f = sigmoid(affine("f", x))
    return f * h + (1 - f) * z


@cell(
    year=2018,
    forget_gate="f",
    paper="Lei, Zhang, Wang, Dai, Artzi, 'Simple recurrent units for highly parallelizable recurrence', EMNLP 2018",
    weakness="units do not talk to each other within a layer: it needs several layers",
    differs=(
        "the official layer lets x itself pass where it has as many inputs as units; here it always has a matrix",
    ),
)
def sru(x, h, c):
    """The simple recurrent unit: a linear state with gates of its own, and a highway around it. Gates f r w skip.

    f_t = sigmoid(W_f x_t + b_f + v_f * c_{t-1})
    r_t = sigmoid(W_r x_t + b_r + v_r * c_{t-1})
    c_t = f_t * c_{t-1} + (1 - f_t) * (W_w x_t)
    h_t = r_t * c_t + (1 - r_t) * (W_skip x_t)
    """
    start = {"input": "uniform_fan_in(3)"}
    f = sigmoid(affine("f", x, init=start | {"bias": 0.0}) + parameter("v_f") * c)
    r = sigmoid(affine("r", x, init=start | {"bias": 0.0}) + parameter("v_r") * c)
    c = f * c + (1 - f) * affine("w", x, bias=False, init=start)
    h = r * c + (1 - r) * affine("skip", x, bias=False, init=start)
    return h, c


@cell(
    year=2024,
    paper="Feng, Tung, Ahmed, Bengio, Hajimirsadeghi, 'Were RNNs all we needed?', 2024 (minGRU)",
    weakness="neither gate nor candidate sees the state: a layer can only average what comes in",
    differs=("widely used code takes the positive g(W_h x) of the appendix, and no biases: that is mingru_log",),
    candidate="candidate",
)
def mingru(x, h):
    """MinGRU: the GRU without the state in its gate and candidate. Gates z h.

    z_t = sigmoid(W_z x_t + b_z)
    candidate_t = W_h x_t + b_h
    h_t = (1 - z_t) * h_{t-1} + z_t * candidate_t
    """
    z = sigmoid(affine("z", x))
    candidate = affine("h", x)
    return (1 - z) * h + z * candidate


@cell(
    year=2024,
    paper="Feng, Tung, Ahmed, Bengio, Hajimirsadeghi, 'Were RNNs all we needed?', 2024 (minGRU, appendix B)",
    weakness="its state is never negative: a sign has to be learned by the layer after it",
    candidate="candidate",
)
def mingru_log(x, h):
    """MinGRU with a positive candidate (a + 1/2, or sigmoid(a) where a < 0), for a scan of logarithms. Gates z h.

    z_t = sigmoid(W_z x_t)
    a_t = W_h x_t
    candidate_t = relu(a_t) + sigmoid(minimum(a_t, 0))
    h_t = (1 - z_t) * h_{t-1} + z_t * candidate_t
    """
    z = sigmoid(affine("z", x, bias=False))
    a = affine("h", x, bias=False)
    candidate = relu(a) + sigmoid(minimum(a, 0))
    return (1 - z) * h + z * candidate


@cell(
    year=2024,
    paper="Feng, Tung, Ahmed, Bengio, Hajimirsadeghi, 'Were RNNs all we needed?', 2024 (minLSTM, appendix B)",
    weakness="its state is never negative, and neither gate sees it",
    candidate="candidate",
)
def minlstm(x, h):
    """MinLSTM: forget and input gate divide one whole between them: keep is f / (f + i) of their sigmoids. Gates f i h.

    f_t = W_f x_t
    i_t = W_i x_t
    keep_t = sigmoid(softplus(-i_t) - softplus(-f_t))
    a_t = W_h x_t
    candidate_t = relu(a_t) + sigmoid(minimum(a_t, 0))
    h_t = keep_t * h_{t-1} + (1 - keep_t) * candidate_t
    """
    f = affine("f", x, bias=False)
    i = affine("i", x, bias=False)
    keep = sigmoid(softplus(-i) - softplus(-f))  # The quotient itself is 0 / 0 where both gates are shut.
    a = affine("h", x, bias=False)
    candidate = relu(a) + sigmoid(minimum(a, 0))
    return keep * h + (1 - keep) * candidate


@cell(
    year=2016,
    sizes={"x_last": "I"},
    paper="Balduzzi, Ghifary, 'Strongly-typed recurrent neural networks', ICML 2016 (T-GRU)",
    weakness="gates see two inputs and no state: what is kept cannot depend on what is remembered",
)
def tgru(x, h, x_last):
    """The strongly-typed GRU: all that it computes with are this input and the last. Gates z f o.

    z_t = W_z [x_t, x_last_{t-1}] + b_z
    f_t = sigmoid(W_f [x_t, x_last_{t-1}] + b_f)
    o_t = tanh(W_o [x_t, x_last_{t-1}] + b_o)
    h_t = f_t * h_{t-1} + z_t * o_t
    x_last_t = x_t
    """
    z = affine("z", x, x_last)
    f = sigmoid(affine("f", x, x_last))
    o = tanh(affine("o", x, x_last))
    h = f * h + z * o
    return h, x


@cell(
    year=2016,
    forget_gate="f",
    sizes={"x_last": "I"},
    paper="Balduzzi, Ghifary, 'Strongly-typed recurrent neural networks', ICML 2016 (T-LSTM)",
    weakness="gates see two inputs and no state: what is kept cannot depend on what is remembered",
)
def tlstm(x, h, c, x_last):
    """The strongly-typed LSTM (for the LSTM that is told the time see time_aware_lstm). Gates z f o.

    z_t = W_z [x_t, x_last_{t-1}] + b_z
    f_t = sigmoid(W_f [x_t, x_last_{t-1}] + b_f)
    o_t = tanh(W_o [x_t, x_last_{t-1}] + b_o)
    c_t = f_t * c_{t-1} + (1 - f_t) * z_t
    h_t = c_t * o_t
    x_last_t = x_t
    """
    z = affine("z", x, x_last)
    f = sigmoid(affine("f", x, x_last))
    o = tanh(affine("o", x, x_last))
    c = f * c + (1 - f) * z
    h = c * o
    return h, c, x


@cell(
    year=2017,
    forget_gate="f",
    candidate="z",
    sizes={"x_last": "I"},
    paper="Bradbury, Merity, Xiong, Socher, 'Quasi-recurrent neural networks', ICLR 2017 (fo-pooling, windows of two)",
    weakness="gates see no state, so it needs several layers",
    differs=("Salesforce's code takes F for what is let in, c = F z + (1 - F) c; the paper for what is kept, as here",),
)
def qrnn(x, h, c, x_last):
    """The quasi-recurrent network: a convolution of two inputs, and a pooling that forgets and shows. Gates z f o.

    z_t = tanh(W_z [x_t, x_last_{t-1}] + b_z)
    f_t = sigmoid(W_f [x_t, x_last_{t-1}] + b_f)
    o_t = sigmoid(W_o [x_t, x_last_{t-1}] + b_o)
    c_t = f_t * c_{t-1} + (1 - f_t) * z_t
    h_t = o_t * c_t
    x_last_t = x_t
    """
    z = tanh(affine("z", x, x_last))
    f = sigmoid(affine("f", x, x_last))
    o = sigmoid(affine("o", x, x_last))
    c = f * c + (1 - f) * z
    h = o * c
    return h, c, x
