"""Cells in continuous time, or that are told the time between steps, or what is missing."""

from math import e as E

from ricorda.program.cell import cell
from ricorda.program.symbols import affine, exp, log, parameter, relu, sigmoid, softplus, tanh


@cell(
    year=2022,
    paper="Hasani, Lechner, Amini, Liebenwein, Ray, Tschaikowski, Teschl, Rus, 'Closed-form continuous-time neural "
    "networks', Nature Machine Intelligence 4, 2022",
    weakness="nothing carries the state past the dense layers of a step: long memory has to be learned",
    meanings={"time": "the time between steps"},
)
def cfc(x, h, *, time=1.0):
    """Closed-form continuous time: a gate of the time goes from one candidate to another. Affines b g k ta tb.

    b_t = 1.7159 * tanh(0.666 * (W_b [h_{t-1}, x_t] + b_b))
    g_t = tanh(W_g b_t + b_g)
    k_t = tanh(W_k b_t + b_k)
    s_t = sigmoid((W_ta b_t + b_ta) * 1 + W_tb b_t + b_tb)
    h_t = g_t * (1 - s_t) + s_t * k_t
    """
    b = 1.7159 * tanh(0.666 * affine("b", h, x))
    g = tanh(affine("g", b))
    k = tanh(affine("k", b))
    s = sigmoid(affine("ta", b) * time + affine("tb", b))
    return g * (1 - s) + s * k


@cell(
    year=2022,
    inputs={"gap": 1},
    paper="Hasani, Lechner, Amini, Liebenwein, Ray, Tschaikowski, Teschl, Rus, 'Closed-form continuous-time neural "
    "networks', Nature Machine Intelligence 4, 2022",
    weakness="nothing carries the state past the dense layers of a step: long memory has to be learned",
)
def cfc_gap(x, gap, h):
    """Closed-form continuous time for steps that are not even: it is told the time since the last. Affines b g k ta tb.

    b_t = 1.7159 * tanh(0.666 * (W_b [h_{t-1}, x_t] + b_b))
    g_t = tanh(W_g b_t + b_g)
    k_t = tanh(W_k b_t + b_k)
    s_t = sigmoid((W_ta b_t + b_ta) * gap_t + W_tb b_t + b_tb)
    h_t = g_t * (1 - s_t) + s_t * k_t
    """
    b = 1.7159 * tanh(0.666 * affine("b", h, x))
    g = tanh(affine("g", b))
    k = tanh(affine("k", b))
    s = sigmoid(affine("ta", b) * gap + affine("tb", b))
    return g * (1 - s) + s * k


@cell(
    year=2017,
    forget_gate="f",
    candidate="g",
    inputs={"gap": 1},
    paper="Baytas, Xiao, Zhang, Wang, Jain, Zhou, 'Patient subtyping via time-aware LSTM networks', KDD 2017 (T-LSTM)",
    weakness="one discount for all units, which is not learned",
)
def time_aware_lstm(x, gap, h, c):
    """The time-aware LSTM: the longer the gap, the less stays of c's short-term part. Gates d i f g o.

    short_t = tanh(W_d c_{t-1} + b_d)
    kept_t = c_{t-1} - short_t + short_t / log(2.718281828459045 + gap_t)
    i_t = sigmoid(W_i [h_{t-1}, x_t] + b_i)
    f_t = sigmoid(W_f [h_{t-1}, x_t] + b_f)
    g_t = tanh(W_g [h_{t-1}, x_t] + b_g)
    o_t = sigmoid(W_o [h_{t-1}, x_t] + b_o)
    c_t = f_t * kept_t + i_t * g_t
    h_t = o_t * tanh(c_t)
    """
    short = tanh(affine("d", c))
    kept = c - short + short / log(E + gap)
    i = sigmoid(affine("i", h, x))
    f = sigmoid(affine("f", h, x))
    g = tanh(affine("g", h, x))
    o = sigmoid(affine("o", h, x))
    c = f * kept + i * g
    h = o * tanh(c)
    return h, c


