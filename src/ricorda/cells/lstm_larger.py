"""LSTMs with more to them: more products, gates or memories than the LSTM has."""

import math

from ricorda.program.cell import cell
from ricorda.program.functions import log_sigmoid, softmax
from ricorda.program.symbols import affine, exp, maximum, parameter, relu, sigmoid, tanh


@cell(
    year=2016,
    forget_gate="f",
    candidate="g",
    paper="Krause, Lu, Murray, Renals, 'Multiplicative LSTM for sequence modelling', 2016",
    weakness="two products that wait for each other, so a step takes longer than the LSTM's",
    differs=("the paper's m has no biases; some implementations add them to both factors",),
)
def mlstm(x, h, c):
    """Multiplicative LSTM: gates read m, a product of input and state (not xLSTM's matrix memory). Gates mx mh i f g o.

    m_t = (W_mx x_t) * (W_mh h_{t-1})
    i_t = sigmoid(W_i [m_t, x_t] + b_i)
    f_t = sigmoid(W_f [m_t, x_t] + b_f)
    g_t = tanh(W_g [m_t, x_t] + b_g)
    o_t = sigmoid(W_o [m_t, x_t] + b_o)
    c_t = f_t * c_{t-1} + i_t * g_t
    h_t = o_t * tanh(c_t)
    """
    m = affine("mx", x, bias=False) * affine("mh", h, bias=False)
    i = sigmoid(affine("i", m, x))
    f = sigmoid(affine("f", m, x))
    g = tanh(affine("g", m, x))
    o = sigmoid(affine("o", m, x))
    c = f * c + i * g
    h = o * tanh(c)
    return h, c


@cell(
    year=2021,
    forget_gate="f",
    candidate="g",
    paper="Landi, Baraldi, Cornia, Cucchiara, 'Working memory connections for LSTM', Neural Networks 144, 2021",
    weakness="three square matrices more than the LSTM, one of which waits for the new cell state",
    differs=("some implementations add biases to the products with the cell state",),
)
def wmclstm(x, h, c):
    """LSTM whose gates see the cell state through a matrix and a tanh. Gates i mi f mf g o mo.

    i_t = sigmoid(W_i [h_{t-1}, x_t] + b_i + tanh(W_mi c_{t-1}))
    f_t = sigmoid(W_f [h_{t-1}, x_t] + b_f + tanh(W_mf c_{t-1}))
    g_t = tanh(W_g [h_{t-1}, x_t] + b_g)
    c_t = f_t * c_{t-1} + i_t * g_t
    o_t = sigmoid(W_o [h_{t-1}, x_t] + b_o + tanh(W_mo c_t))
    h_t = o_t * tanh(c_t)
    """
    i = sigmoid(affine("i", h, x) + tanh(affine("mi", c, bias=False)))
    f = sigmoid(affine("f", h, x) + tanh(affine("mf", c, bias=False)))
    g = tanh(affine("g", h, x))
    c = f * c + i * g
    o = sigmoid(affine("o", h, x) + tanh(affine("mo", c, bias=False)))
    h = o * tanh(c)
    return h, c


@cell(
    output="h",
    year=2017,
    forget_gate="f",
    candidate="g",
    paper="Ben-Ari, Shwartz-Ziv, 'Sequence modeling using a memory controller extension for LSTM', NIPS workshop, 2017",
    weakness="a fifth gate, and an output that the cell itself never reads",
)
def mclstm(x, v, c):
    """Memory-controller LSTM: what it tells itself, v, and what it shows, h, have a gate each. Gates f i o k g.

    f_t = sigmoid(W_f [v_{t-1}, x_t] + b_f)
    i_t = sigmoid(W_i [v_{t-1}, x_t] + b_i)
    o_t = sigmoid(W_o [v_{t-1}, x_t] + b_o)
    k_t = sigmoid(W_k [v_{t-1}, x_t] + b_k)
    g_t = tanh(W_g [v_{t-1}, x_t] + b_g)
    c_t = f_t * c_{t-1} + i_t * g_t
    s_t = tanh(c_t)
    h_t = o_t * s_t
    v_t = k_t * s_t
    """
    f = sigmoid(affine("f", v, x))
    i = sigmoid(affine("i", v, x))
    o = sigmoid(affine("o", v, x))
    k = sigmoid(affine("k", v, x))
    g = tanh(affine("g", v, x))
    c = f * c + i * g
    s = tanh(c)
    h = o * s
    v = k * s
    return h, v, c


