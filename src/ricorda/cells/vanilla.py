"""Cells without gates: the state is one sum of the last state and the input, squashed."""

from ricorda.program.cell import cell
from ricorda.program.symbols import affine, relu, sigmoid, tanh


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
