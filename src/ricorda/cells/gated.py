"""Cells with gates of their own, which are neither variants of the LSTM nor of the GRU."""

from ricorda.program.cell import cell
from ricorda.program.symbols import affine, parameter, relu, sigmoid, tanh


@cell(
    year=2017,
    forget_gate="f",
    paper="Lee, Levy, Zettlemoyer, 'Recurrent additive networks', 2017",
    weakness="what it remembers is a weighted sum of inputs: it cannot compute with what it keeps",
    differs=("some implementations add a bias to the content W_c x",),
)
def ran(x, h, c):
    """The recurrent additive network: a sum of gated inputs, nothing else, is kept. Gates i f c.

    i_t = sigmoid(W_i [h_{t-1}, x_t] + b_i)
    f_t = sigmoid(W_f [h_{t-1}, x_t] + b_f)
    c_t = i_t * (W_c x_t) + f_t * c_{t-1}
    h_t = tanh(c_t)
    """
    i = sigmoid(affine("i", h, x))
    f = sigmoid(affine("f", h, x))
    c = i * affine("c", x, bias=False) + f * c
    return tanh(c), c


@cell(
    year=2017,
    paper="Chen, 'MinimalRNN: toward more interpretable and trainable recurrent neural networks', 2017",
    weakness="the state stays in the space of the inputs' features, so depth must come from layers",
    candidate="z",
)
def minimalrnn(x, h):
    """MinimalRNN: the input's features are mixed into the state by one gate. Gates z u.

    z_t = tanh(W_z x_t + b_z)
    u_t = sigmoid(W_u [h_{t-1}, z_t] + b_u)
    h_t = u_t * h_{t-1} + (1 - u_t) * z_t
    """
    z = tanh(affine("z", x))
    u = sigmoid(affine("u", h, z))
    return u * h + (1 - u) * z


@cell(
    year=2018,
    paper="Zhang, Xiong, Su, Lin, Zhang, 'Simplifying neural machine translation with addition-subtraction twin-gated "
    "recurrent networks', EMNLP 2018",
    weakness="both gates are made of the same two products, so they cannot open together",
)
def atr(x, h):
    """The addition-subtraction twin-gated unit: two products make input and forget gate. Gates p q.

    p_t = W_p x_t + b_p
    q_t = W_q h_{t-1} + b_q
    i_t = sigmoid(p_t + q_t)
    f_t = sigmoid(p_t - q_t)
    h_t = i_t * p_t + f_t * h_{t-1}
    """
    p = affine("p", x)
    q = affine("q", h)
    i = sigmoid(p + q)
    f = sigmoid(p - q)
    return i * p + f * h


@cell(
    year=2019,
    paper="Turkoglu, D'Aronco, Wegner, Schindler, 'Gating revisited: deep multi-layer RNNs that can be trained', 2019",
    weakness="the squashing around the sum eats at what is kept, at every step",
    differs=("the authors' code keeps sigmoid(f) h + (1 - sigmoid(f - 1)) z, as JANET; here is the paper's form",),
    candidate="z",
)
def star(x, h):
    """The stackable recurrent cell, made so that gradients neither vanish nor explode over layers. Gates z k.

    z_t = tanh(W_z x_t + b_z)
    k_t = sigmoid(W_k [h_{t-1}, x_t] + b_k)
    h_t = tanh((1 - k_t) * h_{t-1} + k_t * z_t)
    """
    z = tanh(affine("z", x))
    k = sigmoid(affine("k", h, x, init="orthogonal"))
    return tanh((1 - k) * h + k * z)


@cell(
    year=2020,
    paper="Zu, Wei, Chen et al., 'A simple gated recurrent network for detection of power quality disturbances', 2020",
    weakness="the squashing around the sum eats at what is kept, at every step",
)
def sgrn(x, h):
    """The simple gated recurrent network: one gate mixes the projected input into the state. Gates p q.

    p_t = W_p x_t + b_p
    f_t = sigmoid(p_t + W_q h_{t-1} + b_q)
    h_t = tanh((1 - f_t) * p_t + f_t * h_{t-1})
    """
    p = affine("p", x)
    f = sigmoid(p + affine("q", h))
    return tanh((1 - f) * p + f * h)