@cell(
    year=2017,
    forget_gate="f",
    candidate="g",
    paper="Kim, El-Khamy, Lee, 'Residual LSTM: design of a deep recurrent architecture for distant "
    "speech recognition', Interspeech 2017",
    weakness="its shortcut helps deep stacks; in one layer it is a projection more to compute",
    differs=("where input and output have one size the paper's shortcut is x_t itself; here it always has a matrix",),
)
def reslstm(x, h, c):
    """Residual LSTM: a shortcut from the input goes past the cell state and through the output gate.

    i_t = sigmoid(W_i [h_{t-1}, x_t] + b_i + p_i * c_{t-1})
    f_t = sigmoid(W_f [h_{t-1}, x_t] + b_f + p_f * c_{t-1})
    g_t = tanh(W_g [h_{t-1}, x_t] + b_g)
    c_t = f_t * c_{t-1} + i_t * g_t
    o_t = sigmoid(W_o [h_{t-1}, x_t] + b_o + p_o * c_t)
    m_t = W_proj tanh(c_t)
    h_t = o_t * (m_t + W_res x_t)
    """
    i = sigmoid(affine("i", h, x) + parameter("p_i") * c)
    f = sigmoid(affine("f", h, x) + parameter("p_f") * c)
    g = tanh(affine("g", h, x))
    c = f * c + i * g
    o = sigmoid(affine("o", h, x) + parameter("p_o") * c)
    m = affine("proj", tanh(c), bias=False)
    h = o * (m + affine("res", x, bias=False))
    return h, c


@cell(
    year=2017,
    paper="Zoph, Le, 'Neural architecture search with reinforcement learning', ICLR 2017",
    weakness="eight products a step, for a cell that a search found on one data set",
    differs=(
        "TensorFlow's NASCell multiplies the input's and the state's products in the fourth gate, relu(W x * U h); "
        "the paper and torchrecurrent add them, as here",
    ),
)
def nas(x, h, c):
    """The cell that neural architecture search found on the Penn Treebank. Gates z0 to z7.

    a0_t = sigmoid(W_z0 [h_{t-1}, x_t] + b_z0)
    a1_t = relu(W_z1 [h_{t-1}, x_t] + b_z1)
    a2_t = sigmoid(W_z2 [h_{t-1}, x_t] + b_z2)
    a3_t = relu(W_z3 [h_{t-1}, x_t] + b_z3)
    a4_t = tanh(W_z4 [h_{t-1}, x_t] + b_z4)
    a5_t = sigmoid(W_z5 [h_{t-1}, x_t] + b_z5)
    a6_t = tanh(W_z6 [h_{t-1}, x_t] + b_z6)
    a7_t = sigmoid(W_z7 [h_{t-1}, x_t] + b_z7)
    left_t = tanh(tanh(a0_t * a1_t) + c_{t-1})
    right_t = tanh(tanh(a4_t * a5_t) + sigmoid(a6_t + a7_t))
    c_t = left_t * tanh(a2_t + a3_t)
    h_t = tanh(c_t * right_t)
    """
    a0 = sigmoid(affine("z0", h, x))
    a1 = relu(affine("z1", h, x))
    a2 = sigmoid(affine("z2", h, x))
    a3 = relu(affine("z3", h, x))
    a4 = tanh(affine("z4", h, x))
    a5 = sigmoid(affine("z5", h, x))
    a6 = tanh(affine("z6", h, x))
    a7 = sigmoid(affine("z7", h, x))
    left = tanh(tanh(a0 * a1) + c)
    right = tanh(tanh(a4 * a5) + sigmoid(a6 + a7))
    c = left * tanh(a2 + a3)
    h = tanh(c * right)
    return h, c


