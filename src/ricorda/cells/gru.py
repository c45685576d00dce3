"""Gated recurrent units and their relatives: one state that gates keep or replace."""

from ricorda.program.cell import cell
from ricorda.program.functions import delay, hard_sigmoid
from ricorda.program.symbols import affine, parameter, relu, sigmoid, softplus, tanh


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


@cell(
    year=2016,
    paper="Zhou, Wu, Zhang, Zhou, 'Minimal gated unit for recurrent neural networks', 2016",
    weakness="one gate both resets and updates, so a unit that takes in the new also looks at all of the old",
    candidate="candidate",
)
def mgu(x, h):
    """The minimal gated unit: one gate lets the new in and says what of the past it sees. Gates f h.

    f_t = sigmoid(W_f [h_{t-1}, x_t] + b_f)
    candidate_t = tanh(W_h [f_t * h_{t-1}, x_t] + b_h)
    h_t = (1 - f_t) * h_{t-1} + f_t * candidate_t
    """
    f = sigmoid(affine("f", h, x))
    candidate = tanh(affine("h", f * h, x))
    return (1 - f) * h + f * candidate


@cell(
    year=2017,
    paper="Heck, Salem, 'Simplified minimal gated unit variations for recurrent neural networks', 2017 (MGU1)",
    weakness="the gate sees no input, so it cannot react to what comes in before the next step",
    candidate="candidate",
)
def mgu1(x, h):
    """The minimal gated unit whose gate reads the state alone. Gates f h.

    f_t = sigmoid(W_f h_{t-1} + b_f)
    candidate_t = tanh(W_h [f_t * h_{t-1}, x_t] + b_h)
    h_t = (1 - f_t) * h_{t-1} + f_t * candidate_t
    """
    f = sigmoid(affine("f", h))
    candidate = tanh(affine("h", f * h, x))
    return (1 - f) * h + f * candidate


@cell(
    year=2017,
    paper="Heck, Salem, 'Simplified minimal gated unit variations for recurrent neural networks', 2017 (MGU2)",
    weakness="at a state of zero its gate is one half, whatever it has learned",
    candidate="candidate",
)
def mgu2(x, h):
    """The minimal gated unit whose gate reads the state alone, without a bias. Gates f h.

    f_t = sigmoid(W_f h_{t-1})
    candidate_t = tanh(W_h [f_t * h_{t-1}, x_t] + b_h)
    h_t = (1 - f_t) * h_{t-1} + f_t * candidate_t
    """
    f = sigmoid(affine("f", h, bias=False))
    candidate = tanh(affine("h", f * h, x))
    return (1 - f) * h + f * candidate


@cell(
    year=2017,
    paper="Heck, Salem, 'Simplified minimal gated unit variations for recurrent neural networks', 2017 (MGU3)",
    weakness="the gate is a constant: each unit has one speed, which no input changes",
    candidate="candidate",
)
def mgu3(x, h):
    """The minimal gated unit whose gate is a learned constant for each unit. Gate h.

    f_t = sigmoid(b_f)
    candidate_t = tanh(W_h [f_t * h_{t-1}, x_t] + b_h)
    h_t = (1 - f_t) * h_{t-1} + f_t * candidate_t
    """
    f = sigmoid(parameter("b_f"))
    candidate = tanh(affine("h", f * h, x))
    return (1 - f) * h + f * candidate


@cell(
    year=2015,
    paper="Jozefowicz, Zaremba, Sutskever, 'An empirical exploration of recurrent network architectures', ICML 2015",
    weakness="its update gate sees the input alone; found by search, so nobody can say why it works",
    differs=("the paper adds tanh(x_t), which needs as many inputs as units: all implementations project x first",),
    candidate="candidate",
)
def mut1(x, h):
    """MUT1, a mutation of the GRU that won an evolutionary search. Gates z r h x.

    z_t = sigmoid(W_z x_t + b_z)
    r_t = sigmoid(W_r [h_{t-1}, x_t] + b_r)
    candidate_t = tanh(W_h [r_t * h_{t-1}] + b_h + tanh(W_x x_t + b_x))
    h_t = candidate_t * z_t + h_{t-1} * (1 - z_t)
    """
    z = sigmoid(affine("z", x))
    r = sigmoid(affine("r", h, x))
    candidate = tanh(affine("h", r * h) + tanh(affine("x", x)))
    return candidate * z + h * (1 - z)