@cell(
    year=2021,
    paper="Vecoven, Ernst, Drion, 'A bio-inspired bistable recurrent cell allows for long-lasting memory', 2021 (nBRC)",
    weakness="a unit sees others only through its gates: what it keeps is its own",
)
def nbr(x, h):
    """The recurrently neuromodulated bistable cell: where a exceeds 1 a unit keeps one of two values. Gates a c u.

    a_t = 1 + tanh(W_a [h_{t-1}, x_t] + b_a)
    c_t = sigmoid(W_c [h_{t-1}, x_t] + b_c)
    new_t = tanh(W_u x_t + b_u + a_t * h_{t-1})
    h_t = c_t * h_{t-1} + (1 - c_t) * new_t
    """
    a = 1 + tanh(affine("a", h, x))
    c = sigmoid(affine("c", h, x))
    new = tanh(affine("u", x) + a * h)
    return c * h + (1 - c) * new


@cell(
    year=2018,
    paper="van der Westhuizen, Lasenby, 'The unreasonable effectiveness of the forget gate', 2018 (JANET)",
    weakness="no gate hides the state, and none resets it",
    differs=("torchrecurrent learns beta, one number; the paper sets it to 1",),
    forget_gate="f",
    candidate="candidate",
    meanings={"beta": "how much less is written than is forgotten, before the sigmoid"},
)
def janet(x, h, *, beta=1.0):
    """JANET, just another network: an LSTM with a forget gate alone. Gates f c.

    s_t = W_f [h_{t-1}, x_t] + b_f
    f_t = sigmoid(s_t)
    candidate_t = tanh(W_c [h_{t-1}, x_t] + b_c)
    h_t = f_t * h_{t-1} + (1 - sigmoid(s_t - 1)) * candidate_t
    """
    s = affine("f", h, x)
    f = sigmoid(s)
    candidate = tanh(affine("c", h, x))
    return f * h + (1 - sigmoid(s - beta)) * candidate


@cell(
    year=2017,
    paper="Collins, Sohl-Dickstein, Sussillo, 'Capacity and trainability in recurrent neural networks', ICLR 2017",
    weakness="what it shows is all that it keeps, and no gate resets it",
    forget_gate="g",
    candidate="candidate",
)
def ugrnn(x, h):
    """The update gate RNN: the smallest gated network, one gate between old and new. Gates c g.

    candidate_t = tanh(W_c [h_{t-1}, x_t] + b_c)
    g_t = sigmoid(W_g [h_{t-1}, x_t] + b_g)
    h_t = g_t * h_{t-1} + (1 - g_t) * candidate_t
    """
    candidate = tanh(affine("c", h, x))
    g = sigmoid(affine("g", h, x, init={"bias": 1.0}))
    return g * h + (1 - g) * candidate


@cell(
    output="y",
    year=2017,
    forget_gate="gh",
    candidate="candidate",
    paper="Collins, Sohl-Dickstein, Sussillo, 'Capacity and trainability in recurrent neural networks', ICLR 2017",
    weakness="made for many layers: in one, its gate to the layer above has nothing to carry past",
    differs=(
        "the paper carries x itself upward, which needs as many inputs as units; here a matrix v comes before, as in "
        "TensorFlow's first layer",
        "TensorFlow's code adds 1 to the biases of both gates: give forget_bias=1 for that of the state",
    ),
)
def intersection(x, h):
    """The intersection RNN: one gate carries the state onward in time, another the input upward. Affines v gy gh y h.

    v_t = W_v x_t + b_v
    gy_t = sigmoid(W_gy [h_{t-1}, v_t] + b_gy)
    gh_t = sigmoid(W_gh [h_{t-1}, v_t] + b_gh)
    upward_t = relu(W_y [h_{t-1}, v_t] + b_y)
    candidate_t = tanh(W_h [h_{t-1}, v_t] + b_h)
    y_t = gy_t * v_t + (1 - gy_t) * upward_t
    h_t = gh_t * h_{t-1} + (1 - gh_t) * candidate_t
    """
    v = affine("v", x)
    gy = sigmoid(affine("gy", h, v))
    gh = sigmoid(affine("gh", h, v))
    upward = relu(affine("y", h, v))
    candidate = tanh(affine("h", h, v))
    y = gy * v + (1 - gy) * upward
    h = gh * h + (1 - gh) * candidate
    return y, h