@cell(
    year=2018,
    forget_gate="f2",
    candidate="g",
    paper="Moniz, Krueger, 'Nested LSTMs', 2018",
    weakness="eight products, four of which wait for the other four: twice the LSTM's time for a step",
)
def nested_lstm(x, h, c, d):
    """Nested LSTM: the cell state is itself kept by an LSTM, whose cell state is d. Gates i f g o i2 f2 g2 o2.

    i_t = sigmoid(W_i [h_{t-1}, x_t] + b_i)
    f_t = sigmoid(W_f [h_{t-1}, x_t] + b_f)
    g_t = tanh(W_g [h_{t-1}, x_t] + b_g)
    o_t = sigmoid(W_o [h_{t-1}, x_t] + b_o)
    inner_h_t = f_t * c_{t-1}
    inner_x_t = i_t * g_t
    i2_t = sigmoid(W_i2 [inner_h_t, inner_x_t] + b_i2)
    f2_t = sigmoid(W_f2 [inner_h_t, inner_x_t] + b_f2)
    g2_t = tanh(W_g2 [inner_h_t, inner_x_t] + b_g2)
    o2_t = sigmoid(W_o2 [inner_h_t, inner_x_t] + b_o2)
    d_t = f2_t * d_{t-1} + i2_t * g2_t
    c_t = o2_t * tanh(d_t)
    h_t = o_t * tanh(c_t)
    """
    i = sigmoid(affine("i", h, x))
    f = sigmoid(affine("f", h, x))
    g = tanh(affine("g", h, x))
    o = sigmoid(affine("o", h, x))
    inner_h = f * c
    inner_x = i * g
    i2 = sigmoid(affine("i2", inner_h, inner_x))
    f2 = sigmoid(affine("f2", inner_h, inner_x))
    g2 = tanh(affine("g2", inner_h, inner_x))
    o2 = sigmoid(affine("o2", inner_h, inner_x))
    d = f2 * d + i2 * g2
    c = o2 * tanh(d)
    h = o * tanh(c)
    return h, c, d


@cell(
    year=2024,
    initial={"m": -math.inf},
    forget_gate="f",
    candidate="z",
    paper="Beck, Pöppel, Spanring, Auer, Prudnikova, Kopp, Klambauer, Brandstetter, Hochreiter, 'xLSTM: extended long "
    "short-term memory', NeurIPS 2024 (sLSTM)",
    weakness="two states and a stabiliser more than the LSTM, for gates that can grow without bound",
    differs=(
        "the authors' code lets heads of units have a recurrent matrix each; here all units are one head",
        "the authors' code takes the maximum only once n is not 0; the paper starts m at minus infinity, as here",
    ),
)
def slstm(x, h, c, n, m):
    """The scalar LSTM of xLSTM: exponential gates, a normaliser n, and their stabiliser m. Gates i f z o.

    i_t = W_i [h_{t-1}, x_t] + b_i
    f_t = -softplus(-(W_f [h_{t-1}, x_t] + b_f))
    z_t = tanh(W_z [h_{t-1}, x_t] + b_z)
    o_t = sigmoid(W_o [h_{t-1}, x_t] + b_o)
    m_t = maximum(f_t + m_{t-1}, i_t)
    write_t = exp(i_t - m_t)
    keep_t = exp(f_t + m_{t-1} - m_t)
    c_t = keep_t * c_{t-1} + write_t * z_t
    n_t = keep_t * n_{t-1} + write_t
    h_t = o_t * c_t / n_t
    """
    i = affine("i", h, x)
    f = log_sigmoid(affine("f", h, x, init={"bias": "ramp(3, 6)"}))
    z = tanh(affine("z", h, x))
    o = sigmoid(affine("o", h, x))
    m, m_last = maximum(f + m, i), m
    write = exp(i - m)
    keep = exp(f + m_last - m)
    c = keep * c + write * z
    n = keep * n + write
    h = o * c / n
    return h, c, n, m


