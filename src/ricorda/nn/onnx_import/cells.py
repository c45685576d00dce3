"""The cells of ONNX's recurrent nodes with whatever attributes: activations, a clip, coupled gates, peepholes.

Nodes with the usual attributes are cells of the literature (`ricorda.cells`); these stand for all others. Their affines
have the order of ONNX's gates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ricorda.errors import ArgumentError
from ricorda.program.cell import cell
from ricorda.program.functions import where
from ricorda.program.symbols import Symbol, affine, exp, maximum, minimum, parameter, relu, sigmoid, softplus, tanh


class Activation(NamedTuple):
    """An activation function of ONNX's operators.

    Parameters
    ----------
    function : (symbol, *numbers) -> symbol
    numbers : the defaults of alpha and beta, as far as it has them; None for one that a node must give
    """

    function: Callable[..., Any]
    numbers: tuple[float | None, ...] = ()


ACTIVATIONS = {
    "Affine": Activation(lambda a, alpha, beta: alpha * a + beta, (None, None)),
    "Elu": Activation(lambda a, alpha: where(a >= 0, a, alpha * (exp(a) - 1)), (1.0,)),
    "HardSigmoid": Activation(lambda a, alpha, beta: minimum(maximum(alpha * a + beta, 0), 1), (0.2, 0.5)),
    "LeakyRelu": Activation(lambda a, alpha: where(a >= 0, a, alpha * a), (0.01,)),
    "Relu": Activation(relu),
    "ScaledTanh": Activation(lambda a, alpha, beta: alpha * tanh(beta * a), (None, None)),
    "Sigmoid": Activation(sigmoid),
    "Softplus": Activation(softplus),
    "Softsign": Activation(lambda a: a / (1 + abs(a))),
    "Tanh": Activation(tanh),
    "ThresholdedRelu": Activation(lambda a, alpha: where(a >= alpha, a, 0), (1.0,)),
}
"""By name; the defaults are those of ONNX's operators of the same names."""

SIDE = "backward"
"""The fixed number that tells a layer's second direction from its first, where they have other activations."""


def applied(activations: str, place: int, a: Symbol) -> Any:
    """What the activation at a place gives.

    Parameters
    ----------
    activations : such as "Sigmoid Elu(0.5) Tanh"; those of the second direction, if they are others, behind a "|"
    """
    first, *second = (_applied(of_direction.split()[place], a) for of_direction in activations.split("|"))
    if not second or first.index == second[0].index:
        return first
    return where(_side(a), second[0], first)


def _side(a: Symbol) -> Symbol:
    """The number that is 1 in the second direction; one line of the cell, however often it is used."""
    for index, value in enumerate(a.tape.values):
        if value.op == "parameter" and value.name == SIDE:
            return Symbol(a.tape, index)
    return parameter(SIDE, form="fixed", init=0.0)


def _applied(text: str, a: Symbol) -> Any:
    name, _, numbers = text.rstrip(")").partition("(")
    if name not in ACTIVATIONS:
        raise ArgumentError(f"the activation {name!r} is none of ONNX's: {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name].function(a, *map(float, filter(None, numbers.split(","))))


def _clipped(a: Any, clip: float) -> Any:
    """The argument of an activation, kept between -clip and clip; 0 stands for no clip."""
    return minimum(maximum(a, -clip), clip) if clip else a


@cell
def onnx_lstm(x, h, c, *, activations="Sigmoid Tanh Tanh", clip=0.0, input_forget=False, peepholes=False):  # type: ignore[no-untyped-def]
    """ONNX's LSTM with activations f, g, h. Gates i o f c; with `input_forget` f = 1 - i, and there is no gate f.

    i_t = f(W_i [h_{t-1}, x_t] + b_i + p_i * c_{t-1})
    f_t = f(W_f [h_{t-1}, x_t] + b_f + p_f * c_{t-1})
    g_t = g(W_c [h_{t-1}, x_t] + b_c)
    c_t = f_t * c_{t-1} + i_t * g_t
    o_t = f(W_o [h_{t-1}, x_t] + b_o + p_o * c_t)
    h_t = o_t * h(c_t)

    The clip is that of the gates: as in ONNX Runtime, h reads the cell state as it is.
    """
    z_in, z_out = affine("i", h, x), affine("o", h, x)
    z_keep = None if input_forget else affine("f", h, x)
    z_new = affine("c", h, x)
    i = applied(activations, 0, _clipped(z_in + parameter("p_i") * c if peepholes else z_in, clip))
    if z_keep is None:
        f = 1 - i
    else:
        f = applied(activations, 0, _clipped(z_keep + parameter("p_f") * c if peepholes else z_keep, clip))
    g = applied(activations, 1, _clipped(z_new, clip))
    c = f * c + i * g
    o = applied(activations, 0, _clipped(z_out + parameter("p_o") * c if peepholes else z_out, clip))
    h = o * applied(activations, 2, c)
    return h, c


@cell
def onnx_gru(x, h, *, activations="Sigmoid Tanh", clip=0.0, linear_before_reset=False):  # type: ignore[no-untyped-def]
    """ONNX's GRU with activations f, g. Gates z r h; z keeps the old.

    z_t = f(W_z [h_{t-1}, x_t] + b_z)
    r_t = f(W_r [h_{t-1}, x_t] + b_r)
    n_t = g(W_h [r_t * h_{t-1}, x_t] + b_h), or with `linear_before_reset` g(W_h x_t + b_h + r_t * (R_h h_{t-1} + b_rh))
    h_t = (1 - z_t) * n_t + z_t * h_{t-1}
    """
    z = applied(activations, 0, _clipped(affine("z", h, x), clip))
    r = applied(activations, 0, _clipped(affine("r", h, x), clip))
    new = affine("h", x) + r * affine("rh", h) if linear_before_reset else affine("h", r * h, x)
    n = applied(activations, 1, _clipped(new, clip))
    return (1 - z) * n + z * h


@cell
def onnx_rnn(x, h, *, activations="Tanh", clip=0.0):  # type: ignore[no-untyped-def]
    """ONNX's RNN with activation f.

    h_t = f(W_h [h_{t-1}, x_t] + b_h)
    """
    return applied(activations, 0, _clipped(affine("h", h, x), clip))
