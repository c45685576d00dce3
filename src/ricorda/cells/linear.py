"""Cells whose state is a linear function of the state before: it passes no nonlinear function and no dense matrix."""

from ricorda.program.cell import cell
from ricorda.program.functions import cos, safe_sqrt, sin
from ricorda.program.symbols import affine, exp, maximum, minimum, parameter, relu, sigmoid, softplus, tanh


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
    output="h",
    year=2018,
    forget_gate="f",
    paper="Lei, Zhang, Wang, Dai, Artzi, 'Simple recurrent units for highly parallelizable recurrence', EMNLP 2018",
    weakness="units do not talk to each other within a layer: it needs several layers",
    differs=(
        "the official layer lets x itself pass where it has as many inputs as units; here it always has a matrix",
    ),
)
def sru(x, c):
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
    output="h",
    year=2016,
    forget_gate="f",
    sizes={"x_last": "I"},
    paper="Balduzzi, Ghifary, 'Strongly-typed recurrent neural networks', ICML 2016 (T-LSTM)",
    weakness="gates see two inputs and no state: what is kept cannot depend on what is remembered",
)
def tlstm(x, c, x_last):
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
    output="h",
    year=2017,
    forget_gate="f",
    candidate="z",
    sizes={"x_last": "I"},
    paper="Bradbury, Merity, Xiong, Socher, 'Quasi-recurrent neural networks', ICLR 2017 (fo-pooling, windows of two)",
    weakness="gates see no state, so it needs several layers",
    differs=("Salesforce's code takes F for what is let in, c = F z + (1 - F) c; the paper for what is kept, as here",),
)
def qrnn(x, c, x_last):
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


@cell(
    year=2024,
    paper="De, Smith, Fernando et al., 'Griffin: mixing gated linear recurrences with local attention for efficient "
    "language models', 2024 (RG-LRU)",
    weakness="neither gate sees the state: what is kept cannot depend on what is remembered",
    differs=(
        "the authors' gates have block-diagonal matrices, and a convolution of four steps before them; here is the "
        "block's linear layer v, and whole matrices",
        "the authors' code bounds the slope of the square root at 1000, as here; elsewhere it is infinite at a = 1",
    ),
)
def rglru(x, h):
    """The real-gated linear recurrent unit: how much of a unit's own decay counts is gated. Gates v a x.

    v_t = W_v x_t + b_v
    r_t = sigmoid(W_a v_t + b_a)
    i_t = sigmoid(W_x v_t + b_x)
    log_a_t = -8 * softplus(decay) * r_t
    h_t = exp(log_a_t) * h_{t-1} + safe_sqrt(1 - exp(2 * log_a_t), 1000) * i_t * v_t
    """
    v = affine("v", x)
    r = sigmoid(affine("a", v))
    i = sigmoid(affine("x", v))
    log_a = -8 * softplus(parameter("decay", init="decay(0.9, 0.999, 8)")) * r
    return exp(log_a) * h + safe_sqrt(1 - exp(2 * log_a)) * (i * v)


@cell(
    output="h",
    year=2023,
    forget_gate="f",
    paper="Qin, Yang, Zhong, 'Hierarchically gated recurrent neural network for sequence modeling', NeurIPS 2023",
    weakness="no gate sees the state, so it needs several layers",
    differs=(
        "the paper learns the lower bounds of all layers together, rising from one to the next; here the bound is an "
        "option, the same in all layers of a stack",
        "the paper's state is complex, and each unit turns it by a learned angle; here it is real, as in the authors' "
        "real variant and in their HGRN2",
        "the authors normalise the output, and a matrix brings it to the next layer's size",
    ),
    meanings={"lower": "the least share of the state that is kept at each step, from 0 to below 1"},
)
def hgrn(x, c, *, lower=0.0):
    """HGRN: a linear state, of which at least a share is kept (f_t = lower + (1 - lower) * sigmoid(...)). Gates f i o.

    f_t = sigmoid(W_f x_t + b_f)
    i_t = W_i x_t + b_i
    c_t = f_t * c_{t-1} + (1 - f_t) * i_t * sigmoid(i_t)
    o_t = W_o x_t + b_o
    h_t = o_t * sigmoid(o_t) * c_t
    """
    f = sigmoid(affine("f", x))
    if lower:
        f = lower + (1 - lower) * f
    i = affine("i", x)
    c = f * c + (1 - f) * i * sigmoid(i)
    o = affine("o", x)
    h = o * sigmoid(o) * c
    return h, c


