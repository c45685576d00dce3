"""Cells without gates: the state is one sum of the last state and the input, squashed."""

from ricorda.program.cell import cell
from ricorda.program.symbols import affine, relu, tanh


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
