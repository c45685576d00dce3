"""Cells without gates: the state is one sum of the last state and the input, squashed."""

from ricorda.program.cell import cell
from ricorda.program.functions import sign
from ricorda.program.symbols import affine, parameter, relu, sigmoid, tanh


@cell(
    year=1990,
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
    year=2015,
    paper="Le, Jaitly, Hinton, 'A simple way to initialize recurrent networks of rectified linear units', 2015",
    weakness="without the identity as first recurrent matrix and clipped gradients it explodes",
)
def rnn_relu(x, h):
    """The vanilla recurrent network with a rectified linear state.

    h_t = relu(W_h [h_{t-1}, x_t] + b_h)
    """
    return relu(affine("h", h, x))


@cell(
    year=1986,
    paper="Jordan, 'Serial order: a parallel distributed processing approach', report 8604, San Diego 1986",
    weakness="only what it shows comes back, so what it remembers must be visible in its output",
)
def jordan(x, y, h):
    """The Jordan network: the output comes back, not the hidden layer. Affines h y.

    h_t = sigmoid(W_h [y_{t-1}, x_t] + b_h)
    y_t = tanh(W_y h_t + b_y)
    """
    h = sigmoid(affine("h", y, x))
    y = tanh(affine("y", h))
    return y, h


@cell(
    year=2011,
    paper="Sutskever, Martens, Hinton, 'Generating text with recurrent neural networks', ICML 2011",
    weakness="hard to train by plain gradients: the paper used Hessian-free optimisation",
)
def mrnn(x, h):
    """The multiplicative RNN: the input chooses the recurrent matrix, in factors. Affines fx fh h.

    f_t = (W_fx x_t) * (W_fh h_{t-1})
    h_t = tanh(W_h [f_t, x_t] + b_h)
    """
    f = affine("fx", x, bias=False) * affine("fh", h, bias=False)
    return tanh(affine("h", f, x))


@cell(
    year=2014,
    paper="Mikolov, Joulin, Chopra, Mathieu, Ranzato, 'Learning longer memory in recurrent neural networks', 2014",
    weakness="all context units forget at one speed, which is chosen and not learned",
    differs=(
        "torchrecurrent learns alpha, and has a second tanh layer inside the recurrence",
        "the authors' Lua code lets h read the context before the step, and a variant learns its whole matrix",
        "the paper's output layer reads h and s; this layer's output is h, which has read s",
    ),
    meanings={"alpha": "how much of the context stays at each step"},
)
def scrn(x, h, s, *, alpha=0.95):
    """The structurally constrained network (SCRN): a slow mean s of the input stands beside the state. Affines s h.

    content_t = W_s x_t
    s_t = content_t + 0.95 * (s_{t-1} - content_t)
    h_t = sigmoid(W_h [h_{t-1}, s_t, x_t])
    """
    content = affine("s", x, bias=False)
    s = content + alpha * (s - content)
    h = sigmoid(affine("h", h, s, x, bias=False))
    return h, s


@cell(
    year=2015,
    paper="Le, Jaitly, Hinton, 'A simple way to initialize recurrent networks of rectified linear units', 2015 (IRNN)",
    weakness="its first steps copy the state for ever; large learning rates make it explode",
    meanings={"scale": "of the identity that the recurrent matrix starts as"},
)
def irnn(x, h, *, scale=1.0):
    """The vanilla network of rectified linear units whose recurrent matrix starts as the identity. Affine h.

    h_t = relu(W_h [h_{t-1}, x_t] + b_h)
    """
    return relu(affine("h", h, x, init={"recurrent": f"identity({scale})", "input": "normal(0, 0.001)", "bias": 0}))


@cell(
    year=2018,
    paper="Li, Li, Cook, Zhu, Gao, 'Independently recurrent neural network (IndRNN)', CVPR 2018",
    weakness="units do not talk to each other within a layer: it needs several layers",
    differs=(
        "haste draws u from U(-0.5, 0.5); the paper from U(0, 1), and the last layer's near 1",
        "most packages leave out the bound on u, with which the gradient cannot explode",
    ),
    meanings={"bound": "of the size of each recurrent weight: 2^(1/T) for sequences of T steps"},
)
def indrnn(x, h, *, bound=1.0):
    """The independently recurrent network: each unit sees only itself of the state. Affine h.

    h_t = relu(W_h x_t + b_h + u * h_{t-1})
    """
    u = parameter("u", init="uniform(0, 1)", form=f"clamp({-bound}, {bound})")
    return relu(affine("h", x) + u * h)


