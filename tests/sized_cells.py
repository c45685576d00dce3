"""Cells with states, affines and inputs of other sizes than H, and one step of each as its paper's torch operations."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from hypothesis import strategies as st
from random_cells import Draw, expressions
from torch import Tensor

from ricorda import affine, cell, exp, parameter, relu, sigmoid, tanh
from ricorda.program import functions, symbols
from ricorda.program.cell import Cell
from ricorda.program.ir import Program
from ricorda.program.trace import trace

ORDER = 6

Weights = Mapping[str, Tensor]
Step = Callable[[Weights, Sequence[Tensor], Sequence[Tensor]], tuple[Tensor, ...]]
"""From the parameters, the inputs [B, size] and the states [B, size] of a step to the new states."""


@cell(sizes={"x_last": "I"}, paper="Balduzzi, Ghifary 2016")
def tgru(x, h, x_last):
    """The strongly-typed GRU: its gates see this input and the last one."""
    z = affine("z", x, x_last)
    f = sigmoid(affine("f", x, x_last))
    return f * h + (1 - f) * z, x


def tgru_step(p: Weights, inputs: Sequence[Tensor], states: Sequence[Tensor]) -> tuple[Tensor, ...]:
    (x,), (h, x_last) = inputs, states
    b = p["bias_ih"] + p["bias_hh"]
    z, f = (x @ p["weight_ih"].T + b).chunk(2, dim=1)
    f = torch.sigmoid(f + x_last @ p["weight_f_2"].T)
    return f * h + (1 - f) * (z + x_last @ p["weight_z_2"].T), x


@cell(sizes={"x_last": "I"}, paper="Bradbury et al. 2017")
def qrnn2(x, h, c, x_last):
    """The QRNN with windows of two steps."""
    z = tanh(affine("z", x, x_last, bias=False))
    f = sigmoid(affine("f", x, x_last, bias=False))
    o = sigmoid(affine("o", x, x_last, bias=False))
    c = f * c + (1 - f) * z
    return o * c, c, x


def qrnn2_step(p: Weights, inputs: Sequence[Tensor], states: Sequence[Tensor]) -> tuple[Tensor, ...]:
    (x,), (_, c, x_last) = inputs, states
    V = torch.cat([p["weight_z_2"], p["weight_f_2"], p["weight_o_2"]])
    z, f, o = (x @ p["weight_ih"].T + x_last @ V.T).chunk(3, dim=1)
    c = torch.sigmoid(f) * c + (1 - torch.sigmoid(f)) * torch.tanh(z)
    return torch.sigmoid(o) * c, c, x


@cell(sizes={"m": ORDER}, paper="Voelker et al. 2019")
def lmu(x, h, m):
    """The Legendre memory unit with learned matrices: one number u a row is written into a memory m."""
    u = affine("u", x, h, m, bias=False, size=1)
    m = affine("m", m, u, bias=False, size=ORDER)
    return tanh(affine("h", x, h, m)), m


def lmu_step(p: Weights, inputs: Sequence[Tensor], states: Sequence[Tensor]) -> tuple[Tensor, ...]:
    (x,), (h, m) = inputs, states
    u = x @ p["weight_u_1"].T + h @ p["weight_u_2"].T + m @ p["weight_u_3"].T
    assert u.shape == (len(x), 1)
    m = m @ p["weight_m_1"].T + u @ p["weight_m_2"].T
    z = x @ p["weight_ih"].T + p["bias_ih"] + h @ p["weight_hh"].T + p["bias_hh"] + m @ p["weight_h_3"].T
    return torch.tanh(z), m


@cell(forget_gate="f", paper="Melis et al. 2020")
def mogrifier(x, h, c):
    """The mogrifier LSTM of three rounds: input and state gate each other before the step."""
    gated = 2 * sigmoid(affine("q1", h, size="I")) * x
    state = 2 * sigmoid(affine("r1", gated)) * h
    gated = 2 * sigmoid(affine("q2", state, size="I")) * gated
    i, f, o = (sigmoid(affine(gate, state, gated)) for gate in "ifo")
    g = tanh(affine("g", state, gated))
    c = f * c + i * g
    return o * tanh(c), c


def mogrifier_step(p: Weights, inputs: Sequence[Tensor], states: Sequence[Tensor]) -> tuple[Tensor, ...]:
    (x,), (h, c) = inputs, states
    b = dict(zip(("r1", "i", "f", "o", "g"), p["bias_hh"].chunk(5), strict=True))
    U = dict(zip("ifog", p["weight_hh"].chunk(4), strict=True))
    x = 2 * torch.sigmoid(h @ p["weight_q1_1"].T + p["bias_q1"]) * x
    h = 2 * torch.sigmoid(x @ p["weight_r1_1"].T + b["r1"]) * h
    x = 2 * torch.sigmoid(h @ p["weight_q2_1"].T + p["bias_q2"]) * x
    i, f, o, g = (h @ U[gate].T + x @ p[f"weight_{gate}_2"].T + b[gate] for gate in "ifog")
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


@cell(inputs={"mask": "I", "gap": 1}, sizes={"x_last": "I"}, paper="Che et al. 2018")
def gru_d(x, mask, gap, h, x_last):
    """The GRU-D for inputs of mean 0: a missing number is the last one, decayed towards the mean, as the state is."""
    decay_x = exp(-relu(parameter("rate_x", size="I") * gap + parameter("start_x", size="I")))
    decay_h = exp(-relu(affine("decay", gap)))
    x_last = mask * x + (1 - mask) * x_last
    filled = mask * x + (1 - mask) * (decay_x * x_last)
    old = decay_h * h
    z = sigmoid(affine("z", filled, old, mask))
    r = sigmoid(affine("r", filled, old, mask))
    candidate = tanh(affine("h", filled, r * old, mask))
    return (1 - z) * old + z * candidate, x_last


def gru_d_step(p: Weights, inputs: Sequence[Tensor], states: Sequence[Tensor]) -> tuple[Tensor, ...]:
    (x, m, d), (h, x_last) = inputs, states
    H = h.shape[1]
    b_d, *b_of_gates = p["bias_ih"].chunk(4)
    h = torch.exp(-torch.relu(d @ p["weight_decay_1"].T + b_d)) * h
    x_last = torch.where(m == 1, x, x_last) if bool(((m == 0) | (m == 1)).all()) else m * x + (1 - m) * x_last
    x = m * x + (1 - m) * torch.exp(-torch.relu(d * p["rate_x"] + p["start_x"])) * x_last
    of_mask = (m @ p["weight_ih"].T).chunk(3, dim=1)

    def z(number: int, gate: str, state: Tensor) -> Tensor:
        bias = b_of_gates[number] + p["bias_hh"][number * H : number * H + H]
        U = p["weight_hh"][number * H : number * H + H]
        return x @ p[f"weight_{gate}_1"].T + state @ U.T + of_mask[number] + bias

    update, reset = torch.sigmoid(z(0, "z", h)), torch.sigmoid(z(1, "r", h))
    return (1 - update) * h + update * torch.tanh(z(2, "h", reset * h)), x_last


@cell(inputs={"gap": 1, "context": 5}, sizes={"y": "I", "n": 3, "lone": 1})
def odd(x, gap, context, h, y, n, lone):
    """What the papers' cells do not have: values of inputs as new states, states without a gradient, one unit."""
    a = affine("a", x * gap, h, context, n)
    y = tanh(affine("y", h, lone, size="I")) * x + exp(-abs(gap)) * y
    n = tanh(affine("n", n, y, lone, size=3)) * parameter("p", size=3) + gap * n
    return tanh(a) * h + gap, gap * x, n, tanh(affine("l", y, n, h, context, size=1)) * lone


