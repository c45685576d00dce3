"""Cells in continuous time, or that are told the time between steps, or what is missing."""

from ricorda.program.cell import cell
from ricorda.program.symbols import affine, sigmoid, tanh


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