@cell(
    year=2016,
    paper="Wu, Zhang, Zhang, Bengio, Salakhutdinov, 'On multiplicative integration with recurrent neural networks', "
    "NeurIPS 2016",
    weakness="a product of both parts is as likely to explode as either",
)
def mi_rnn(x, h):
    """The RNN with multiplicative integration: input and state are multiplied as well as added. Affines x h.

    wx_t = W_x x_t
    uh_t = W_h h_{t-1}
    h_t = tanh(alpha * wx_t * uh_t + beta1 * uh_t + beta2 * wx_t + b)
    """
    wx = affine("x", x, bias=False)
    uh = affine("h", h, bias=False)
    alpha = parameter("alpha", init=1.0)
    beta1 = parameter("beta1", init=0.5)
    beta2 = parameter("beta2", init=0.5)
    return tanh(alpha * wx * uh + beta1 * uh + beta2 * wx + parameter("b", init=0.0))


@cell(
    year=2018,
    paper="Kusupati, Singh, Bhatia, Kumar, Jain, Varma, 'FastGRNN: a fast, accurate, stable and tiny "
    "kilobyte sized gated recurrent neural network', NeurIPS 2018 (FastRNN)",
    weakness="all units forget at one speed",
    differs=(
        "torchrecurrent and RecurrentLayers.jl start alpha at 3 and beta at -3, so that nothing is kept; the authors' "
        "code starts the other way round, as here",
    ),
)
def fastrnn(x, h):
    """FastRNN: the vanilla network with a leak past it, of two learned numbers. Affine h.

    write_t = sigmoid(alpha)
    keep_t = sigmoid(beta)
    candidate_t = tanh(W_h [h_{t-1}, x_t] + b_h)
    h_t = write_t * candidate_t + keep_t * h_{t-1}
    """
    write = sigmoid(parameter("alpha", form="number", init=-3.0))
    keep = sigmoid(parameter("beta", form="number", init=3.0))
    candidate = tanh(affine("h", h, x))
    return write * candidate + keep * h


@cell(
    year=2001,
    paper="Jaeger, 'The echo state approach to analysing and training recurrent neural networks', report 148, "
    "GMD 2001; leaky units: Jaeger, Lukosevicius, Popovici, Siewert 2007",
    weakness="nothing in it is learned: it needs many units, and what it keeps is what chance gave it",
    meanings={
        "leak": "how much of the new comes in",
        "radius": "the spectral radius of the recurrent matrix",
        "density": "the part of its weights that are not zero",
        "scale": "of the input's weights",
    },
)
def esn(x, h, *, leak=0.3, radius=0.9, density=0.1, scale=0.5):
    """The echo state network: a fixed, sparse, random reservoir; only the layer after it learns. Affine h.

    candidate_t = tanh(W_h [h_{t-1}, x_t] + b_h)
    h_t = 0.7 * h_{t-1} + 0.3 * candidate_t
    """
    reservoir = f"sparse({density}, {radius})"
    start = {"recurrent": reservoir, "input": f"uniform({-scale}, {scale})", "bias": "constant(0)"}
    candidate = tanh(affine("h", h, x, form="fixed", init=start))
    return (1 - leak) * h + leak * candidate


@cell(
    year=2019,
    paper="Lezcano-Casado, Martinez-Rubio, 'Cheap orthogonal constraints in neural networks', ICML 2019 (expRNN); "
    "modReLU: Arjovsky, Shah, Bengio 2016",
    weakness="an orthogonal state keeps everything and forgets nothing: it fits copying better than language",
)
def exprnn(x, h):
    """ExpRNN: an orthogonal recurrent matrix, and modReLU, which resizes a unit and keeps its sign. Affine h.

    z_t = W_h [h_{t-1}, x_t]
    h_t = sign(z_t) * relu(abs(z_t) + b)
    """
    z = affine("h", h, x, bias=False, form="orthogonal")
    return sign(z) * relu(abs(z) + parameter("b", init="uniform(-0.01, 0.01)"))