@cell(
    year=2015,
    paper="Jozefowicz, Zaremba, Sutskever, 'An empirical exploration of recurrent network architectures', ICML 2015",
    weakness="with the input projected it is the GRU with its gates renamed",
    differs=("the paper's reset gate adds x_t itself, which needs as many inputs as units: all project x first",),
    candidate="candidate",
)
def mut2(x, h):
    """MUT2, the second mutation of the GRU from the search. Gates z r h.

    z_t = sigmoid(W_z [h_{t-1}, x_t] + b_z)
    r_t = sigmoid(W_r [h_{t-1}, x_t] + b_r)
    candidate_t = tanh(W_h [r_t * h_{t-1}, x_t] + b_h)
    h_t = candidate_t * z_t + h_{t-1} * (1 - z_t)
    """
    z = sigmoid(affine("z", h, x))
    r = sigmoid(affine("r", h, x))
    candidate = tanh(affine("h", r * h, x))
    return candidate * z + h * (1 - z)


@cell(
    year=2015,
    paper="Jozefowicz, Zaremba, Sutskever, 'An empirical exploration of recurrent network architectures', ICML 2015",
    weakness="a squashing more a step than the GRU, for nothing that was measured since",
    candidate="candidate",
)
def mut3(x, h):
    """MUT3, the third mutation of the GRU from the search: the update gate reads the squashed state. Gates z r h.

    z_t = sigmoid(W_z [tanh(h_{t-1}), x_t] + b_z)
    r_t = sigmoid(W_r [h_{t-1}, x_t] + b_r)
    candidate_t = tanh(W_h [r_t * h_{t-1}, x_t] + b_h)
    h_t = candidate_t * z_t + h_{t-1} * (1 - z_t)
    """
    z = sigmoid(affine("z", tanh(h), x))
    r = sigmoid(affine("r", h, x))
    candidate = tanh(affine("h", r * h, x))
    return candidate * z + h * (1 - z)


@cell(
    year=2018,
    paper="Ravanelli, Brakel, Omologo, Bengio, 'Light gated recurrent units for speech recognition', 2018",
    weakness="its state is unbounded, and without the paper's batch normalisation of W x it may explode",
    differs=("the paper normalises the products with the input over the batch; most implementations do not",),
    candidate="candidate",
)
def ligru(x, h):
    """The light GRU: no reset gate, and a rectified candidate. Gates z h.

    z_t = sigmoid(W_z [h_{t-1}, x_t] + b_z)
    candidate_t = relu(W_h [h_{t-1}, x_t] + b_h)
    h_t = z_t * h_{t-1} + (1 - z_t) * candidate_t
    """
    z = sigmoid(affine("z", h, x, init="orthogonal"))
    candidate = relu(affine("h", h, x, init="orthogonal"))
    return z * h + (1 - z) * candidate


@cell(
    year=2024,
    paper="Ye, Zhang, Liu et al., 'Light recurrent unit', Electronics 13, 2024",
    weakness="the candidate does not see the state, so the state only averages what came in",
    candidate="candidate",
)
def lightru(x, h):
    """The light recurrent unit: the candidate reads the input alone, and one gate mixes it in. Gates h f.

    candidate_t = tanh(W_h x_t + b_h)
    f_t = sigmoid(W_f [h_{t-1}, x_t] + b_f)
    h_t = (1 - f_t) * h_{t-1} + f_t * candidate_t
    """
    candidate = tanh(affine("h", x))
    f = sigmoid(affine("f", h, x))
    return (1 - f) * h + f * candidate


@cell(
    year=2016,
    paper="Gao, Glowacka, 'Deep gate recurrent neural network', ACML 2016 (SGU)",
    weakness="its gate is flat where it is shut or open, so it gets no gradient there",
)
def sgu(x, h):
    """The simple gated unit: input and state multiply before a small network gates the state. Gates g x_g z.

    g_t = tanh(W_g [(W_x_g x_t + b_x_g) * h_{t-1}] + b_g)
    z_t = hard_sigmoid(W_z [h_{t-1}, x_t] + b_z)
    shown_t = softplus(g_t * h_{t-1})
    h_t = (1 - z_t) * h_{t-1} + z_t * shown_t
    """
    g = tanh(affine("g", affine("x_g", x) * h))
    z = hard_sigmoid(affine("z", h, x))
    shown = softplus(g * h)
    return (1 - z) * h + z * shown


