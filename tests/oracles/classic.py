"""One step of the classic cells, straight from their papers in torch operations: independent of programs and engines.

The tests of engines, layers and views run over these few cells; `tests/cells/test_every_cell.py` runs over all.

Each takes the input [B, I], the states and a dictionary of weights that are named as in the paper: "Wi" multiplies the
input, "Ui" the recurrent operand, "bi" is the sum of the biases. `weights_of` cuts them out of a layer.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from ricorda.catalogue import CELLS
from ricorda.nn import Recurrent

W = dict[str, Tensor]
Step = Callable[..., tuple[Tensor, ...]]


def gate(w: W, name: str, x: Tensor, h: Tensor) -> Tensor:
    return x @ w["W" + name].T + h @ w["U" + name].T + w["b" + name]


def rnn(w: W, x: Tensor, h: Tensor) -> tuple[Tensor, ...]:
    return (torch.tanh(gate(w, "h", x, h)),)


def rnn_relu(w: W, x: Tensor, h: Tensor) -> tuple[Tensor, ...]:
    return (gate(w, "h", x, h).clamp(min=0),)


def lstm(w: W, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
    i, f, o = (1 / (1 + torch.exp(-gate(w, name, x, h))) for name in "ifo")
    c = f * c + i * torch.tanh(gate(w, "g", x, h))
    return o * torch.tanh(c), c


def lstm_peephole(w: W, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
    i, f = (torch.sigmoid(gate(w, name, x, h) + w["p_" + name] * c) for name in "if")
    c = f * c + i * torch.tanh(gate(w, "g", x, h))
    return torch.sigmoid(gate(w, "o", x, h) + w["p_o"] * c) * torch.tanh(c), c


def lstm_coupled(w: W, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
    f, o = (torch.sigmoid(gate(w, name, x, h)) for name in "fo")
    c = f * c + (1 - f) * torch.tanh(gate(w, "g", x, h))
    return o * torch.tanh(c), c


def gru(w: W, x: Tensor, a: Tensor) -> tuple[Tensor, ...]:
    r, u = (torch.sigmoid(gate(w, name, x, a)) for name in "ru")
    candidate = torch.tanh(gate(w, "a", x, r * a))
    return ((1 - u) * a + u * candidate,)


def gru_reset_after(w: W, x: Tensor, h: Tensor) -> tuple[Tensor, ...]:
    r, z = (torch.sigmoid(gate(w, name, x, h)) for name in "rz")
    n = torch.tanh(x @ w["Wn"].T + w["bn"] + r * (h @ w["Unh"].T + w["bnh"]))
    return ((1 - z) * n + z * h,)


STEPS: dict[str, Step] = {
    step.__name__: step for step in (rnn, rnn_relu, lstm, lstm_peephole, lstm_coupled, gru, gru_reset_after)
}

CLASSIC = {name: CELLS[name] for name in STEPS}

# rows of the weights that multiply the input and the state: the gate order that the documentation promises
ROWS = {
    "rnn": ("h", "h"),
    "rnn_relu": ("h", "h"),
    "lstm": ("i f g o", "i f g o"),
    "lstm_peephole": ("i f g o", "i f g o"),
    "lstm_coupled": ("f g o", "f g o"),
    "gru": ("r u a", "r u a"),
    "gru_reset_after": ("r z n", "r z nh"),
}


def weights_of(
    layer: Recurrent, cell: str, suffix: str = "_l0", rows: Mapping[str, tuple[str, str]] = MappingProxyType(ROWS)
) -> W:
    """A layer's weights under the papers' names."""
    of_input, of_state = (names.split() for names in rows[cell])
    found: W = {}
    for letter, parameter, names in (("W", "weight_ih", of_input), ("U", "weight_hh", of_state)):
        for name, block in zip(names, getattr(layer, parameter + suffix).chunk(len(names)), strict=True):
            found[letter + name] = block
    for parameter, names in (("bias_ih", of_input), ("bias_hh", of_state)):
        for name, block in zip(names, getattr(layer, parameter + suffix).chunk(len(names)), strict=True):
            found["b" + name] = found["b" + name] + block if "b" + name in found else block
    for name, value in layer.named_parameters():
        if name.startswith("p_") and name.endswith(suffix):
            found[name.removesuffix(suffix)] = value
    return found