@cell(
    year=2020,
    forget_gate="f",
    candidate="g",
    paper="Melis, Kocisky, Blunsom, 'Mogrifier LSTM', ICLR 2020",
    weakness="every round is a product that waits for the one before",
    differs=("DeepMind's code can make Q and R of low rank",),
    meanings={"rounds": "how often input and state gate each other, the state first at the input"},
)
def mogrifier(x, h, c, *, rounds=5):
    """The mogrifier: input and state gate each other in turns before an LSTM reads them. Gates q1 r2 q3 r4 q5 i f g o.

    x_1_t = 2 * sigmoid(W_q1 h_{t-1} + b_q1) * x_t
    h_1_t = 2 * sigmoid(W_r2 x_1_t + b_r2) * h_{t-1}
    x_2_t = 2 * sigmoid(W_q3 h_1_t + b_q3) * x_1_t
    h_2_t = 2 * sigmoid(W_r4 x_2_t + b_r4) * h_1_t
    x_3_t = 2 * sigmoid(W_q5 h_2_t + b_q5) * x_2_t
    i_t = sigmoid(W_i [h_2_t, x_3_t] + b_i)
    f_t = sigmoid(W_f [h_2_t, x_3_t] + b_f)
    g_t = tanh(W_g [h_2_t, x_3_t] + b_g)
    o_t = sigmoid(W_o [h_2_t, x_3_t] + b_o)
    c_t = f_t * c_{t-1} + i_t * g_t
    h_t = o_t * tanh(c_t)
    """
    for number in range(1, rounds + 1):
        if number % 2:
            x = 2 * sigmoid(affine(f"q{number}", h, size="I")) * x
        else:
            h = 2 * sigmoid(affine(f"r{number}", x)) * h
    i = sigmoid(affine("i", h, x))
    f = sigmoid(affine("f", h, x))
    g = tanh(affine("g", h, x))
    o = sigmoid(affine("o", h, x))
    c = f * c + i * g
    h = o * tanh(c)
    return h, c


@cell(
    year=2019,
    candidate="g",
    paper="Shen, Tan, Sordoni, Courville, 'Ordered neurons: integrating tree structures into recurrent neural "
    "networks', ICLR 2019 (ON-LSTM)",
    weakness="sums over all units make a step wait, and the order of units is all that says what is kept long",
    differs=("the authors' code has a master gate for chunks of ten units; here each unit has its own",),
)
def onlstm(x, h, c):
    """The ordered-neurons LSTM: master gates keep units from one on, and write those up to one. Gates mf mi i f g o.

    mf_t = W_mf [h_{t-1}, x_t] + b_mf
    mi_t = W_mi [h_{t-1}, x_t] + b_mi
    keep_t = W_sums [exp(mf_t - largest(mf_t)) / sum(exp(mf_t - largest(mf_t)))]
    write_t = 1 - W_sums [exp(mi_t - largest(mi_t)) / sum(exp(mi_t - largest(mi_t)))]
    i_t = sigmoid(W_i [h_{t-1}, x_t] + b_i)
    f_t = sigmoid(W_f [h_{t-1}, x_t] + b_f)
    g_t = tanh(W_g [h_{t-1}, x_t] + b_g)
    o_t = sigmoid(W_o [h_{t-1}, x_t] + b_o)
    both_t = keep_t * write_t
    c_t = (f_t * both_t + keep_t - both_t) * c_{t-1} + (i_t * both_t + write_t - both_t) * g_t
    h_t = o_t * tanh(c_t)
    """
    mf = affine("mf", h, x)
    mi = affine("mi", h, x)
    keep = affine("sums", softmax(mf), bias=False, form="fixed", init="cumulative")
    write = 1 - affine("sums", softmax(mi), shared=True)
    i = sigmoid(affine("i", h, x))
    f = sigmoid(affine("f", h, x))
    g = tanh(affine("g", h, x))
    o = sigmoid(affine("o", h, x))
    both = keep * write
    c = (f * both + keep - both) * c + (i * both + write - both) * g
    h = o * tanh(c)
    return h, c