@cell(
    year=2016,
    paper="Gao, Glowacka, 'Deep gate recurrent neural network', ACML 2016 (DSGU)",
    weakness="three products that wait for each other, and states of 0 to 1 only",
)
def dsgu(x, h):
    """The deep simple gated unit: what the gate lets through passes one more layer. Gates g x_g z o.

    g_t = tanh(W_g [(W_x_g x_t + b_x_g) * h_{t-1}] + b_g)
    z_t = hard_sigmoid(W_z [h_{t-1}, x_t] + b_z)
    shown_t = sigmoid(W_o [g_t * h_{t-1}])
    h_t = (1 - z_t) * h_{t-1} + z_t * shown_t
    """
    g = tanh(affine("g", affine("x_g", x) * h))
    z = hard_sigmoid(affine("z", h, x))
    shown = sigmoid(affine("o", g * h, bias=False))
    return (1 - z) * h + z * shown


@cell(
    year=2026,
    paper="Zyarah et al., the minion recurrent unit (MiRU), Neurocomputing 2026, doi 10.1016/j.neucom.2026.132847",
    weakness="all units forget at one speed",
    candidate="candidate",
    meanings={"update": "how much of the old stays"},
)
def miru1(x, h, *, update=0.5):
    """The first minion recurrent unit: a GRU whose update gate is a number. Gates r h.

    r_t = sigmoid(W_r [h_{t-1}, x_t] + b_r)
    candidate_t = tanh(W_h [r_t * h_{t-1}, x_t] + b_h)
    h_t = 0.5 * h_{t-1} + 0.5 * candidate_t
    """
    r = sigmoid(affine("r", h, x))
    candidate = tanh(affine("h", r * h, x))
    return update * h + (1 - update) * candidate


@cell(
    year=2026,
    paper="Zyarah et al., the minion recurrent unit (MiRU), Neurocomputing 2026, doi 10.1016/j.neucom.2026.132847",
    weakness="all units forget at one speed, and nothing resets them",
    candidate="candidate",
    meanings={"update": "how much of the old stays", "reset": "how much of the state the candidate sees"},
)
def miru2(x, h, *, update=0.5, reset=0.5):
    """The second minion recurrent unit: a GRU both of whose gates are numbers. Affine h.

    candidate_t = tanh(W_h [0.5 * h_{t-1}, x_t] + b_h)
    h_t = 0.5 * h_{t-1} + 0.5 * candidate_t
    """
    candidate = tanh(affine("h", reset * h, x))
    return update * h + (1 - update) * candidate


@cell(
    year=2022,
    candidate="new",
    paper="Erichson, Lim, Mahoney, 'Gated recurrent neural networks with weighted time-delay feedback', 2022 (tau-GRU)",
    weakness="how far back it looks is chosen and not learned, and every step of that is a state to keep",
    meanings={"tau": "how many steps the delayed state lies back"},
)
def taugru(x, h, *, tau=5):
    """The tau-GRU: beside the last state it sees one from tau steps before, through a gate. Gates u z g a.

    u_t = tanh(W_u [h_{t-1}, x_t] + b_u)
    z_t = tanh(W_z [h_4_{t-1}, x_t] + b_z)
    g_t = sigmoid(W_g [h_{t-1}, x_t] + b_g)
    a_t = sigmoid(W_a [h_{t-1}, x_t] + b_a)
    new_t = u_t + a_t * z_t
    h_t = (1 - g_t) * h_{t-1} + g_t * new_t
    h_1_t = h_{t-1}
    h_2_t = h_1_{t-1}
    h_3_t = h_2_{t-1}
    h_4_t = h_3_{t-1}
    """
    u = tanh(affine("u", h, x))
    z = tanh(affine("z", delay(h, tau - 1), x))
    g = sigmoid(affine("g", h, x))
    a = sigmoid(affine("a", h, x))
    new = u + a * z
    return (1 - g) * h + g * new