@cell(
    year=2018,
    candidate="candidate",
    inputs={"mask": "I", "gap": 1},
    sizes={"x_last": "I"},
    paper="Che, Purushotham, Cho, Sontag, Liu, 'Recurrent neural networks for multivariate time series with missing "
    "values', Scientific Reports 8, 2018 (GRU-D)",
    weakness="a number is taken to go back to its mean when it is not seen, whatever else happens",
    differs=(
        "the paper has a gap for each input; here all inputs share one",
        "a widely read PyTorch version mixes the new with the state before its decay, and takes 0 for the means",
    ),
)
def gru_d(x, mask, gap, h, x_last):
    """The GRU with decay, for missing values: mask is 1 where x was seen, and x has mean 0. Gates gamma z r h.

    rate_t = relu(w_x * gap_t + b_x)
    x_last_t = mask_t * x_t + (1 - mask_t) * x_last_{t-1}
    seen_t = mask_t * x_t + (1 - mask_t) * exp(-rate_t) * x_last_t
    old_t = exp(-relu(W_gamma gap_t + b_gamma)) * h_{t-1}
    z_t = sigmoid(W_z [old_t, seen_t, mask_t] + b_z)
    r_t = sigmoid(W_r [old_t, seen_t, mask_t] + b_r)
    candidate_t = tanh(W_h [r_t * old_t, seen_t, mask_t] + b_h)
    h_t = (1 - z_t) * old_t + z_t * candidate_t
    """
    rate = relu(parameter("w_x", size="I", init=0.1) * gap + parameter("b_x", size="I", init=0.0))
    x_last = mask * x + (1 - mask) * x_last
    seen = mask * x + (1 - mask) * exp(-rate) * x_last
    old = exp(-relu(affine("gamma", gap))) * h
    z = sigmoid(affine("z", old, seen, mask))
    r = sigmoid(affine("r", old, seen, mask))
    candidate = tanh(affine("h", r * old, seen, mask))
    h = (1 - z) * old + z * candidate
    return h, x_last


@cell(
    year=2019,
    sizes={"m": "order"},
    paper="Voelker, Kajic, Eliasmith, 'Legendre memory units', NeurIPS 2019",
    weakness="its window has one length, which is chosen and not learned",
    meanings={"order": "polynomials, the numbers of the memory", "theta": "steps of the window that is remembered"},
)
def lmu(x, h, m, *, order=32, theta=100.0):
    """The Legendre memory unit: a fixed linear memory of a window of what is written to it, one number a step.

    of_input_t = W_ex x_t
    of_state_t = W_eh h_{t-1}
    u_t = of_input_t + of_state_t + W_em m_{t-1}
    m_t = W_m [m_{t-1}, u_t]
    h_t = tanh(W_h [h_{t-1}, m_t, x_t])
    """
    fan_in = "uniform_fan_in(3)"
    of_input = affine("ex", x, bias=False, size=1, init={"input": fan_in})
    of_state = affine("eh", h, bias=False, size=1, init=fan_in)
    u = of_input + of_state + affine("em", m, bias=False, size=1, init=0.0)
    m = affine("m", m, u, bias=False, size=order, form="fixed", init=f"legendre({theta})")
    h = tanh(affine("h", h, m, x, bias=False, init={"recurrent": "xavier_normal", "input": "xavier_normal"}))
    return h, m