def odd_step(p: Weights, inputs: Sequence[Tensor], states: Sequence[Tensor]) -> tuple[Tensor, ...]:
    (x, gap, context), (h, y, n, lone) = inputs, states
    a = (x * gap) @ p["weight_ih"].T + p["bias_ih"] + h @ p["weight_hh"].T + p["bias_hh"]
    a = a + context @ p["weight_a_3"].T + n @ p["weight_a_4"].T
    y = torch.tanh(h @ p["weight_y_1"].T + lone @ p["weight_y_2"].T + p["bias_y"]) * x + torch.exp(-gap.abs()) * y
    z = n @ p["weight_n_1"].T + y @ p["weight_n_2"].T + lone @ p["weight_n_3"].T
    n = torch.tanh(z + p["bias_n"]) * p["p"] + gap * n
    z = y @ p["weight_l_1"].T + n @ p["weight_l_2"].T + h @ p["weight_l_3"].T + context @ p["weight_l_4"].T
    return torch.tanh(a) * h + gap, gap * x, n, torch.tanh(z + p["bias_l"]) * lone


@cell(sizes={"y": "I", "lone": 1})
def one_gate(x, h, y, lone):
    """One gate a row, which is the same for all units of vectors of two sizes."""
    g = sigmoid(affine("g", x, h, lone, size=1))
    lone = tanh(lone * parameter("q", size=1)) + g
    y = y * (1 - g) + x * lone
    return g * h + (1 - g) * tanh(affine("h", y, h)) + parameter("r", size=1), y, lone