@cell(
    output="y",
    year=2023,
    paper="Orvieto, Smith, Gu, Fernando, Gulcehre, Pascanu, De, 'Resurrecting recurrent neural networks for long "
    "sequences', ICML 2023 (LRU)",
    weakness="nothing in the recurrence depends on the input: it remembers everything alike",
    differs=(
        "the paper learns the input's scale, which starts as sqrt(1 - |lambda|^2); here it stays that",
        "the paper's D is diagonal, which needs as many inputs as units; here it is a matrix",
    ),
    meanings={
        "r_min": "the least |lambda| at the start",
        "r_max": "the largest |lambda| at the start",
        "max_phase": "the largest angle of lambda at the start",
    },
)
def lru(x, re, im, *, r_min=0.9, r_max=0.999, max_phase=6.283):
    """The linear recurrent unit: each unit turns and shrinks a complex number by its own lambda.

    size_t = exp(-exp(nu))
    scale_t = safe_sqrt(1 - size_t * size_t, 1000)
    turn_re_t = size_t * cos(theta)
    turn_im_t = size_t * sin(theta)
    in_re_t = scale_t * (W_b_re x_t)
    in_im_t = scale_t * (W_b_im x_t)
    re_t = turn_re_t * re_{t-1} - turn_im_t * im_{t-1} + in_re_t
    im_t = turn_im_t * re_{t-1} + turn_re_t * im_{t-1} + in_im_t
    c_re_t = W_c_re re_t
    c_im_t = W_c_im im_t
    y_t = c_re_t - c_im_t + W_d x_t
    """
    size = exp(-exp(parameter("nu", init=f"ring({r_min}, {r_max})")))
    angle = parameter("theta", init=f"uniform(0, {max_phase})")
    scale = safe_sqrt(1 - size * size)
    turn_re = size * cos(angle)
    turn_im = size * sin(angle)
    start = {"input": "normal_fan_in(0.5)"}
    in_re = scale * affine("b_re", x, bias=False, init=start)
    in_im = scale * affine("b_im", x, bias=False, init=start)
    new_re = turn_re * re - turn_im * im + in_re
    new_im = turn_im * re + turn_re * im + in_im
    c_re = affine("c_re", new_re, bias=False, init="normal_fan_in(1)")
    c_im = affine("c_im", new_im, bias=False, init="normal_fan_in(1)")
    y = c_re - c_im + affine("d", x, bias=False)
    return y, new_re, new_im


@cell(
    output="y",
    year=2023,
    initial={"m": -1e30},
    sizes={"x_last": "I"},
    paper="Peng et al., 'RWKV: reinventing RNNs for the transformer era', EMNLP 2023 (RWKV-4, time mixing)",
    weakness="each unit forgets at one speed, which no input changes",
    differs=(
        "the authors start mu, w and u with curves of a unit's and a layer's number; here these are straight lines",
    ),
)
def rwkv4(x, a, b, m, x_last):
    """The time mixing of RWKV-4: a mean of values, weighted by keys and age, kept with a stabiliser m. Affines k v r o.

    k_t = W_k [x_last_{t-1} + mu_k * (x_t - x_last_{t-1})]
    v_t = W_v [x_last_{t-1} + mu_v * (x_t - x_last_{t-1})]
    r_t = sigmoid(W_r [x_last_{t-1} + mu_r * (x_t - x_last_{t-1})])
    now_t = u + k_t
    top_t = maximum(m_{t-1}, now_t)
    old_t = exp(m_{t-1} - top_t)
    new_t = exp(now_t - top_t)
    wkv_t = (old_t * a_{t-1} + new_t * v_t) / (old_t * b_{t-1} + new_t)
    faded_t = m_{t-1} - exp(w)
    m_t = maximum(faded_t, k_t)
    keep_t = exp(faded_t - m_t)
    write_t = exp(k_t - m_t)
    a_t = keep_t * a_{t-1} + write_t * v_t
    b_t = keep_t * b_{t-1} + write_t
    y_t = W_o [r_t * wkv_t]
    x_last_t = x_t
    """
    mu_k = parameter("mu_k", size="I", init="ramp(0, 1)")
    mu_v = parameter("mu_v", size="I", init="ramp(0, 1)")
    mu_r = parameter("mu_r", size="I", init="ramp(0, 1)")
    k = affine("k", x_last + mu_k * (x - x_last), bias=False)
    v = affine("v", x_last + mu_v * (x - x_last), bias=False)
    r = sigmoid(affine("r", x_last + mu_r * (x - x_last), bias=False))
    now = parameter("u", init=-1.2) + k
    top = maximum(m, now)
    old = exp(m - top)
    new = exp(now - top)
    wkv = (old * a + new * v) / (old * b + new)
    faded = m - exp(parameter("w", init="ramp(-5, 3)"))
    m = maximum(faded, k)
    keep = exp(faded - m)
    write = exp(k - m)
    a = keep * a + write * v
    b = keep * b + write
    y = affine("o", r * wkv, bias=False)
    return y, a, b, m, x