@cell(
    year=2021,
    paper="Hasani, Lechner, Amini, Rus, Grosu, 'Liquid time-constant networks', AAAI 2021 (fused solver)",
    weakness="every unfold is a product that waits for the one before",
    differs=("ncps gives each synapse a sigmoid of its own, sigmoid(s_ij (v_j - mu_ij)); the paper's f is a layer",),
    meanings={"time": "the time between steps", "unfolds": "steps of the solver in it"},
)
def ltc(x, h, *, time=1.0, unfolds=6):
    """The liquid time-constant network: how fast a unit moves, and whereto, depends on input and state. Affine f.

    leak_t = softplus(inverse_tau)
    f_1_t = sigmoid(W_f [h_{t-1}, x_t] + b_f)
    h_1_t = (h_{t-1} + 0.16666666666666666 * f_1_t * A) / (1 + 0.16666666666666666 * (leak_t + f_1_t))
    f_2_t = sigmoid(W_f [h_1_t, x_t] + b_f)
    h_2_t = (h_1_t + 0.16666666666666666 * f_2_t * A) / (1 + 0.16666666666666666 * (leak_t + f_2_t))
    f_3_t = sigmoid(W_f [h_2_t, x_t] + b_f)
    h_3_t = (h_2_t + 0.16666666666666666 * f_3_t * A) / (1 + 0.16666666666666666 * (leak_t + f_3_t))
    f_4_t = sigmoid(W_f [h_3_t, x_t] + b_f)
    h_4_t = (h_3_t + 0.16666666666666666 * f_4_t * A) / (1 + 0.16666666666666666 * (leak_t + f_4_t))
    f_5_t = sigmoid(W_f [h_4_t, x_t] + b_f)
    h_5_t = (h_4_t + 0.16666666666666666 * f_5_t * A) / (1 + 0.16666666666666666 * (leak_t + f_5_t))
    f_t = sigmoid(W_f [h_5_t, x_t] + b_f)
    h_t = (h_5_t + 0.16666666666666666 * f_t * A) / (1 + 0.16666666666666666 * (leak_t + f_t))
    """
    A = parameter("A")
    leak = softplus(parameter("inverse_tau"))
    dt = time / unfolds
    for number in range(unfolds):
        f = sigmoid(affine("f", h, x, shared=number > 0))
        h = (h + dt * f * A) / (1 + dt * (leak + f))
    return h


@cell(
    year=2016,
    forget_gate="f",
    candidate="g",
    inputs={"time": 1},
    paper="Neil, Pfeiffer, Liu, 'Phased LSTM: accelerating recurrent network training for long or event-based "
    "sequences', NeurIPS 2016",
    weakness="a unit that is shut learns next to nothing, and what comes in then is lost to it",
    differs=(
        "widely used code adds the shift where the paper takes it away, and lets nothing leak in evaluation",
        "the paper learns the shift in units of time; here it is one of the unit's period",
    ),
    meanings={"open": "the part of its period in which a unit is open", "leak": "how much it is open in the rest"},
)
def phased_lstm(x, time, h, c, *, open=0.05, leak=0.001):
    """The phased LSTM: each unit opens to the new only for a part of its own period, told the time. Gates i f g o.

    period_t = exp(log_period)
    phase_t = ((time_t / period_t - shift) % 1)
    opened_t = 0.05 > phase_t
    k_t = opened_t * (1 - abs(2 * phase_t / 0.05 - 1)) + (1 - opened_t) * 0.001 * phase_t
    i_t = sigmoid(W_i [h_{t-1}, x_t] + b_i + p_i * c_{t-1})
    f_t = sigmoid(W_f [h_{t-1}, x_t] + b_f + p_f * c_{t-1})
    g_t = tanh(W_g [h_{t-1}, x_t] + b_g)
    new_c_t = f_t * c_{t-1} + i_t * g_t
    o_t = sigmoid(W_o [h_{t-1}, x_t] + b_o + p_o * new_c_t)
    new_h_t = o_t * tanh(new_c_t)
    c_t = k_t * new_c_t + (1 - k_t) * c_{t-1}
    h_t = k_t * new_h_t + (1 - k_t) * h_{t-1}
    """
    period = exp(parameter("log_period", init="uniform(0, 8)"))
    phase = (time / period - parameter("shift", init="uniform(0, 1)")) % 1
    opened = phase < open
    k = opened * (1 - abs(2 * phase / open - 1)) + (1 - opened) * leak * phase
    i = sigmoid(affine("i", h, x) + parameter("p_i") * c)
    f = sigmoid(affine("f", h, x) + parameter("p_f") * c)
    g = tanh(affine("g", h, x))
    new_c = f * c + i * g
    o = sigmoid(affine("o", h, x) + parameter("p_o") * new_c)
    new_h = o * tanh(new_c)
    c = k * new_c + (1 - k) * c
    h = k * new_h + (1 - k) * h
    return h, c