def one_gate_step(p: Weights, inputs: Sequence[Tensor], states: Sequence[Tensor]) -> tuple[Tensor, ...]:
    (x,), (h, y, lone) = inputs, states
    g = x @ p["weight_g_1"].T + h @ p["weight_g_2"].T + lone @ p["weight_g_3"].T + p["bias_g"]
    g = torch.sigmoid(g)
    assert g.shape == (len(x), 1)
    lone = torch.tanh(lone * p["q"]) + g
    y = y * (1 - g) + x * lone
    z = y @ p["weight_h_1"].T + h @ p["weight_hh"].T + p["bias_hh"]
    return g * h + (1 - g) * torch.tanh(z) + p["r"], y, lone


SIZED: dict[str, tuple[Cell, Step]] = {
    "tgru": (tgru, tgru_step),
    "qrnn2": (qrnn2, qrnn2_step),
    "lmu": (lmu, lmu_step),
    "mogrifier": (mogrifier, mogrifier_step),
    "gru_d": (gru_d, gru_d_step),
    "odd": (odd, odd_step),
    "one_gate": (one_gate, one_gate_step),
}


@st.composite
def sized_programs(draw: Draw) -> Program:
    """Programs of states of three sizes, of affines between them, and of inputs of two sizes besides x."""
    vectors = {"H": ["h"], "I": ["x", "mask", "y"], "3": ["n"]}
    own = {"h": "H", "y": "I", "n": "3"}
    lines, affines = [], []
    for number in range(draw(st.integers(1, 4))):
        size = draw(st.sampled_from(["H", "I", "3"]))
        some = st.one_of(*(expressions(names, 1) for names in vectors.values()))
        operands = ["x", "h"] * (number == 0) + draw(st.lists(some, min_size=1, max_size=3))
        bias = draw(st.sampled_from(["", ", bias=False"]))
        digits = size if size == "3" else repr(size)
        lines.append(f'v{number} = tanh(affine("a{number}", {", ".join(operands)}{bias}, size={digits}))')
        affines.append((f"v{number}", size))
        vectors[size].append(f"v{number}")
    gap = draw(st.sampled_from(["gap", "exp(-gap * gap)", "tanh(2 * gap)"]))
    new = []
    for state, size in own.items():
        used = [name for name, of in affines if of == size] + ["mask * x"] * (state == "y")
        used += [f'affine("n{state}", mask, {state}, n, y, h, size={size if size == "3" else repr(size)})']
        expression = draw(expressions(vectors[size], 2))
        new.append(f"tanh({' + '.join(used)} + {expression} + {gap})")
    source = "\n    ".join(["def drawn(x, mask, gap, h, y, n):", *lines, f"return {', '.join(new)}", ""])
    language: dict[str, Any] = {**vars(symbols), **vars(functions)}
    exec(source, language)
    return trace(language["drawn"], sizes={"y": "I", "n": 3}, inputs={"mask": "I", "gap": 1})
