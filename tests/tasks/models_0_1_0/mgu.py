"""A cell of one's own: the minimal gated unit (Zhou et al. 2016)."""

from ricorda.program.cell import cell
from ricorda.program.symbols import affine, sigmoid, tanh


@cell
def mgu(x, h):
    """One gate, which forgets and resets."""
    f = sigmoid(affine("f", h, x))
    candidate = tanh(affine("candidate", f * h, x))
    return (1 - f) * h + f * candidate