@cell(
    year=2017,
    paper="Laurent, von Brecht, 'A recurrent neural network without chaos', ICLR 2017 (CFN)",
    weakness="without input the state only decays: it cannot compute with what it keeps",
    differs=("torchrecurrent adds a bias to W_w x",),
)
def cfn(x, h):
    """The chaos-free network: without input all states go to zero, each on its own. Gates theta eta w.

    theta_t = sigmoid(W_theta [h_{t-1}, x_t] + b_theta)
    eta_t = sigmoid(W_eta [h_{t-1}, x_t] + b_eta)
    h_t = theta_t * tanh(h_{t-1}) + eta_t * tanh(W_w x_t)
    """
    theta = sigmoid(affine("theta", h, x, init={"bias": 1.0}))
    eta = sigmoid(affine("eta", h, x, init={"bias": -1.0}))
    return theta * tanh(h) + eta * tanh(affine("w", x, bias=False))


@cell(
    year=2021,
    paper="Vecoven, Ernst, Drion, 'A bio-inspired bistable recurrent cell allows for long-lasting memory', 2021 (BRC)",
    weakness="units do not talk to each other within a layer: it needs several layers",
    differs=("torchrecurrent draws w_a and w_c from N(0, 1); the authors start them at 1",),
)
def br(x, h):
    """The bistable cell: where a exceeds 1 a unit keeps one of two values, whatever comes in. Gates a c u.

    a_t = 1 + tanh(W_a x_t + b_a + w_a * h_{t-1})
    c_t = sigmoid(W_c x_t + b_c + w_c * h_{t-1})
    new_t = tanh(W_u x_t + b_u + a_t * h_{t-1})
    h_t = c_t * h_{t-1} + (1 - c_t) * new_t
    """
    a = 1 + tanh(affine("a", x) + parameter("w_a", init=1.0) * h)
    c = sigmoid(affine("c", x) + parameter("w_c", init=1.0) * h)
    new = tanh(affine("u", x) + a * h)
    return c * h + (1 - c) * new


@cell(
    year=2018,
    paper="Kusupati, Singh, Bhatia, Kumar, Jain, Varma, 'FastGRNN: a fast, accurate, stable and tiny "
    "kilobyte sized gated recurrent neural network', NeurIPS 2018",
    weakness="gate and candidate differ by their biases alone, so they see the same",
    differs=("torchrecurrent's gate is a tanh by default; the paper's and the authors' a sigmoid",),
)
def fastgrnn(x, h):
    """FastGRNN: gate and candidate share one product. Affine w.

    z_t = W_w [h_{t-1}, x_t]
    g_t = sigmoid(z_t + b_z)
    candidate_t = tanh(z_t + b_h)
    scale_t = sigmoid(zeta)
    shift_t = sigmoid(nu)
    h_t = (scale_t * (1 - g_t) + shift_t) * candidate_t + g_t * h_{t-1}
    """
    z = affine("w", h, x, bias=False)
    g = sigmoid(z + parameter("b_z", init=1.0))
    candidate = tanh(z + parameter("b_h", init=1.0))
    scale = sigmoid(parameter("zeta", form="number", init=1.0))
    shift = sigmoid(parameter("nu", form="number", init=-4.0))
    return (scale * (1 - g) + shift) * candidate + g * h


@cell(
    year=2017,
    paper="Zilly, Srivastava, Koutnik, Schmidhuber, 'Recurrent highway networks', ICML 2017",
    weakness="depth products a step that wait for each other",
    meanings={
        "depth": "highway layers a step",
        "bias": "of the transform gates at the start: the lower, the more is kept",
    },
)
def rhn(x, h, *, depth=3, bias=-2.0):
    """The recurrent highway network: several highway layers a step, with coupled gates. Affines h0 t0, h1 t1 and so on.

    candidate_1_t = tanh(W_h0 [h_{t-1}, x_t] + b_h0)
    t_1_t = sigmoid(W_t0 [h_{t-1}, x_t] + b_t0)
    h_1_t = candidate_1_t * t_1_t + h_{t-1} * (1 - t_1_t)
    candidate_2_t = tanh(W_h1 h_1_t + b_h1)
    t_2_t = sigmoid(W_t1 h_1_t + b_t1)
    h_2_t = candidate_2_t * t_2_t + h_1_t * (1 - t_2_t)
    candidate_t = tanh(W_h2 h_2_t + b_h2)
    t_t = sigmoid(W_t2 h_2_t + b_t2)
    h_t = candidate_t * t_t + h_2_t * (1 - t_t)
    """
    for layer in range(depth):
        entering = (h, x) if layer == 0 else (h,)
        candidate = tanh(affine(f"h{layer}", *entering))
        t = sigmoid(affine(f"t{layer}", *entering, init={"bias": bias}))
        h = candidate * t + h * (1 - t)
    return h
